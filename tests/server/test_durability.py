"""What is on the disk: restarts, crashes, group commit, files and their schema."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import httpx2
import pytest

from solidb_sync.errors import ConfigError, StorageError, StoreLockedError
from solidb_sync.server.application import build_app
from solidb_sync.server.auth.api_keys import create_api_key
from solidb_sync.server.config import ServerConfig, check_may_listen
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend, open_sqlite_backend
from solidb_sync.storage.committer import InlineCommitter
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.transactions import SqliteTransactions
from solidb_sync.testing.crashable_files import CrashableFiles

ADMIN_KEY = "administrator-" + "k" * 32
SERVE = """
import sys
from pathlib import Path
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.run import serve
serve(ServerConfig(Path(sys.argv[1]), port=0, admin_key=sys.argv[2]))
"""


def test_a_restart_keeps_everything(open_server: Callable[[], Any]) -> None:
    server = open_server()
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1})
    epoch = phone.push(first)["epoch"]
    key = server.api_key("db")
    server.close()
    server = open_server()
    phone.server = server
    answer = phone.push(first, phone.insert("b", {}), epoch=epoch)
    assert [result["status"] for result in answer["results"]] == ["duplicate", "applied"]
    assert answer["results"][1]["seq"] == 2
    assert server.get("/_api/databases", key=key).json() == {"databases": ["db"]}


def test_files_are_private_and_one_server_has_them(open_server: Callable[[], Any], clock: Any) -> None:
    server = open_server()
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    assert stat.S_IMODE(server.path.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in server.path.iterdir()} == {0o600}
    with pytest.raises(StoreLockedError, match="another server is running"):
        open_sqlite_backend(server.path, clock=clock, random_bytes=os.urandom)
    server.close()
    open_sqlite_backend(server.path, clock=clock, random_bytes=os.urandom).close()


class ClosesOnlyInCompany(InlineCommitter):
    """A committer whose closing waits until another database is being closed too."""

    meeting = threading.Barrier(2)

    def close(self) -> None:
        self.meeting.wait(30)
        super().close()


def test_databases_are_closed_side_by_side(tmp_path: Path, clock: Any) -> None:
    """Each closing waits for the disk several times; a hundred one after the other took 13 s on a slow disk."""
    backend = SqliteServerBackend(
        lambda name: FileLocation(str(tmp_path / name)),
        lambda transactions, _: ClosesOnlyInCompany(transactions),
        clock=clock,
        random_bytes=os.urandom,
    )
    for number in range(4):
        assert backend.database(f"db{number}", create=True) is not None
    backend.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"db-{n}.sqlite" for n in (1, 2, 3, 4)] + ["server.sqlite"]


class FailsToClose(InlineCommitter):
    """A committer of a database that can't be closed."""

    def close(self) -> None:
        raise StorageError("the disk is gone")


def test_a_database_that_fails_to_close_keeps_no_other_open(tmp_path: Path, clock: Any) -> None:
    backend = SqliteServerBackend(
        lambda name: FileLocation(str(tmp_path / name)),
        lambda transactions, path: (FailsToClose if path.endswith("db-1.sqlite") else InlineCommitter)(transactions),
        clock=clock,
        random_bytes=os.urandom,
    )
    for number in range(3):
        assert backend.database(f"db{number}", create=True) is not None
    with pytest.raises(StorageError, match="the disk is gone"):
        backend.close()
    assert [path.name for path in sorted(tmp_path.glob("*-wal"))] == ["db-1.sqlite-wal"]


