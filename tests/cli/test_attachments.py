"""`attach` and `attachments`, and what `sync` does with the bytes."""


def test_a_file_attached_on_one_device_is_saved_on_another(device):
    phone, laptop = device("phone"), device("laptop")
    phone.here("put", "notes", "a", '{"text": "hello"}')
    (phone.directory / "photo.jpg").write_bytes(b"light and shade")
    attached = phone.here("attach", "notes", "a", "photo.jpg", "--type", "image/jpeg", "--json")
    assert (attached.code, attached.json["length"], attached.json["name"]) == (0, 15, "photo.jpg")
    assert phone.here("attachments", "notes", "a").out == "photo.jpg  15  image/jpeg  here\n"
    assert phone("sync").code == 0
    assert phone.here("attachments", "notes", "a").out == "photo.jpg  15  image/jpeg  here, server\n"
    assert laptop.here("sync").code == 0
    (listed,) = laptop.here("attachments", "notes", "a", "--save", "photo.jpg", "--to", "copy.jpg", "--json").json
    assert (listed["digest"], listed["is_here"]) == (attached.json["digest"], True)
    assert (laptop.directory / "copy.jpg").read_bytes() == b"light and shade"


def test_a_document_or_an_attachment_that_is_not_there_is_told(device):
    phone = device("phone")
    phone.here("put", "notes", "a", "{}")
    (phone.directory / "f").write_bytes(b"")
    assert phone.here("attach", "notes", "b", "f", "--json").error["type"] == "AttachmentNotFoundError"
    missing = phone.here("attachments", "notes", "a", "--save", "x", "--json")
    assert (missing.code, missing.error["error"]) == (1, "notes/a: no attachment 'x'; it has none")
    assert phone.here("attachments", "notes", "a").out == "no attachments\n"


def test_a_server_takes_no_more_of_attachments_than_it_was_told_to(cli):
    """One that is too large, and one for which there is no room beside the others; documents go on."""
    limits = ("--attachment-bytes-max", "100")
    key = "administrator-" + "k" * 32
    with cli.start(
        "serve", "--data", "data", "--port", "0", *limits, SOLIDB_API_KEY=key, SOLIDB_ATTACHMENTS_TOTAL_BYTES_MAX="150"
    ) as server:
        url = server.line(server.out).removeprefix("listening on ")
        cli.settings.update(SOLIDB_URL=url, SOLIDB_DATABASE="db", SOLIDB_API_KEY=key)
        cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone")
        for name, size in (("fits", 100), ("large", 101), ("crowded", 51)):
            cli.here("put", "notes", name, "{}")
            (cli.directory / name).write_bytes(name[:1].encode() * size)
            cli.here("attach", "notes", name, name)
            if name == "fits":
                assert cli.here("sync").code == 0
        done = cli.here("sync", "--json")
        assert (done.code, done.json["pushed"]) == (1, 4)
        told = " ".join(error["error"] for error in done.json["errors"])
        assert "101 bytes, at most 100" in told
        assert "no room left" in told
        where = {name: cli.here("attachments", "notes", name).out.strip() for name in ("fits", "large", "crowded")}
    assert where["fits"].endswith("here, server")
    assert where["large"].endswith("here")
    assert where["crowded"].endswith("here")


def test_a_limit_of_attachments_that_is_no_number_of_bytes_is_wrong_usage(cli):
    for given in ("1 GiB", "-1", "2199023255552"):
        assert cli.here("serve", "--data", "data", "--attachment-bytes-max", given).code == 2
        done = cli.here("serve", "--data", "data", "--json", SOLIDB_ATTACHMENTS_TOTAL_BYTES_MAX=given)
        assert (done.code, done.error["type"]) == (2, "ConfigError")
        assert "attachments_total_bytes_max" in done.error["error"]
    assert not (cli.directory / "data").exists()
