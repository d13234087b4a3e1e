"""`doctor`: what is wrong is found, named with its remedy, and left as it is."""

from __future__ import annotations

import asyncio
import json
import sqlite3

import pytest

from solidb_sync import LocalStore
from solidb_sync.cli.doctor.findings import Level
from solidb_sync.cli.doctor.server_checks import check_server
from solidb_sync.cli.doctor.store_checks import FREE_BYTES_MIN, FREE_BYTES_WANTED, StorePlace, check_store
from solidb_sync.client.transport.transport import TransportAnswer

KEY = "correct horse battery staple"


def findings(done, level):
    """Return what was found at a level, by what was looked at."""
    found = [finding for finding in done.json["findings"] if finding["level"] == level]
    assert all(finding["remedy"] for finding in found) or level == "ok"
    return {finding["check"]: finding for finding in found}


@pytest.fixture
def phone(device):
    """A device that has synced."""
    phone = device("phone")
    for number in range(40):
        phone.here("put", "users", f"u{number:02}", json.dumps({"name": f"{'Ann ' * 100}{number}"}))
    assert phone.here("sync").code == 0
    return phone


def content(cli):
    """Return the store's own file, and what is beside it but for SQLite's bookkeeping of its log."""
    return (cli.directory / "store.db").read_bytes(), sorted(
        path.name for path in cli.directory.iterdir() if not path.name.endswith(("-shm", "-wal"))
    )


def test_a_device_that_is_well_is_told_so(phone):
    before = content(phone)
    done = phone("doctor", "--json")
    assert (done.code, done.err) == (0, "")
    assert done.json["is_healthy"]
    assert set(findings(done, "ok")) == {
        *("versions", "room", "rights", "lock", "log", "content", "changes", "server", "clock", "access")
    }
    assert "SQLite 3." in findings(done, "ok")["versions"]["message"]
    assert "0 to fetch" in findings(done, "ok")["access"]["message"]
    assert phone.here("doctor").out.endswith("everything is as it should be\n")
    assert content(phone) == before


def test_the_name_of_the_device_is_read_from_the_store_where_nobody_gives_it(phone):
    del phone.settings["SOLIDB_DEVICE_ID"]
    done = phone.here("doctor", "--json")
    assert (done.code, findings(done, "problem")) == (0, {})
    assert "0 to fetch" in findings(done, "ok")["access"]["message"]
    (phone.directory / "store.db").write_bytes(b"no store at all" * 1000)
    done = phone.here("doctor", "--json")
    assert (done.code, set(findings(done, "problem"))) == (1, {"content"})


def test_damage_is_a_problem_with_the_way_out_and_is_not_touched(phone):
    path = phone.directory / "store.db"
    damaged = path.read_bytes().replace(b"Ann Ann", b"Joe Ann")
    path.write_bytes(damaged)
    done = phone.here("doctor", "--json")
    assert (done.code, done.json["is_healthy"]) == (1, False)
    found = findings(done, "problem")["content"]
    assert "problems: " in found["message"]
    assert "solidb-sync salvage" in found["remedy"]
    assert "access" in findings(done, "ok")  # what doesn't depend on it was looked at all the same
    assert path.read_bytes() == damaged
    assert "-> restore a backup" in phone.here("doctor").out


@pytest.mark.parametrize(
    "body",
    [b"", b"\0" * 20_000, b"SQLite format 3\0" + b"x" * 9_000, b"no database at all" * 1_000],
    ids=["empty", "zeros", "torn", "text"],
)
def test_a_file_that_is_no_store_is_a_problem(phone, body):
    path = phone.directory / "store.db"
    for beside in phone.directory.iterdir():
        beside.unlink()
    path.write_bytes(body)
    done = phone.here("doctor", "--json")
    assert done.code == 1
    assert {"store", "content"} & set(findings(done, "problem"))
    assert path.read_bytes() == body


def test_who_has_the_store_open_is_told_and_nobody_is_kept_out_by_looking(phone):
    with LocalStore.open(phone.directory / "store.db", "phone") as store:
        done = phone("doctor", "--json")
        assert done.code == 0
        assert "has the store open for writing" in findings(done, "notice")["lock"]["message"]
        assert "content" in findings(done, "ok")
        store.put_document("users", "more", {}, {})
    assert "lock" in findings(phone.here("doctor", "--json"), "ok")


def test_a_missing_and_a_wrong_key_are_told_apart_from_damage(cli):
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone", SOLIDB_ENCRYPTION_KEY=KEY)
    cli.here("put", "users", "u1", "{}")
    assert cli.here("doctor").code == 0
    for settings in ({"SOLIDB_ENCRYPTION_KEY": ""}, {"SOLIDB_ENCRYPTION_KEY": "another"}):
        done = cli.here("doctor", "--json", **settings)
        assert done.code == 1
        assert "SOLIDB_ENCRYPTION_KEY" in findings(done, "problem")["content"]["remedy"]


@pytest.mark.parametrize(
    ("settings", "check", "message"),
    [
        ({"SOLIDB_STORE": "nothing.db"}, "store", "there is no store"),
        ({"SOLIDB_STORE": ":memory:"}, "store", "names no file"),
        ({"SOLIDB_DEVICE_ID": "tablet"}, "content", "belongs to the device 'phone'"),
        ({"SOLIDB_API_KEY": "sk_unknown"}, "access", "status 401"),
        ({"SOLIDB_URL": "http://127.0.0.1:1"}, "server", "Connect"),
    ],
    ids=["path", "memory", "device", "key", "url"],
)
def test_a_setting_that_is_wrong_is_found(phone, settings, check, message):
    done = phone.here("doctor", "--json", **settings)
    assert done.code == 1
    assert message in findings(done, "problem")[check]["message"]