def test_closing_waits_for_the_page_that_is_being_read(tmp_path: Path, clock: Any) -> None:
    backend = open_sqlite_backend(tmp_path, clock=clock, random_bytes=os.urandom)
    database = backend.database("db", create=True)
    assert database is not None
    begun, may_end = threading.Event(), threading.Event()

    def slow(session: Any) -> Any:
        begun.set()
        assert may_end.wait(30)
        return session.head()

    async def close_during_a_read() -> Any:
        read = asyncio.create_task(database.read(slow, is_small=False))
        assert await asyncio.to_thread(begun.wait, 30)
        closing = threading.Thread(target=backend.close)
        closing.start()
        await asyncio.to_thread(closing.join, 0.2)  # an end that doesn't wait would be over by now
        may_end.set()
        head = await read
        await asyncio.to_thread(closing.join)
        with pytest.raises(StorageError):
            await database.read(slow, is_small=False)
        return head

    assert asyncio.run(close_during_a_read()).newest == 0


def test_a_key_may_be_created_while_the_server_runs(server: Any, clock: Any) -> None:
    made = create_api_key(server.path, database="mine", name="phone", clock=clock, random_bytes=os.urandom)
    assert server.post("/_api/sync/pull/mine", '{"client_id":"a"}', key=made.key).status_code == 200
    with pytest.raises(ConfigError, match="database: '_x'"):
        create_api_key(server.path, database="_x", name="phone", clock=clock, random_bytes=os.urandom)


def test_requests_that_share_a_commit_see_each_other_and_fail_alone(server: Any) -> None:
    phone, laptop, tablet = server.device("phone"), server.device("laptop"), server.device("tablet")
    phone.push(phone.insert("seed", {}))
    gate = threading.Event()

    async def scene() -> list[Any]:
        database = server.app.state.context.databases.find("db", create=False)
        holding = asyncio.create_task(database.backend.write(lambda _: gate.wait(5)))
        await asyncio.sleep(0.05)
        tablet.cursor = 99  # beyond the newest: the request is refused inside the shared transaction
        requests = [
            phone.body((phone.insert("a", {}),)),
            tablet.body((tablet.insert("x", {}),)),
            laptop.body((laptop.insert("a", {}),)),
            phone.body((phone.insert("b", {}),)),
        ]
        sent = [asyncio.create_task(server.send("POST", "/_api/sync/delta", json=body)) for body in requests]
        await asyncio.sleep(0.1)
        gate.set()
        await holding
        return [await task for task in sent]

    answers = server.run(scene())
    assert [answer.status_code for answer in answers] == [200, 410, 200, 200]
    results = [answer.json()["results"][0] for answer in answers if answer.status_code == 200]
    assert [(result["status"], result["seq"]) for result in results] == [("applied", 2), ("merged", 3), ("applied", 4)]
    assert server.rows("SELECT newest FROM meta") == [(4,)]
    assert server.rows("SELECT actor, highest FROM actors ORDER BY 1") == [("laptop", 1), ("phone", 3)]


def test_a_request_that_fails_inside_leaves_nothing_and_the_next_one_works(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from solidb_sync.server.storage.sqlite.session import SqliteWriteSession

    phone = server.device("phone")
    phone.push(phone.insert("seed", {}))
    change = phone.insert("a", {})

    def fail(*_: Any) -> None:
        raise apsw.IOError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteWriteSession, "save_actor", fail)
        answer = phone.send(change)
    assert (answer.status_code, answer.json()["type"]) == (503, "StorageUnavailable")
    assert server.document("a") is None
    assert server.rows("SELECT newest FROM meta") == [(1,)]
    assert phone.statuses(change) == ["applied"]


def test_a_newer_schema_is_refused_untouched(open_server: Callable[[], Any], clock: Any) -> None:
    server = open_server()
    server.device("phone").pull()
    server.close()
    for name in ("db-1.sqlite", "server.sqlite"):
        connection = apsw.Connection(str(server.path / name))
        connection.execute("PRAGMA user_version = 999").fetchall()
        connection.close()
        with pytest.raises(StorageError, match="newer version"):
            open_and_close(server.path, clock)


