"""`convert`: the store moves to another engine, and every command goes on with it."""

import pytest


@pytest.fixture
def laptop(cli):
    """A device with one unsent edit that has never heard of a server."""
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    cli.here("put", "users", "u1", '{"name": "Ann"}')
    return cli


@pytest.mark.parametrize("engine", ["rocksdb", "sqlite"])
def test_a_converted_store_is_used_under_its_new_name(laptop, engine):
    done = laptop.here("convert", "new", "--engine", engine, "--json")
    assert (done.code, done.json["engine"], done.json["device_id"]) == (0, engine, "laptop")
    refused = laptop.here("put", "users", "u2", "{}", "--json")
    assert (refused.code, refused.error["type"]) == (1, "StorageError")
    assert "was moved to" in refused.error["error"]
    laptop.settings["SOLIDB_STORE"] = "new"
    assert laptop.here("get", "users", "u1", "--json").json["name"] == "Ann"
    assert laptop.here("put", "users", "u2", "{}").code == 0
    assert laptop.here("query", "FOR u IN users RETURN u._key", "--json").json == ["u1", "u2"]
    assert laptop.here("pending").out.count("users/") == 2


def test_a_conversion_says_what_to_do_next(laptop):
    done = laptop.here("convert", "new", "--engine", "rocksdb")
    assert done.code == 0
    assert "are in new (rocksdb) and are the same; store.db is marked as moved" in done.out
    again = laptop.here("convert", "new", "--engine", "rocksdb")
    assert (again.code, again.out) == (1, "")
    assert "new: exists already" in again.err
