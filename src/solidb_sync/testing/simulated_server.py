"""The real server inside the simulation: its application over crashable files, through one life after another.

Every request passes a tap, which tells the ledger what arrived, what the server's tables say became of it, and what was
answered, whether or not the answer ever reaches the device.
"""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from solidb_sync.errors import StorageError
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.client_settings import DEFAULT_SETTINGS, settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings, RegisterRequest
from solidb_sync.server.application import build_app
from solidb_sync.server.attachments import Attachments, AttachmentStores
from solidb_sync.server.collect_attachments import collect_attachments
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.databases import Database
from solidb_sync.server.live.doorbell import Doorbell
from solidb_sync.server.storage.attachment_files import PART
from solidb_sync.server.storage.backend import DatabaseBackend, ReadSession, WriteSession
from solidb_sync.server.storage.records import ConflictRecord, Echo, StoredDocument
from solidb_sync.server.storage.records import Outcome as StoredOutcome
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend
from solidb_sync.storage.committer import InlineCommitter
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.testing.crashable_files import CrashableFiles
from solidb_sync.testing.delta_truth import check_economy, read_rule
from solidb_sync.testing.faulty_network import Answer, NetworkError, Request, asgi_send
from solidb_sync.testing.invariants import FINAL, ServerInvariants, broken
from solidb_sync.testing.model_oracle import Ledger, Place, Strategies, read_write
from solidb_sync.testing.transaction_truth import check_answered_together
from solidb_sync.testing.virtual_loop import VirtualClock

DATABASE = "sim"
ADMIN_KEY = "the-only-key-of-the-simulation-0"
HEADERS = (("x-api-key", ADMIN_KEY),)
DOCUMENTS_MAX = 10_000
CLIENTS_PATH = endpoints.path_for(endpoints.CLIENTS, DATABASE)
NO_ECHO = Echo("", 0)

_decode = msgspec.json.Decoder().decode


