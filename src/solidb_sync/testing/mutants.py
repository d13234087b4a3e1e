"""Deliberate bugs, each put into the real code for as long as a block lasts: the simulation has to notice every one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import msgspec

from solidb_sync.client import sync_round as client_round
from solidb_sync.client.background_loop import BackgroundLoop
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import ConnectionError
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import ChangeResult, SyncAnswer
from solidb_sync.server import apply_changes, collect_changes, judge_change
from solidb_sync.server import sync_round as server_round
from solidb_sync.server.databases import Database
from solidb_sync.server.storage.sqlite.session import SqliteWriteSession
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.storage import edits, outbox
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.sqlite import connection
from solidb_sync.storage.text_forms import decode_change, encode_change


class Planter:
    """Sets attributes of modules and classes, and puts back what was there."""

    def __init__(self) -> None:
        self._dug_up: list[tuple[Any, str, Any]] = []

    def setattr(self, owner: Any, name: str, planted: Any) -> None:
        """Put something in the place of an attribute that exists."""
        self._dug_up.append((owner, name, getattr(owner, name)))
        setattr(owner, name, planted)

    def put_back(self) -> None:
        """Undo everything, last first."""
        while self._dug_up:
            setattr(*self._dug_up.pop())


Mutant = Callable[[Planter], None]


def forget_acknowledged(patch: Planter) -> None:
    """A change that was merged or in conflict is forgotten with its answer, before a pull has brought the result."""
    original = outbox.settle

    def settle(engine: Any, sent: Any, results: Any) -> Any:
        settled = original(engine, sent, results)
        for change in engine.changes(state=ChangeState.HELD):
            engine.drop_changes([change.id])
            rebuild(engine, change.collection, change.key)
        return settled

    patch.setattr(client_round, "settle", settle)


def cursor_before_rows(patch: Planter) -> None:
    """The cursor is stored in one transaction and the rows of the page in another one after it."""
    original = client_round.SyncRound._record

    async def record(self: Any, ask: Any, answer: Any) -> Any:
        def move(engine: Any, cursor: int) -> None:
            engine.save_replica(msgspec.structs.replace(engine.replica(), cursor=cursor))

        if not ask.limit or ask.collection is not None or self._cursor() != ask.cursor:
            return await original(self, ask, answer)
        await self._store.commit(lambda engine: move(engine, answer.cursor))
        for _ in range(20):
            await asyncio.sleep(0)
        await self._store.commit(lambda engine: move(engine, ask.cursor))
        return await original(self, ask, answer)

    patch.setattr(client_round.SyncRound, "_record", record)


def duplicates_not_recognised(patch: Planter) -> None:
    """The server knows a change by its dot only: under a new dot it is a new change."""
    original = WorkingSet.load

    def load(self: Any, changes: Any) -> None:
        original(self, changes)
        self.known = {change_id: found for change_id, found in self.known.items() if found.actor == self.actor}

    patch.setattr(WorkingSet, "load", load)


def reused_counters_trusted(patch: Planter) -> None:
    """No handshake and no fence: whatever comes under a counter that was used is taken for a duplicate."""
    original = judge_change.judge_change

    def judge(working: Any, change: Any, *, own_entry: int) -> Any:
        if change.id not in working.known and 0 < change.counter <= working.highest:
            dot = Dot(working.actor, change.counter)
            return judge_change.Verdict(change, dot, "duplicate", seq=1, original="applied")
        return original(working, change, own_entry=own_entry)

    patch.setattr(apply_changes, "judge_change", judge)
    patch.setattr(apply_changes, "replica_reset", lambda *_: None)
    patch.setattr(server_round, "replica_reset", lambda *_: None)


def minted_again_without_asking(patch: Planter) -> None:
    """A new incarnation gives new dots to all pending changes, also to those the server has applied already."""
    original = client_round.new_incarnation

    def new_incarnation(engine: Any, incarnation: int, _: Any) -> None:
        original(engine, incarnation, {})

    patch.setattr(client_round, "new_incarnation", new_incarnation)
    remembered = outbox._answered

    def answered(change: Any, result: Any) -> Any:
        return remembered(change, result)._replace(dot=None)

    patch.setattr(outbox, "_answered", answered)


def outcome_in_another_transaction(patch: Planter) -> None:
    """The server writes documents in one transaction and the outcomes of the changes in the next."""
    write, session_write = Database.write, SqliteWriteSession.write
    waiting: list[Any] = []

    def documents_only(self: Any, writes: Any) -> None:
        waiting.append(replace(writes, documents=[]))
        session_write(self, replace(writes, new_outcomes=[], changed_outcomes=[], unsettled=[], settled=[]))

    async def in_two(self: Any, work: Any) -> Any:
        waiting.clear()
        result = await write(self, work)
        outcomes = [replace(writes, conflicts=[]) for writes in waiting]

        def write_outcomes(session: Any) -> None:
            for writes in outcomes:
                session_write(session, writes)

        await write(self, write_outcomes)
        return result

    patch.setattr(SqliteWriteSession, "write", documents_only)
    patch.setattr(Database, "write", in_two)


def _with_synchronous(patch: Planter, level: str) -> None:
    original = connection._pragmas

    def pragmas(*arguments: Any) -> list[str]:
        return [pragma.replace("= FULL", f"= {level}") for pragma in original(*arguments)]

    patch.setattr(connection, "_pragmas", pragmas)


def commits_not_synced(patch: Planter) -> None:
    """`synchronous=NORMAL`: a commit is answered before it is on the disk."""
    _with_synchronous(patch, "NORMAL")


def nothing_synced(patch: Planter) -> None:
    """`synchronous=OFF`: nothing is ever forced to the disk."""
    _with_synchronous(patch, "OFF")


def merges_passed_over(patch: Planter) -> None:
    """A pull leaves out what its own actor wrote last, also when the result was another than the author has."""
    original = WorkingSet.put

    def put(self: Any, name: Any, version: Any, dot: Any, *, body: Any, is_applied: bool) -> Any:
        return original(self, name, version, dot, body=body, is_applied=True)

    patch.setattr(WorkingSet, "put", put)


def pages_say_nothing_is_left(patch: Planter) -> None:
    """A full page leads to the newest sequence, as if nothing came after it."""
    original = collect_changes.collect_changes

    def collect(session: Any, query: Any) -> Any:
        page = original(session, query)
        return replace(page, cursor=page.target_seq, has_more=False) if page.has_more else page

    patch.setattr(server_round, "collect_changes", collect)


def sequence_in_vectors(patch: Planter) -> None:
    """The commit sequence takes part in document vectors, so a device that edits twice is in conflict with itself."""
    original = WorkingSet.put

    def put(self: Any, name: Any, version: Any, dot: Any, **options: Any) -> int:
        vector = version.vector.merge(VersionVector({"server": self.newest + 1}))
        return original(self, name, replace(version, vector=vector), dot, **options)

    patch.setattr(WorkingSet, "put", put)


def lost_answer_taken_for_a_yes(patch: Planter) -> None:
    """A request without an answer is settled as if all its changes had been applied."""
    original = ServerCalls.sync

    async def sync(self: Any, request: Any, wires: Any) -> Any:
        try:
            return await original(self, request, wires)
        except ConnectionError:
            ids = [decode_change(wire).id for wire in wires]
            if not ids:
                raise
            results = [ChangeResult(change_id, "applied") for change_id in ids]
            cursor = request.version_vector.get("server", 0)
            return SyncAnswer({}, results=results, cursor=cursor, target_seq=cursor, epoch=request.epoch)

    patch.setattr(ServerCalls, "sync", sync)


def base_without_own_edits(patch: Planter) -> None:
    """A change does not say that it was made on top of the device's own earlier edits."""
    original = edits.pending_change

    def pending(change: Any, actor: str) -> Any:
        stored = original(change, actor)
        wire = decode_change(stored.wire)
        wire.base_version.pop(actor, None)
        return msgspec.structs.replace(stored, wire=encode_change(wire))

    patch.setattr(edits, "pending_change", pending)


