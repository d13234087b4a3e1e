"""`sync` and `status` against a running server."""

import json
import signal

NOWHERE = "http://127.0.0.1:1"


def test_what_one_device_puts_another_gets(device):
    phone, laptop = device("phone"), device("laptop")
    phone.here("put", "notes", "a", '{"text": "hello"}')
    sent = phone("sync", "--json")
    assert (sent.code, sent.err) == (0, "")
    assert sent.json == {"success": True, "pushed": 1, "pulled": 0, "conflicts": [], "errors": []}
    assert laptop.here("sync").out == "pushed 0, pulled 1, conflicts 0\n"
    assert laptop.here("get", "notes", "a", "--json").json["text"] == "hello"
    assert phone.here("pending").out == "nothing waits for the server\n"


def test_a_conflict_is_shown_with_its_outcome(device):
    phone, laptop = device("phone"), device("laptop")
    for one, value in ((phone, 1), (laptop, 2)):
        one.here("put", "notes", "a", json.dumps({"n": value}))
    phone.here("sync")
    found = laptop("sync", "--json")
    assert found.code == 0
    (conflict,) = found.json["conflicts"]
    assert (conflict["collection"], conflict["key"], conflict["winner"]) == ("notes", "a", "local")
    assert (conflict["local"]["n"], conflict["remote"]["n"]) == (2, 1)
    assert phone.here("sync").code == 0
    assert phone.here("get", "notes", "a", "--json").json["n"] == 2


def test_a_sync_without_a_server_is_not_done_and_loses_nothing(device):
    phone = device("phone")
    phone.here("put", "notes", "a", "{}")
    for_people = phone.here("sync", "--url", NOWHERE)
    assert (for_people.code, for_people.out) == (1, "pushed 0, pulled 0, conflicts 0\n")
    assert for_people.err.startswith(f"error: {NOWHERE}: ")
    for_programs = phone.here("sync", "--url", NOWHERE, "--json")
    assert for_programs.code == 1
    assert for_programs.json["errors"][0]["type"] == "ConnectionError"
    assert for_programs.json["errors"][0]["retryable"] is True
    assert for_programs.error["type"] == "NotSynced"
    assert len(phone.here("pending", "--json").json["pending"]) == 1


def test_a_key_the_server_does_not_know_ends_sync_and_watch(device):
    phone = device("phone")
    once = phone.here("sync", SOLIDB_API_KEY="sk_unknown")
    assert once.code == 1
    assert "does not accept the credentials" in once.err
    watching = phone("sync", "--watch", "--json", SOLIDB_API_KEY="sk_unknown")
    assert (watching.code, watching.out) == (1, "")
    assert watching.error["type"] == "AuthError"


def test_watch_prints_what_others_change_until_it_is_told_to_stop(device):
    phone, laptop = device("phone"), device("laptop")
    phone.here("put", "notes", "before", '{"n": 1}')
    phone.here("sync")
    with laptop.start("sync", "--watch", "--interval", "1", "--json") as watching:
        assert json.loads(watching.line(watching.out))["key"] == "before"
        assert "watching" in json.loads(watching.line(watching.err))["note"]
        phone.here("put", "notes", "before", '{"n": 2}')
        phone.here("sync")
        event = json.loads(watching.line(watching.out))
        assert (event["type"], event["document"]["n"]) == ("update", 2)
        phone.here("delete", "notes", "before")
        phone.here("sync")
        assert json.loads(watching.line(watching.out)) == {
            "type": "delete",
            "collection": "notes",
            "key": "before",
            "document": None,
        }
        locked = laptop("pending")
        assert locked.code == 1
        assert "has it open for writing" in locked.err
        assert watching.stop(signal.SIGTERM) == 0
    with laptop.start("sync", "--watch") as watching:
        assert watching.line(watching.err).startswith("watching ")
        assert watching.stop(signal.SIGINT) == 0


def test_status_shows_the_device_and_what_the_server_knows_of_it(device):
    phone = device("phone")
    phone.here("put", "notes", "a", "{}")
    phone.here("sync")
    phone.here("put", "notes", "b", "{}")
    shown = phone("status", "--json")
    assert shown.code == 0
    local = shown.json["local"]
    assert [local[name] for name in ("pending", "held", "rejected", "conflicts", "cursor")] == [1, 0, 0, 0, 1]
    assert (local["open_conflicts"], local["collections"], local["filters"]) == (0, [], {})
    known = shown.json["server"]
    assert (known["reachable"], known["client_id"], known["server_version"]["server"]) == (True, "phone", 1)
    out = phone.here("status").out
    assert "here:   1 pending" in out
    assert "synced: all collections\n" in out


def test_status_works_without_a_server_and_says_why(device):
    phone = device("phone")
    phone.here("put", "notes", "a", "{}")
    shown = phone("status", "--url", NOWHERE, "--json")
    assert shown.code == 0
    assert shown.json["server"]["reachable"] is False
    assert phone.here("status", SOLIDB_URL="").out.endswith("server: no address set (SOLIDB_URL)\n")
