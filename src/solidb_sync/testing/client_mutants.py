"""Deliberate bugs of the client: in its store, its outbox, its rounds."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec

from solidb_sync.client import incarnation as incarnation_records
from solidb_sync.client import record_answer, scope
from solidb_sync.client import sync_round as client_round
from solidb_sync.client.background_loop import BackgroundLoop
from solidb_sync.client.manager import syncing
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import ConnectionError
from solidb_sync.model.delta import MissingParentError
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import ChangeResult, SyncAnswer
from solidb_sync.storage import edits, inbox, outbox, overlay
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import ChangeState, StoredRow
from solidb_sync.storage.sqlite import connection
from solidb_sync.storage.sqlite.sqlite_engine import SqliteEngine
from solidb_sync.storage.text_forms import decode_change, encode_change, parse_vector
from solidb_sync.testing.planter import Mutant, Planter


def forget_acknowledged(patch: Planter) -> None:
    """A change that was merged or in conflict is forgotten with its answer, before a pull has brought the result."""
    original = outbox.settle

    def settle(engine: Any, sent: Any, results: Any) -> Any:
        settled = original(engine, sent, results)
        for change in engine.changes(state=ChangeState.HELD):
            engine.drop_changes([change.id])
            rebuild(engine, change.collection, change.key)
        return settled

    patch.setattr(record_answer, "settle", settle)


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


def minted_again_without_asking(patch: Planter) -> None:
    """A new incarnation gives new dots to all pending changes, also to those the server has applied already."""
    original = incarnation_records.new_incarnation

    def new_incarnation(engine: Any, incarnation: int, _: Any) -> None:
        original(engine, incarnation, {})

    patch.setattr(client_round, "new_incarnation", new_incarnation)
    remembered = outbox._answered

    def answered(change: Any, result: Any) -> Any:
        return remembered(change, result)._replace(dot=None)

    patch.setattr(outbox, "_answered", answered)


def _with_synchronous(patch: Planter, level: str) -> None:
    original = connection._pragmas

    def pragmas(*arguments: Any, **options: Any) -> list[str]:
        return [pragma.replace("= FULL", f"= {level}") for pragma in original(*arguments, **options)]

    patch.setattr(connection, "_pragmas", pragmas)


def commits_not_synced(patch: Planter) -> None:
    """`synchronous=NORMAL`: a commit is answered before it is on the disk."""
    _with_synchronous(patch, "NORMAL")


def nothing_synced(patch: Planter) -> None:
    """`synchronous=OFF`: nothing is ever forced to the disk."""
    _with_synchronous(patch, "OFF")


def lost_answer_taken_for_a_yes(patch: Planter) -> None:
    """A request without an answer is settled as if all its changes had been applied."""
    original = ServerCalls.sync

    async def sync(self: Any, request: Any, changes: bytes) -> Any:
        try:
            return await original(self, request, changes)
        except ConnectionError:
            ids = [change["id"] for change in msgspec.json.decode(b"[%b]" % changes)]
            if not ids:
                raise
            results = [ChangeResult(change_id, "applied") for change_id in ids]
            cursor = request.version_vector.get("server", 0)
            return SyncAnswer({}, results=results, cursor=cursor, target_seq=cursor, epoch=request.epoch)

    patch.setattr(ServerCalls, "sync", sync)


def base_without_own_edits(patch: Planter) -> None:
    """A change does not say that it was made on top of the device's own earlier edits."""
    original = edits.pending_change

    def pending(change: Any, actor: str, **options: Any) -> Any:
        stored = original(change, actor, **options)
        wire = decode_change(stored.wire)
        wire.base_version.pop(actor, None)
        return msgspec.structs.replace(stored, wire=encode_change(wire))

    patch.setattr(edits, "pending_change", pending)


def saving_ends_the_backoff(patch: Planter) -> None:
    """A save wakes the sync even while the delay after a failure is running."""
    patch.setattr(BackgroundLoop, "wake", BackgroundLoop.wake_now)


