"""`verify`, `backup`, `salvage`: a damaged store is noticed, and what is left of it goes on."""

import pytest


@pytest.fixture
def laptop(cli):
    """A device with unsent edits."""
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    for number in range(40):
        cli.here("put", "users", f"u{number:02}", f'{{"name": "{"Ann " * 100}{number}"}}')
    return cli


def test_a_sound_store_says_so_and_its_backup_opens(laptop):
    assert laptop.here("verify").out.endswith("records are sound\n")
    done = laptop.here("backup", "copy.db", "--json")
    assert (done.code, done.json) == (0, {"source": "store.db", "target": "copy.db"})
    laptop.settings["SOLIDB_STORE"] = "copy.db"
    assert laptop.here("get", "users", "u07", "--json").json["name"].endswith("7")
    assert laptop.here("verify", "--json").json["is_sound"]
    assert laptop.here("backup", "copy.db").code == 1


def test_what_is_left_of_a_damaged_store_goes_on_under_its_new_name(laptop):
    path = laptop.directory / "store.db"
    content = bytearray(path.read_bytes())
    middle = content.rindex(b"Ann Ann")
    content[middle : middle + 4] = b"Joe "
    path.write_bytes(content)
    found = laptop.here("verify", "--json")
    assert (found.code, found.json["is_sound"]) == (1, False)
    assert "solidb-sync salvage" in laptop.here("verify").out
    done = laptop.here("salvage", "new.db", "--json")
    assert done.code == 0
    assert done.json["lost"]
    assert 20 < done.json["documents"] <= 40
    laptop.settings["SOLIDB_STORE"] = "new.db"
    assert laptop.here("verify", "--json").json["is_sound"]
    assert laptop.here("salvage", "new.db").code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("backup", ":memory:"),
        ("backup", ""),
        ("salvage", ":memory:"),
        ("convert", ":memory:", "--engine", "rocksdb"),
        ("verify", "--store", ":memory:"),
        ("status", "--store", ":memory:"),
        ("get", "users", "u07", "--store", ":memory:"),
        ("put", "users", "u07", "{}", "--store", ":memory:"),
        ("convert", "new", "--engine", "rocksdb", "--store", ":memory:"),
        ("salvage", "new.db", "--store", ":memory:"),
    ],
)
def test_what_names_no_file_is_wrong_usage_for_every_command(laptop, arguments):
    done = laptop.here(*arguments, "--json")
    assert (done.code, done.error["type"]) == (2, "ConfigError")
    assert "names no file" in done.error["error"]
    assert [path.name for path in laptop.directory.iterdir() if not path.name.startswith("store.db")] == []
