"""`get`, `put`, `delete` and `pending` work on this device alone."""

import os

import pytest

from solidb_sync import LocalStore


@pytest.fixture
def alone(cli):
    """A device that has never heard of a server."""
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="laptop")
    return cli


def test_put_saves_and_queues_without_a_server_and_get_shows_it(alone):
    put = alone("put", "users", "u1", '{"name": "Zoë", "age": 30}', "--json")
    assert (put.code, put.err) == (0, "")
    assert put.json == {"collection": "users", "key": "u1", "pending": 1}
    assert alone("get", "users", "u1", "--json").json == {"_key": "u1", "_id": "users/u1", "name": "Zoë", "age": 30}


def test_a_second_put_merges_fields_and_replace_does_not(alone):
    alone.here("put", "users", "u1", '{"name": "Ann", "age": 30}')
    merged = alone("put", "users", "u1", text='{"age": 31}')
    assert (merged.code, merged.out) == (0, "saved users/u1; 2 changes wait for the server\n")
    assert alone.here("get", "users", "u1", "--json").json["name"] == "Ann"
    assert alone.here("put", "users", "u1", "-", "--replace", text='{"age": 32}').code == 0
    assert alone.here("get", "users", "--json").json == [{"_key": "u1", "_id": "users/u1", "age": 32}]


def test_get_with_meta_says_that_the_document_is_not_sent_yet(alone):
    alone.here("put", "users", "u1", "{}")
    shown = alone.here("get", "users", "--meta", "--json").json[0]
    assert shown["_sync"] == {"state": "pending"}
    assert shown["_version"] == {"laptop": 1}


def test_delete_queues_a_deletion_and_a_document_that_is_not_there_is_no_error(alone):
    alone.here("put", "users", "u1", "{}")
    assert alone.here("delete", "users", "u1", "--json").json["deleted"] is True
    again = alone("delete", "users", "u1", "--json")
    assert (again.code, again.json["deleted"]) == (0, False)
    gone = alone.here("get", "users", "u1", "--json")
    assert (gone.code, gone.out) == (1, "")
    assert gone.error == {"error": "users/u1: there is no such document", "type": "NotFound", "code": 1}
    listed = alone("pending", "--json").json
    assert [(change["operation"], change["key"]) for change in listed["pending"]] == [("insert", "u1"), ("delete", "u1")]
    assert listed["rejected"] == []


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("[1]", 'document: expected an object such as {"name": "Alice"}, found an array'),
        ("{name: 1}", "document: not JSON at line 1, column 2"),
        ('{"a": 1, "a": 2}', "document: the key 'a' stands twice in one object"),
        ('{"a": NaN}', "document: NaN is not JSON"),
    ],
)
def test_a_document_that_is_not_one_is_wrong_usage_and_nothing_is_saved(document, problem, alone):
    done = alone.here("put", "users", "u1", text=document)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {problem}")
    assert not (alone.directory / "store.db").exists()


def test_a_name_or_key_that_cannot_be_one_is_wrong_usage(alone):
    assert "begins with '_'" in alone.here("put", "_users", "u1", "{}").err
    assert "a character no key may have" in alone.here("get", "users", "a/b").err


def test_reading_makes_no_store_where_there_is_none(alone):
    done = alone.here("get", "users")
    assert done.code == 1
    assert done.err.startswith("error: store.db: there is no store; `solidb-sync init`")
    assert list(alone.directory.iterdir()) == []


def test_a_store_in_use_by_another_process_is_a_clear_error(alone):
    with LocalStore.open(alone.directory / "store.db", "laptop"):
        done = alone("put", "users", "u1", "{}", "--json")
    assert done.code == 1
    assert done.error["type"] == "StoreLockedError"
    assert f"process {os.getpid()} has it open" in done.error["error"]


def test_the_store_of_another_device_is_refused(alone):
    assert alone.here("put", "users", "u1", "{}").code == 0
    done = alone.here("get", "users", "--device-id", "phone")
    assert done.code == 1
    assert "belongs to the device 'laptop', not to 'phone'" in done.err


def test_what_could_steer_a_terminal_is_not_printed(alone):
    alone.here("put", "users", "u1", '{"name": "\\u001b[31mred"}')
    assert "\x1b" not in alone.here("get", "users").out
