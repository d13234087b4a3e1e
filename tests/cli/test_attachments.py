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