class SimulatedServer:
    """One server, always the same files, one program at a time; `doorbell` is None while none runs."""

    def __init__(
        self,
        files: CrashableFiles,
        clock: VirtualClock,
        rng: random.Random,
        ledger: Ledger,
        *,
        trace: Callable[[str], None],
        findings: list[AssertionError],
        attachments: Path | None = None,
    ) -> None:
        self.files = files
        self.doorbell: Doorbell | None = None
        self.delivered: list[Request] = []
        """The pushes that were answered in full: to be sent again at the end."""
        self.pages: dict[str, list[Answer]] = {}
        """Answers to pure pulls that brought something, by client: to be seen once more at the end."""
        self.clock = clock
        self._rng = rng
        self._ledger = ledger
        self._trace = trace
        self._findings = findings
        self._attachment_directory = attachments
        """Where the bytes of files are, None for worlds without any: real files, which no fault strikes."""
        self._invariants = ServerInvariants(ledger)
        self._settings: dict[str, ClientSettings] = {"": DEFAULT_SETTINGS}
        """All settings that were ever registered, by the hash that a request names them by."""
        self._places: dict[str, Place] = {}
        self._in_doubt: set[str] = set()
        self._checked_upto = 0

    async def start(self) -> None:
        """Start the program over the files as they are, and look whether what was acknowledged is still there."""
        self._backend = SqliteServerBackend(
            lambda name: FileLocation(name, vfs=self.files.name, is_exclusive=True),
            lambda transactions, _: InlineCommitter(transactions),
            clock=self.clock,
            random_bytes=self._rng.randbytes,
        )
        config = ServerConfig(Path("simulated"), admin_key=ADMIN_KEY)
        app = build_app(config, self._backend, self.clock, random_bytes=self._rng.randbytes)
        if self._attachment_directory is not None:
            self._attachments = Attachments(
                str(self._attachment_directory),
                bytes_max=config.attachment_bytes_max,
                total_bytes_max=config.attachments_total_bytes_max,
            )
            app.state.context = replace(app.state.context, attachments=_OneStore(self._attachments))
        self.doorbell = app.state.context.doorbell
        self._databases = app.state.context.databases
        self._retention_ms = config.retention_ms
        self._send = asgi_send(app)
        self._checked_upto = 0
        await self._look_at(sorted({*self._in_doubt, *self._ledger.outcomes}))
        self._in_doubt.clear()

    def crash(self, *, with_power: bool) -> None:
        """End the program, or the machine under it."""
        doorbell, self.doorbell = self.doorbell, None
        if doorbell is not None:
            doorbell.close()
        if with_power:
            self.files.power_loss()
        else:
            self.files.kill()

    async def send(self, request: Request) -> Answer:
        """Let the running program answer a request."""
        if self.doorbell is None or self.files.is_dark():
            raise NetworkError("connection refused")
        answer = await self._send(request)
        if self.files.is_dark():
            self._note_unanswered(request)
            raise NetworkError("the machine lost its power before the answer left")
        self._trace(f"{_digest(request.body)} {answer.status} {_digest(answer.body)}")
        try:
            self._note_settings(request, answer)
            await self._note(request, answer)
        except AssertionError as problem:
            self._findings.append(problem)
            raise
        return answer

    async def send_again(self, request: Request) -> Answer:
        """Deliver a request once more, behind the back of the tap."""
        return await self._send(request)

    def _read_changes(self, request: Request) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return a push or pull and its changes, whose places are remembered; None when it can't be read."""
        if request.path != endpoints.DELTA or request.method != "POST":
            return None
        try:
            asked: dict[str, Any] = _decode(request.body)
        except msgspec.DecodeError:
            return None
        changes = asked.get("changes", [])
        for change in changes:
            self._places[change["id"]] = (change["collection"], change["key"])
        return asked, changes

    def _note_settings(self, request: Request, answer: Answer) -> None:
        """Take in what a device has registered with."""
        if answer.status != 200 or request.method != "POST" or request.path != CLIENTS_PATH:
            return
        settings = msgspec.json.decode(request.body, type=RegisterRequest).settings
        if settings is not None:
            self._settings[settings_hash(settings_text(settings))] = settings

    def _asked_by(self, asked: Mapping[str, Any]) -> ClientSettings:
        """Return the settings that a request names; where they are not known, nothing was done by it."""
        return self._settings.get(asked.get("settings", ""), DEFAULT_SETTINGS)

    def _note_sent(self, asked: Mapping[str, Any], change: dict[str, Any]) -> None:
        settings = self._asked_by(asked)
        self._ledger.sent[change["id"]] = read_write(change)
        self._ledger.strategies[change["id"]] = Strategies(settings.default_strategy, settings.strategies)

    def _note_unanswered(self, request: Request) -> None:
        """Remember the changes whose outcome only the server's tables will tell."""
        asked, changes = self._read_changes(request) or ({}, [])
        for change in changes:
            outcome = self._ledger.outcomes.get(change["id"])
            if outcome is None or outcome.status not in FINAL:
                self._note_sent(asked, change)
            self._in_doubt.add(change["id"])

    async def _note(self, request: Request, answer: Answer) -> None:
        read = self._read_changes(request)
        if read is None:
            return
        asked, changes = read
        ids = [change["id"] for change in changes]
        if answer.status != 200:
            self._note_unanswered(request)
            with suppress(StorageError):  # then the tables are looked at when the server has started anew
                await self._look_at(ids)  # it may have failed after the changes were written
            return
        told: dict[str, Any] = _decode(answer.body)
        if told.get("register"):
            if told["results"] or told["server_changes"]:
                broken("24 strategy laws", f"something was done under other settings than the device has: {told}")
            return
        for change, result in zip(changes, told["results"], strict=True):
            if result["status"] != "duplicate":
                self._note_sent(asked, change)
        if ids:
            await self._look_at(ids)
        check_answered_together(changes, told["results"])
        check_economy(asked, told, read_rule(self._asked_by(asked)), self._ledger)
        self._invariants.check_answer(asked, told)
        if told["server_changes"] and not ids:
            self.pages.setdefault(asked["client_id"], []).append(answer)
        if ids and self._invariants.is_final(told):
            self.delivered.append(request)

    async def reset(self, collection: str, *, is_dropped: bool) -> None:
        """Empty or drop a collection, and tell the ledger where in the log that stands."""
        path = f"/_api/database/{DATABASE}/collection/{collection}" + ("" if is_dropped else "/truncate")
        answer = await self._send(Request("DELETE" if is_dropped else "PUT", path, "", HEADERS, b""))
        assert answer.status in (200, 204, 404), f"{path} was answered {answer.status}: {answer.body!r}"
        known = max(self._ledger.resets.values(), default=0)
        for reset in await self._database().read(lambda session: session.resets_after(known)):
            self._ledger.reset(reset.collection, reset.seq, is_dropped=bool(reset.is_dropped))

    async def _look_at(self, ids: list[str]) -> None:
        """Tell the ledger what the server's tables say of these changes; compare what is new since the last look with it."""

        def read(session: WriteSession) -> tuple[list[StoredOutcome], dict[Place, StoredDocument]]:
            return session.outcomes(ids), stored_documents(session, self._checked_upto)

        found, documents = await self._database().write(read)
        self._invariants.check_outcomes(ids, found, self._places)
        self._invariants.check_documents(documents)
        self._checked_upto = max([self._checked_upto, *(stored.seq for stored in documents.values())])

    async def documents(self, after: int = 0) -> dict[Place, StoredDocument]:
        """Return every document with a latest change after a sequence, tombstones too."""
        return await self._database().read(lambda session: stored_documents(session, after))

    async def conflicts(self, ids: list[str]) -> list[ConflictRecord]:
        """Return what the conflict log holds of these changes."""
        found: list[ConflictRecord] = await self._database().write(lambda session: session.conflicts_of(ids))
        return found

    async def outcomes(self, ids: list[str]) -> list[StoredOutcome]:
        """Return the recorded outcomes of these changes."""
        found: list[StoredOutcome] = await self._database().write(lambda session: session.outcomes(ids))
        return sorted(found)

    def attached(self) -> set[str]:
        """Return the digests of the files of which every byte is here."""
        return {name for name in self._attachments.files.names() or () if not name.endswith(PART)}

    def lose_attached(self, digest: str) -> None:
        """Lose a file."""
        self._attachments.files.drop(digest)

    async def collect_attached(self, *, after_retention: bool = False) -> int:
        """Forget the bytes that nothing has named for long enough, as maintenance does; `after_retention`: much later."""
        later = 2 * self._retention_ms if after_retention else 0
        return await collect_attachments(
            self._open_database(),
            self._attachments,
            now_ms=lambda: self.clock.now_ms() + later,
            retention_ms=self._retention_ms,
        )

    def _open_database(self) -> Database:
        database: Database | None = self._databases.find(DATABASE, create=True)
        assert database is not None
        return database

    def _database(self) -> DatabaseBackend:
        database = self._backend.database(DATABASE, create=True)
        assert database is not None
        return database


class _OneStore(AttachmentStores):
    """The attachments of a server with one database, in a directory of its own."""

    def __init__(self, only: Attachments) -> None:
        self._only = only

    def of(self, database: Database) -> Attachments:
        """Return those of the one database."""
        return self._only


def stored_documents(session: ReadSession, after: int) -> dict[Place, StoredDocument]:
    """Return every document with a latest change after a sequence, tombstones too."""
    names = session.collection_ids(None)
    rows: dict[int, list[int]] = {}
    for entry in session.log_after(after, wanted=None, echo=NO_ECHO, limit=DOCUMENTS_MAX):
        rows.setdefault(entry.collection, []).append(entry.row)
    return {
        (names[collection], stored.key): stored
        for collection, wanted in rows.items()
        for stored in session.documents_at(collection, wanted)
    }


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=6).hexdigest()


@contextmanager
def quiet_log() -> Iterator[None]:
    """Let injected disk failures pass without a line each on the screen."""
    logger = logging.getLogger("solidb_sync")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)