def test_a_failed_commit_is_answered_with_503_and_the_file_is_opened_again(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("seed", {}))
    change = phone.insert("a", {})

    def fail(_: Any) -> None:
        raise StorageError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(SqliteTransactions, "commit", fail)
        assert phone.send(change).status_code == 503
    assert server.document("a") is None
    assert phone.statuses(change) == ["applied"]


def open_and_close(path: Path, clock: Any) -> None:
    backend = open_sqlite_backend(path, clock=clock, random_bytes=os.urandom)
    try:
        backend.database("db", create=False)
    finally:
        backend.close()


def test_a_server_on_files_that_lose_power_keeps_what_it_answered(tmp_path: Path, clock: Any) -> None:
    """The exclusive, single-connection form of the backend, as a simulation uses it."""
    with CrashableFiles("server", random.Random(7)) as files:

        def backend() -> SqliteServerBackend:
            return SqliteServerBackend(
                lambda name: FileLocation(name, vfs=files.name, is_exclusive=True),
                lambda transactions, _: InlineCommitter(transactions),
                clock=clock,
                random_bytes=random.Random(1).randbytes,
            )

        asyncio.run(_lose_power_again_and_again(files, backend, clock, tmp_path))


async def _lose_power_again_and_again(files: Any, backend: Any, clock: Any, path: Path) -> None:
    answered: list[str] = []
    for life in range(5):
        app = build_app(ServerConfig(path, admin_key=ADMIN_KEY), backend(), clock, random_bytes=random.Random(2).randbytes)
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app), base_url="http://s", headers={"X-API-Key": ADMIN_KEY}
        )
        pulled = (await client.post("/_api/sync/pull/db", json={"client_id": "laptop", "limit": 1000})).json()
        assert [change["key"] for change in pulled["server_changes"]] == answered
        for number in range(3):
            key = f"k{life}-{number}"
            change = {"collection": "notes", "key": key, "operation": "insert", "document": {"n": number}}
            answer = await client.post("/_api/sync/push/db", json={"client_id": "phone", "changes": [change]})
            assert answer.json()["results"][0]["status"] == "applied"
            answered.append(key)
        await client.aclose()
        files.power_loss()


class Process:
    """A server process of its own."""

    def __init__(self, path: Path, *, before: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", before + SERVE, str(path), ADMIN_KEY], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        self.url = line.removeprefix("listening on ").strip()

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        code = self.process.wait(60)
        assert self.process.stdout is not None
        self.rest = self.process.stdout.read()
        self.process.stdout.close()
        return code


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    started: list[Process] = []

    def start_one(*, before: str = "") -> Process:
        started.append(Process(tmp_path / "data", before=before))
        return started[-1]

    yield start_one
    for process in started:
        if process.process.poll() is None:
            process.end(signal.SIGKILL)


def test_a_server_killed_in_the_middle_of_pushes_has_each_change_once(start: Callable[[], Process]) -> None:
    def body(number: int) -> dict[str, Any]:
        change = {
            "collection": "notes",
            "key": f"k{number}",
            "operation": "insert",
            "document": {"n": number},
            "id": f"id-{number}",
            "counter": number,
        }
        return {
            "client_id": "phone",
            "protocol": 1,
            "last_counter": 10**6,
            "limit": 0,
            "changes": [change],
            "database": "db",
        }

    number, answered = 1, 0
    for _ in range(3):
        process = start()
        killer = threading.Timer(0.15 + 0.05 * random.Random(number).random(), process.process.kill)
        with httpx2.Client(base_url=process.url, headers={"X-API-Key": ADMIN_KEY}) as client:
            killer.start()
            try:
                while True:
                    result = client.post("/_api/sync/delta", json=body(number)).json()["results"][0]
                    assert result["status"] in ("applied", "duplicate")
                    answered, number = number, number + 1
            except httpx2.TransportError:
                pass
        killer.join()
        process.end(signal.SIGKILL)
    assert answered > 10
    process = start()
    with httpx2.Client(base_url=process.url, headers={"X-API-Key": ADMIN_KEY}) as client:
        client.post("/_api/sync/delta", json=body(number))
        seen, cursor, has_more = [], 0, True
        while has_more:
            page = client.post(
                "/_api/sync/pull/db", json={"client_id": "x", "limit": 1000, "version_vector": {"server": cursor}}
            ).json()
            seen += [(change["key"], change["seq"]) for change in page["server_changes"]]
            cursor, has_more = page["cursor"], page["has_more"]
    assert seen == [(f"k{at}", at) for at in range(1, number + 1)]
    assert process.end(signal.SIGTERM) == 0
    assert process.rest == ""


def test_a_server_that_stops_ends_its_streams_in_order(start: Callable[[], Process]) -> None:
    process = start()
    with (
        httpx2.Client(base_url=process.url, headers={"X-API-Key": ADMIN_KEY}) as client,
        client.stream("GET", "/_api/sync/stream/db?client_id=laptop") as stream,
    ):
        lines = stream.iter_lines()
        assert next(lines) == ": listening"
        assert process.end(signal.SIGINT) == 0
        assert [line for line in lines if line] == []


FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (128, 1024))"