def test_a_key_to_another_database_is_refused_and_that_is_found(phone, server):
    made = phone.here("token", "create", "--data", str(server.data), "--database", "other", "--name", "x", "--json")
    done = phone.here("doctor", "--json", SOLIDB_API_KEY=made.json["key"])
    assert done.code == 1
    assert "status 403" in findings(done, "problem")["access"]["message"]


def test_what_is_needed_and_not_set_is_wrong_usage(cli):
    assert cli.here("doctor").code == 2


def test_without_a_server_the_store_is_looked_at(cli):
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone")
    cli.here("put", "users", "u1", "{}")
    done = cli.here("doctor", "--json")
    assert done.code == 0
    assert set(findings(done, "notice")) == {"server"}
    assert findings(done, "ok")["changes"]["message"].startswith("1 pending")


@pytest.mark.parametrize("engine", ["sqlite", "rocksdb"])
def test_a_store_that_was_moved_and_one_that_others_may_read_are_found(cli, engine):
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone")
    cli.here("put", "users", "u1", "{}")
    other = {"sqlite": "rocksdb", "rocksdb": "sqlite"}[engine]
    if engine == "rocksdb":
        assert cli.here("convert", "rocks", "--engine", "rocksdb").code == 0
        cli.settings["SOLIDB_STORE"] = "rocks"
    (cli.directory / cli.settings["SOLIDB_STORE"]).chmod(0o755)
    found = findings(cli.here("doctor", "--json"), "notice")["rights"]
    assert "mode 0755" in found["message"]
    assert found["remedy"].startswith("chmod ")
    assert cli.here("convert", "new", "--engine", other).code == 0
    done = cli.here("doctor", "--json")
    assert done.code == 1
    assert "was moved to" in findings(done, "problem")["moved"]["message"]


def test_refused_changes_and_open_conflicts_deserve_a_look(cli):
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone")
    cli.here("put", "users", "u1", "{}")
    with LocalStore.open(cli.directory / "store.db", "phone") as store:
        store.transact(lambda engine: engine._do("UPDATE changes SET state = 2"))
    done = cli.here("doctor", "--json")
    assert done.code == 0
    assert "refused 1 changes for good" in findings(done, "notice")["rejected"]["message"]


def test_little_room_is_a_notice_and_next_to_none_a_problem(tmp_path):
    LocalStore.open(tmp_path / "store.db", "phone").close()
    place = StorePlace(str(tmp_path / "store.db"), "phone")
    for free, level in (
        (FREE_BYTES_MIN - 1, Level.PROBLEM),
        (FREE_BYTES_WANTED - 1, Level.NOTICE),
        (FREE_BYTES_WANTED, Level.FINE),
    ):
        found = {one.check: one for one in check_store(place, free_bytes=lambda _, free=free: free)}
        assert found["room"].level is level


def test_a_log_that_only_grows_deserves_a_look(tmp_path, monkeypatch):
    with LocalStore.open(tmp_path / "store.db", "phone") as store:
        store.put_document("users", "u1", {"text": "x" * 9_000}, {})
        place = StorePlace(str(tmp_path / "store.db"), "phone")
        assert {one.check: one.level for one in check_store(place)}["log"] is Level.FINE
        monkeypatch.setattr("solidb_sync.cli.doctor.store_checks.LOG_BYTES_MAX", 8_000)
        assert {one.check: one.level for one in check_store(place)}["log"] is Level.NOTICE


class StoppedClock:
    """Stands still."""

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic(self) -> float:
        return 0.0


class AnsweringServer:
    """Answers what it was told to."""

    database = "shop"

    def __init__(self, *answers: TransportAnswer) -> None:
        self._answers = list(answers)

    async def exchange(self, method, path, *, query=None, body=None):
        assert method == "GET"
        return self._answers.pop(0)


def asked(clock, *answers):
    async def ask():
        return {one.check: one async for one in check_server(AnsweringServer(*answers), "phone", clock)}

    return asyncio.run(ask())


STATUS = TransportAnswer(
    200,
    {},
    b'{"client_id": "phone", "server_version": {"server": 3}, "pending_for_client": 3, "last_sync": null,'
    b' "collections_synced": []}',
)


@pytest.mark.parametrize(
    ("timestamp", "level", "message"),
    [
        ("2026-01-01T00:00:00.000Z", Level.FINE, "0.0 s"),
        ("2026-01-01T00:02:00.000Z", Level.NOTICE, "120.0 s behind"),
        ("2025-12-31T23:58:00.000Z", Level.NOTICE, "120.0 s ahead of"),
    ],
)
def test_a_clock_that_is_off_is_noticed_both_ways(timestamp, level, message):
    clock = StoppedClock(1_767_225_600_000)
    health = TransportAnswer(200, {}, json.dumps({"status": "ok", "timestamp": timestamp}).encode())
    found = asked(clock, health, STATUS)
    assert found["clock"].level is level
    assert message in found["clock"].message
    assert "never synced, 3 to fetch" in found["access"].message


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"timestamp": "yesterday"}'])
def test_something_else_that_answers_is_no_server_of_ours(body):
    found = asked(StoppedClock(0), TransportAnswer(200, {}, body))["server"]
    assert found.level is Level.PROBLEM
    assert "no server of this system" in found.remedy


def test_a_store_that_another_program_wrote_is_a_problem(cli):
    cli.settings.update(SOLIDB_STORE="store.db", SOLIDB_DEVICE_ID="phone")
    with sqlite3.connect(cli.directory / "store.db") as other:
        other.execute("CREATE TABLE things (name TEXT)")
    other.close()
    done = cli.here("doctor", "--json")
    assert done.code == 1
    assert "database of another program" in findings(done, "problem")["content"]["message"]