def merged_taken_for_applied(patch: Planter) -> None:
    """A change that the server merged with others counts as applied just as it was made."""
    for status in ("merged", "conflict"):
        outcomes = {**outbox.OUTCOMES, status: outbox.Outcome.DONE}
        patch.setattr(outbox, "OUTCOMES", outcomes)


def skipped_taken_for_done(patch: Planter) -> None:
    """What the server did not look at is settled like the rest of its batch."""
    patch.setattr(outbox, "OUTCOMES", {**outbox.OUTCOMES, "skipped": outbox.Outcome.DONE, "need_full": outbox.Outcome.DONE})


def remote_over_own_edits(patch: Planter) -> None:
    """A page overwrites what the user has edited since, until the edits are sent."""
    original = inbox._rebase

    def rebase(engine: Any, change: Any, body: Any, vector: Any) -> None:
        original(engine, change, body, vector)
        engine.put_row(change.collection, change.key, StoredRow(body, vector, change.timestamp))

    patch.setattr(inbox, "_rebase", rebase)


def counters_from_the_outbox(patch: Planter) -> None:
    """The next counter is one more than the highest in the outbox, not one more than was ever given out."""
    original = SqliteEngine.next_dot

    def next_dot(self: Any) -> Dot:
        replica = self.replica()
        highest = max((change.counter for change in self.changes(state=None) if change.actor == self._actor), default=0)
        self.save_replica(msgspec.structs.replace(replica, counter=highest))
        return original(self)

    patch.setattr(SqliteEngine, "next_dot", next_dot)


def joined_collections_keep_their_dots(patch: Planter) -> None:
    """Changes made while a collection was not synced go out under their old dots, after later ones."""
    patch.setattr(scope, "readdress_all", lambda *_arguments, **_options: None)


def purged_and_not_renewed(patch: Planter) -> None:
    """After a purge the device goes on under the actor whose dots claim the documents it dropped."""
    original = scope.purge

    def purge(engine: Any, collection: str) -> int:
        dropped = original(engine, collection)
        engine.save_replica(msgspec.structs.replace(engine.replica(), must_renew=False))
        return dropped

    patch.setattr(syncing, "purge", purge)


def deltas_over_nothing(patch: Planter) -> None:
    """Fields for a document that is not here are laid over an empty one, instead of asking for the whole."""
    original = inbox._patched

    def patched(engine: Any, change: Any) -> str:
        try:
            return original(engine, change)
        except (inbox._NoBase, MissingParentError):
            return bytes(change.delta).decode() if isinstance(change.delta, msgspec.Raw) else "{}"

    patch.setattr(inbox, "_patched", patched)


def edit_not_with_its_row(patch: Planter) -> None:
    """The row that shows an edit is written in one transaction, and the edit in the one after."""
    original = SqliteEngine.add_change

    def add_change(self: Any, change: Any) -> int:
        self.commit()
        self.begin()
        return original(self, change)

    patch.setattr(SqliteEngine, "add_change", add_change)


class _Blind(VersionVector):
    """A vector that never tells that an edit is in it."""

    __slots__ = ()

    def covers(self, dot: Dot) -> bool:
        """Return False."""
        return False


def included_edits_laid_over_again(patch: Planter) -> None:
    """An own edit that the base copy includes already, because a pull overtook its answer, is laid over it once more."""
    original = parse_vector
    patch.setattr(overlay, "parse_vector", lambda text: _Blind(original(text)))


CLIENT_MUTANTS: tuple[Mutant, ...] = (
    forget_acknowledged,
    cursor_before_rows,
    minted_again_without_asking,
    commits_not_synced,
    nothing_synced,
    lost_answer_taken_for_a_yes,
    base_without_own_edits,
    saving_ends_the_backoff,
    merged_taken_for_applied,
    skipped_taken_for_done,
    remote_over_own_edits,
    counters_from_the_outbox,
    edit_not_with_its_row,
)

RARE_CLIENT_MUTANTS: tuple[Mutant, ...] = (included_edits_laid_over_again,)
"""What takes many kinds of trouble together to be met."""