def test_many_databases_are_open_at_once_where_the_system_allows_the_files(start: Callable[..., Process]) -> None:
    """A database has seven files open, and a process is usually allowed 1,024 unless it asks for more."""
    process = start(before=FEW_FILES)
    with httpx2.Client(base_url=process.url, headers={"X-API-Key": ADMIN_KEY}) as client:
        for number in range(40):
            change = {"collection": "notes", "key": "a", "operation": "insert", "document": {}}
            answer = client.post(f"/_api/sync/push/db{number}", json={"client_id": "phone", "changes": [change]})
            assert answer.json()["results"][0]["status"] == "applied", number


def test_a_server_without_any_key_listens_to_its_own_machine_only(tmp_path: Path) -> None:
    check_may_listen(ServerConfig(tmp_path, host="127.0.0.1"), has_keys=False)
    check_may_listen(ServerConfig(tmp_path, host="0.0.0.0"), has_keys=True)
    check_may_listen(ServerConfig(tmp_path, host="0.0.0.0", admin_key=ADMIN_KEY), has_keys=False)
    with pytest.raises(ConfigError, match=r"host: 0\.0\.0\.0 can be reached"):
        check_may_listen(ServerConfig(tmp_path, host="0.0.0.0"), has_keys=False)


@pytest.mark.parametrize(
    ("setting", "value"), [("host", ""), ("port", -1), ("port", 65536), ("admin_key", "short"), ("heartbeat_seconds", 0)]
)
def test_a_bad_setting_is_refused_by_its_name_without_telling_secrets(tmp_path: Path, setting: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{setting}: ") as refused:
        ServerConfig(tmp_path, **{setting: value})
    assert "short" not in str(refused.value)
    assert ADMIN_KEY not in repr(ServerConfig(tmp_path, admin_key=ADMIN_KEY))


def test_every_outcome_in_the_files_has_its_effect_there_too(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    for number in range(20):
        phone.push(phone.insert(f"k{number % 7}", {"n": number}), phone.delete(f"k{number % 5}"))
        laptop.push(laptop.insert(f"k{number % 3}", {"n": -number}))
    applied = server.rows("SELECT seq FROM outcomes WHERE status IN ('applied', 'merged', 'conflict') ORDER BY seq")
    assert [seq for (seq,) in applied] == list(range(1, 61))
    log = server.rows("SELECT latest.seq, c_1.seq FROM latest JOIN c_1 ON c_1.doc = latest.doc")
    assert len(log) == 7
    assert all(one == other for one, other in log)
    conflicts = server.rows("SELECT count(*) FROM outcomes WHERE status = 'conflict'")
    assert server.rows("SELECT count(*) FROM conflict_log") == conflicts
    assert json.loads(server.rows("SELECT remote FROM conflict_log")[0][0])["version_vector"]
