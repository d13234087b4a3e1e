"""Deliberate bugs of the server: in its judgement, its records, its pages."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.reconcile import decision
from solidb_sync.server import apply_changes, collect_changes, judge_change
from solidb_sync.server import sync_round as server_round
from solidb_sync.server.databases import Database
from solidb_sync.server.http import sync_routes
from solidb_sync.server.storage.sqlite.session import SqliteWriteSession
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.testing.planter import Mutant, Planter


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


def deltas_since_the_cursor(patch: Planter) -> None:
    """Deltas are relative to the cursor, which says nothing about documents that moved ahead while pages were read."""
    original = collect_changes.collect_changes

    def collect(session: Any, query: Any) -> Any:
        return original(session, replace(query, since=query.cursor if query.since else 0))

    patch.setattr(server_round, "collect_changes", collect)


def server_keeps_the_cursor(patch: Planter) -> None:
    """The server remembers how far each client is and moves on with every answer, whether or not that arrives."""
    original = server_round.sync_round
    cursors: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()

    async def sync_round(database: Any, call: Any, **options: Any) -> Any:
        if call.collections is None and not call.excluded and call.limit:
            call = replace(call, cursor=max(call.cursor, cursors.get(database, {}).get(call.client_id, 0)))
        answer = await original(database, call, **options)
        cursors.setdefault(database, {})[call.client_id] = answer.cursor
        return answer

    patch.setattr(sync_routes, "sync_round", sync_round)


def cursor_of_the_last_sent(patch: Planter) -> None:
    """A page leads to the last document sent plus one, as if numbers were never left out."""
    original = collect_changes.collect_changes

    def collect(session: Any, query: Any) -> Any:
        page = original(session, query)
        return replace(page, cursor=page.cursor + 1) if page.has_more else page

    patch.setattr(server_round, "collect_changes", collect)


def tombstone_without_history(patch: Planter) -> None:
    """The vector of a tombstone is the deletion's own dot: what was deleted is forgotten with the document."""
    original = decision.decide

    def decide(current: Any, edit: Any, **options: Any) -> Any:
        decided = original(current, edit, **options)
        if decided is not None and decided.version.document is None:
            vector = VersionVector({edit.dot.actor: edit.dot.counter})
            return replace(decided, version=replace(decided.version, vector=vector))
        return decided

    patch.setattr(judge_change, "decide", decide)


def deletions_not_sent(patch: Planter) -> None:
    """A pull leaves tombstones out."""
    original = collect_changes.collect_changes

    def collect(session: Any, query: Any) -> Any:
        page = original(session, query)
        if not isinstance(page.changes, list):
            return page
        return replace(page, changes=[change for change in page.changes if change.operation != "delete"])

    patch.setattr(server_round, "collect_changes", collect)


def removed_fields_not_sent(patch: Planter) -> None:
    """A delta brings the fields that were written and forgets those that were removed."""
    original = collect_changes._fields_since

    def fields_since(*arguments: Any) -> Any:
        fields = original(*arguments)
        return fields and (fields[0], [])

    patch.setattr(collect_changes, "_fields_since", fields_since)


def overlaps_not_noticed(patch: Planter) -> None:
    """Two edits of one field are merged like edits of two: the earlier value is gone without a word."""
    patch.setattr(decision, "_overlap", lambda *_: ())


def conflicts_not_logged(patch: Planter) -> None:
    """A conflict is told to the device that caused it and kept nowhere."""
    original = SqliteWriteSession.write

    def write(self: Any, writes: Any) -> None:
        original(self, replace(writes, conflicts=[]))

    patch.setattr(SqliteWriteSession, "write", write)


def delete_over_an_edit_in_silence(patch: Planter) -> None:
    """A deletion overrules an edit it had not seen, and nobody is told."""
    original = decision._deleted

    def deleted(*arguments: Any, **options: Any) -> Any:
        return replace(original(*arguments, **options), clash=None)

    patch.setattr(decision, "_deleted", deleted)


def revived_from_its_delta(patch: Planter) -> None:
    """An edit of a deleted document brings back only the fields it wrote."""
    original = decision._revived

    def revived(meeting: Any) -> Any:
        edit = meeting.edit
        if edit.document is None and edit.delta is not None:
            edit = replace(edit, document={path[0]: value for path, value in edit.delta.values.items()})
        return original(replace(meeting, edit=edit))

    patch.setattr(decision, "_revived", revived)


def reset_without_a_fence(patch: Planter) -> None:
    """A new incarnation leaves the old one alive: a request of it that comes late is taken."""
    original = SqliteWriteSession.save_actor
    patch.setattr(SqliteWriteSession, "save_actor", lambda self, state: original(self, state._replace(is_fenced=False)))


def dependants_not_skipped(patch: Planter) -> None:
    """A change is applied although the one it was made on top of waits for its whole document."""
    patch.setattr(WorkingSet, "must_wait", lambda *_: False)
    original = judge_change.judge_change

    def judge(working: Any, change: Any, *, own_entry: int) -> Any:
        working.blocked.discard(change.name)
        return original(working, change, own_entry=own_entry)

    patch.setattr(apply_changes, "judge_change", judge)


def base_taken_on_trust(patch: Planter) -> None:
    """Dots that a device claims to have seen enter the document's vector, whether or not they exist."""
    patch.setattr(WorkingSet, "put", _claiming(WorkingSet.put))


def _claiming(original: Any) -> Any:
    def put(self: Any, name: Any, version: Any, dot: Any, **options: Any) -> int:
        vector = version.vector.with_dot(Dot(dot.actor, self.highest + 1))
        return int(original(self, name, replace(version, vector=vector), dot, **options))

    return put


def newest_before_commit(patch: Planter) -> None:
    """The sequence is taken back by one after each push: the next change is numbered like the last."""
    original = SqliteWriteSession.save_newest
    patch.setattr(SqliteWriteSession, "save_newest", lambda self, newest: original(self, max(1, newest - 1)))


def pushes_not_counted(patch: Planter) -> None:
    """The server does not count the pushes of an actor: two live copies of a store are noticed only when a dot clashes."""
    original = apply_changes.replica_reset

    def replica_reset(call: Any, actor: Any, **options: Any) -> Any:
        return original(replace(call, pushes=None), actor, **options)

    patch.setattr(apply_changes, "replica_reset", replica_reset)
    patch.setattr(server_round, "replica_reset", replica_reset)


SERVER_MUTANTS: tuple[Mutant, ...] = (
    duplicates_not_recognised,
    reused_counters_trusted,
    outcome_in_another_transaction,
    merges_passed_over,
    pages_say_nothing_is_left,
    sequence_in_vectors,
    deltas_since_the_cursor,
    server_keeps_the_cursor,
    cursor_of_the_last_sent,
    tombstone_without_history,
    deletions_not_sent,
    removed_fields_not_sent,
    overlaps_not_noticed,
    conflicts_not_logged,
    delete_over_an_edit_in_silence,
    revived_from_its_delta,
    dependants_not_skipped,
    base_taken_on_trust,
    newest_before_commit,
)