def deltas_since_the_cursor(patch: Planter) -> None:
    """Deltas are relative to the cursor, which says nothing about documents that moved ahead while pages were read."""
    original = collect_changes.collect_changes

    def collect(session: Any, query: Any) -> Any:
        return original(session, replace(query, since=query.cursor if query.since else 0))

    patch.setattr(server_round, "collect_changes", collect)


def reuse_skips_one_change(patch: Planter) -> None:
    """A counter that comes twice fences nobody: the change is passed over, those after it are taken."""
    original = judge_change.judge_change

    def judge(working: Any, change: Any, *, own_entry: int) -> Any:
        try:
            return original(working, change, own_entry=own_entry)
        except judge_change.CounterReused:
            return judge_change.Verdict(change, Dot(working.actor, change.counter), "duplicate", original="skipped")

    patch.setattr(apply_changes, "judge_change", judge)


def saving_ends_the_backoff(patch: Planter) -> None:
    """A save wakes the sync even while the delay after a failure is running."""
    patch.setattr(BackgroundLoop, "wake", BackgroundLoop.wake_now)


MUTANTS: dict[str, Mutant] = {
    mutant.__name__: mutant
    for mutant in (
        forget_acknowledged,
        cursor_before_rows,
        duplicates_not_recognised,
        reused_counters_trusted,
        minted_again_without_asking,
        outcome_in_another_transaction,
        commits_not_synced,
        nothing_synced,
        merges_passed_over,
        pages_say_nothing_is_left,
        sequence_in_vectors,
        lost_answer_taken_for_a_yes,
        base_without_own_edits,
        deltas_since_the_cursor,
        reuse_skips_one_change,
        saving_ends_the_backoff,
    )
}


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put one bug into the code for the length of a block."""
    planter = Planter()
    try:
        MUTANTS[name](planter)
        yield
    finally:
        planter.put_back()
