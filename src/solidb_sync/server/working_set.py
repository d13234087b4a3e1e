"""What one push knows while it is being judged: read in a few statements, and written in a few more.

The working set stands between the judgement, which is about single changes, and the database, which is fast in bulk. It
holds the next versions that earlier changes of the same request made, and takes back those of a transaction that fails.
All of it belongs to one request inside one database transaction and is dropped afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from solidb_sync.json_value import decode, encode
from solidb_sync.model.crdt.field_states import NO_STATES, FieldStates, read_states
from solidb_sync.model.field_dots import SERVER_ACTOR, FieldDots
from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector
from solidb_sync.protocol.messages import FormerDot
from solidb_sync.protocol.names import actor_belongs_to
from solidb_sync.reconcile.decision import Version
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.server.bodies_ahead import BodiesAhead
from solidb_sync.server.collection_resets import dropped_since
from solidb_sync.server.conflict_records import PENDING, REPLACED, RESOLVED, change_of, taking_the_place_of
from solidb_sync.server.known_edit import KnownVersion, next_version
from solidb_sync.server.proposed_change import ProposedChange
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import (
    ActorState,
    ConflictRecord,
    DocumentName,
    DocumentWrite,
    FoundDocument,
    Head,
    Outcome,
    SettledConflict,
    Together,
    Unsettled,
    Writes,
)
from solidb_sync.server.strategy_choice import StrategyChoice

HELD_BYTES_MAX = 16 * 1024 * 1024
"""How much document text is held before it is written into the open transaction."""


class WorkingSet:
    """The state of one push."""

    def __init__(
        self,
        session: WriteSession,
        head: Head,
        actor: ActorState,
        now_ms: int,
        *,
        stored: int = 0,
        settings_hash: str | None = None,
    ) -> None:
        self._session = session
        self._head = head
        self._began_with = actor
        self.actor = actor.actor
        self.client_id = actor.client_id
        self.actor_text = encode(actor.actor).decode()
        self.highest = actor.highest
        self.is_fenced = actor.is_fenced
        self.pushes = actor.pushes
        self._has_news = False
        self.newest = head.newest
        self.now_ms = now_ms
        self.known: dict[str, Outcome] = {}
        self.blocked: set[DocumentName] = set()
        """Documents with a change of this request that is not settled."""
        self.refused: set[DocumentName] = set()
        """Documents with a change of this request that was rejected: their author sets aside what it made on top of it."""
        self.writes = Writes()
        self._waiting: dict[DocumentName, list[Unsettled]] = {}
        self._limits: dict[str, int] = {}
        self._found: dict[DocumentName, FoundDocument] = {}
        self._bodies = BodiesAhead(session)
        self._pending: dict[DocumentName, DocumentWrite] = {}
        self._held_bytes = 0
        self._undo: list[tuple[DocumentName, DocumentWrite | None]] | None = None
        self._newest_before_group = head.newest
        self._passed: set[str] = set()
        self._aliases: dict[DocumentName, list[tuple[Dot, Dot]]] = {}
        self._with_states: dict[str, bool] = {}
        self._states: dict[DocumentName, tuple[str, FieldStates]] = {}
        """The states of the document last put that has any, with their text."""
        self._strategies: StrategyChoice | None = None
        self._stamp = head.stamp
        self._open: dict[DocumentName, ConflictRecord] = {}
        self._stored = stored
        self._settings_hash = settings_hash
        self._dropped: set[str] | None = None
        self._resets: dict[str, int] | None = None
        self._overruled: set[DocumentName] | None = None

    def load(self, changes: Sequence[ProposedChange]) -> None:
        """Read what these changes are about."""
        session = self._session
        self.known = {outcome.change_id: outcome for outcome in session.outcomes([change.id for change in changes])}
        for unsettled in session.unsettled(self.actor):
            self._waiting.setdefault((unsettled.collection, unsettled.key), []).append(unsettled)
        keys: dict[str, set[str]] = {}
        for change in changes:
            if change.error is None:
                keys.setdefault(change.name[0], set()).add(change.name[1])
        for collection, wanted in keys.items():
            for found in session.find(collection, list(wanted)):
                self._found[collection, found.key] = found
        for change in changes:
            if change.name in self._found:
                self._bodies.expect(change.name, self._found[change.name])
        actors = {actor for change in changes for actor in change.base}
        actors |= {change.former.actor for change in changes if change.former is not None}
        actors.discard(self.actor)
        if actors:
            self._limits = session.highest_counters(list(actors))

    def was_dropped(self, collection: str) -> bool:
        """Return whether a collection was dropped since the device's cursor: what it says of it is about another one."""
        if self._dropped is None:
            self._dropped = dropped_since(self._session, self._stored)
        return collection in self._dropped

    def trusted(self, base: VersionVector) -> VersionVector:
        """Return the part of a vector that the server knows to exist."""
        if not base:
            return base
        own = max(self.highest, self._began_with.seen)
        return base.clipped({**self._limits, self.actor: own, SERVER_ACTOR: self.newest})

    def was_offered(self, dot: Dot) -> bool:
        """Return whether a dot of this actor can be in a version that another device has offered."""
        return dot.counter <= self._began_with.seen

    def has_seen_more(self, former: FormerDot) -> bool:
        """Return whether its life has counted further than the author knows: then its dots may be those of other edits."""
        return former.actor == self.actor or self._limits.get(former.actor, 0) > former.last

    def must_wait(self, change: ProposedChange) -> bool:
        """Return whether the change was made on top of one that an earlier request left unsettled."""
        waiting = self._waiting.get(change.name)
        return waiting is not None and any(
            earlier.change_id != change.id
            and earlier.change_id not in self._passed
            and change.base.get(earlier.actor, 0) >= earlier.counter
            for earlier in waiting
        )

    def current(self, name: DocumentName) -> tuple[Version | None, int]:
        """Return the newest version of a document and when it was made; None when it has no record."""
        pending = self._pending.get(name)
        if pending is not None:
            if pending.version is None:
                pending.version = _version(pending.body, pending.vector, pending.dots)
            return pending.version, self.now_ms
        found = self._found.get(name)
        if found is None:
            return None, 0
        body = self._bodies.take(name, found)
        return _version(body, found.vector, found.dots), found.updated_ms

    def collected(self, change: ProposedChange) -> Version | None:
        """Return the tombstone that a change without a record was made against, if the record may have been collected.

        Its author had a version; so the document was deleted, and not with the whole of its collection.
        """
        if not (self._head.floor and change.base):
            return None
        if self._last_reset(change.name[0]) > change.base_seq:
            return None
        dot = Dot(SERVER_ACTOR, self._head.floor)
        return Version(None, EMPTY_VECTOR.with_dot(dot), FieldDots.created(dot, dot.counter))

    def stands_on_reset(self, change: ProposedChange) -> bool:
        """Return whether a change was made before its device last pulled, and its collection emptied after that.

        Author and server need not hold the same version then: what the author has of the document may be newer than what
        the change says.
        """
        return 0 < change.base_seq < self._stored < self._last_reset(change.name[0])

    def _last_reset(self, collection: str) -> int:
        if self._resets is None:
            self._resets = {reset.collection: reset.seq for reset in self._session.resets_after(0)}
        return self._resets.get(collection, 0)

    def crdt_states(self, name: DocumentName) -> FieldStates:
        """Return the states of the replicated fields of a document, a deleted one too."""
        pending, found = self._pending.get(name), self._found.get(name)
        if pending is not None and pending.crdt:
            known = self._states.get(name)
            return known[1] if known is not None and known[0] == pending.crdt else read_states(pending.crdt)
        if found is None or not self._has_crdt_states(name[0]):
            return NO_STATES
        return read_states(self._session.crdt_state(name[0], found.row))

    def note_states(self, name: DocumentName, states: FieldStates) -> None:
        """Remember the states just put, for a later change of the same request."""
        self._states = {name: (self._pending[name].crdt, states)}

    def _has_crdt_states(self, collection: str) -> bool:
        known = self._with_states.get(collection)
        if known is None:
            numbers = self._session.collection_ids([collection])
            known = self._with_states[collection] = any(map(self._session.has_crdt_states, numbers))
        return known

    def strategy(self, collection: str) -> Strategy:
        """Return the strategy by which this client's conflicts in a collection are decided."""
        if self._strategies is None:
            self._strategies = StrategyChoice.of(self._session, self.client_id, self._settings_hash)
        return self._strategies.of_collection(collection)

    def note_stamp(self, stamp: str) -> None:
        """Remember the latest stamp, so that devices can go on from it."""
        self._stamp = max(self._stamp, stamp)

    def add_conflict(self, conflict: ConflictRecord, merged: tuple[str, ...] = ()) -> ConflictRecord:
        """Take a conflict into the log, an open one in the place of an older one; returns it as it was taken.

        `merged` are the paths that its edit wrote and the document took.
        """
        name = conflict.collection, conflict.key
        if conflict.status == PENDING:
            older = self._open.get(name) or self._session.open_conflict(self.client_id, name)
            if older is not None:
                conflict = taking_the_place_of(older, conflict, merged)
                self._settle_conflict(SettledConflict(conflict.seq, REPLACED, older.change_id))
            self._open[name] = conflict
        self.writes.conflicts.append(conflict)
        if conflict.winner != "local" and self._overruled is not None:
            self._overruled.add(name)
        return conflict

    def stands_on_overruled(self, change: ProposedChange) -> bool:
        """Return whether the author may have made a change on top of own edits that were overruled, not knowing it yet.

        Its base covers them, and the document here is without them: author and server do not hold the same version then.
        """
        if not any(actor_belongs_to(actor, self.client_id) for actor in change.base):
            return False
        return change.name in self._overruled_names()

    def _overruled_names(self) -> set[DocumentName]:
        if self._overruled is None:
            self._overruled = self._session.overruled_since(self.client_id, self._stored)
            self._overruled |= {
                (record.collection, record.key) for record in self.writes.conflicts if record.winner != "local"
            }
        return self._overruled

    def resolve_conflicts(self, change: ProposedChange, seq: int) -> None:
        """Note that a change has settled conflicts about its document."""
        ids = [change_of(conflict_id) for conflict_id in change.resolves]
        held = [record for record in self._open.values() if record.change_id in ids]
        for record in [*held, *self._session.conflicts_of(ids)]:
            if (record.collection, record.key) == change.name and record.status == PENDING:
                self._settle_conflict(SettledConflict(seq, RESOLVED, record.change_id))
                if self._open.get(change.name) == record:
                    del self._open[change.name]

    def _settle_conflict(self, settled: SettledConflict) -> None:
        self.writes.settled_conflicts.append(settled)

    def take_new_document(self, change: ProposedChange) -> int:
        """Take a plain insert of a document that has no record, and return its sequence; 0 when it is no such case.

        It comes to the same as judging it: applied, its own dot in vector and field dots. It only costs less.
        """
        name, counter, text = change.name, change.counter, self.actor_text
        if name in self._found or self._needs_judgement(change) or self.strategy(name[0]) is Strategy.LAST_STAMP_WINS:
            return 0
        seq = self.newest + 1
        assert change.document is not None
        vector, dots = f"{{{text}:{counter}}}", f'{{"":[{text},{counter},{seq}]}}'
        return self._take(change, KnownVersion(change.document, vector, dots), None)

    def take_known_edit(self, change: ProposedChange) -> int:
        """Take a plain update by an author who knew the version that is here, and return its sequence; 0 when it is not so.

        It comes to the same as judging it, like `take_new_document`.
        """
        name = change.name
        found = self._found.get(name)
        if found is None or found.is_deleted or self._needs_judgement(change) or self._has_more_to_it(name):
            return 0
        body, delta = self._bodies.take(name, found), change.delta
        assert body is not None
        assert delta is not None
        dot = Dot(self.actor, change.counter)
        version = KnownVersion(body, found.vector, found.dots)
        after = next_version(version, delta, change.base, dot=dot, seq=self.newest + 1)
        return 0 if after is None else self._take(change, after, found)

    def _needs_judgement(self, change: ProposedChange) -> bool:
        """Return whether the change, its counter or its document was met before."""
        name = change.name
        return (
            change.counter <= self.highest
            or change.id in self.known
            or name in self._pending
            or name in self.blocked
            or name in self._waiting
            or self.was_dropped(name[0])
            or self.stands_on_reset(change)
        )

    def _has_more_to_it(self, name: DocumentName) -> bool:
        """Return whether an edit of this document may mean more: another dot, a stamp, a state, a loss."""
        return (
            name in self._aliases
            or self.strategy(name[0]) is Strategy.LAST_STAMP_WINS
            or self._has_crdt_states(name[0])
            or name in self._overruled_names()
        )

    def _take(self, change: ProposedChange, version: KnownVersion, found: FoundDocument | None) -> int:
        """Make this, which its author holds as well, the document's newest version, and return its sequence."""
        (collection, key), counter = change.name, change.counter
        row, old_seq = (found.row, found.seq) if found else (0, 0)
        self.highest = counter
        self._has_news = True
        self.newest = seq = self.newest + 1
        body, vector, dots = version
        self._pending[change.name] = DocumentWrite(
            collection, key, row, old_seq, seq, body, vector, dots, self.actor, counter, True, self.now_ms
        )
        self.known[change.id] = outcome = Outcome(self.actor, counter, change.id, "applied", seq, "")
        self.writes.new_outcomes.append(outcome)
        self._held_bytes += len(body)
        return seq

    def put(
        self, name: DocumentName, version: Version, dot: Dot, *, body: str | None, is_applied: bool, crdt: str = ""
    ) -> int:
        """Make this the document's newest version, under the next sequence, and return that.

        `crdt` has the states of its replicated fields, empty when they are what they were.
        """
        before, found = self._pending.get(name), self._found.get(name)
        if self._undo is not None:
            self._undo.append((name, before))
        self.newest += 1
        self._pending[name] = DocumentWrite(
            collection=name[0],
            key=name[1],
            row=found.row if found else 0,
            old_seq=found.seq if found else 0,
            seq=self.newest,
            body=body,
            vector=version.vector.to_json().decode(),
            dots=version.dots.to_json().decode(),
            author=dot.actor,
            counter=dot.counter,
            is_applied=is_applied,
            updated_ms=self.now_ms,
            version=version,
            crdt=crdt or (before.crdt if before else ""),
        )
        self._held_bytes += len(body or "") + len(crdt)
        return self.newest

    def note_alias(self, name: DocumentName, sent: Dot, recorded: Dot) -> None:
        """Remember that the author knows a change of this document by another dot than the one it is recorded under."""
        if sent != recorded:
            self._aliases.setdefault(name, []).append((sent, recorded))

    def known_base(self, name: DocumentName, base: VersionVector) -> VersionVector:
        """Return the base of an edit with the dots under which its author's earlier changes are recorded."""
        for sent, recorded in self._aliases.get(name, ()):
            version, _ = self.current(name)
            before = 0 if version is None else version.vector.counter(sent.actor)
            base = base.exchanged(sent, recorded, before=before)
        return base

    def note_passed(self, change: ProposedChange) -> None:
        """Let no later change of the group wait for this one any more: it was judged, and is recorded with the group."""
        self._passed.add(change.id)

    def begin_group(self) -> None:
        """Remember the versions from here on, so that they can be taken back."""
        self._undo = []
        self._passed = set()
        self._newest_before_group = self.newest

    def end_group(self, *, keep: bool) -> None:
        """Keep the versions made since `begin_group`, or take them back."""
        assert self._undo is not None
        if not keep:
            for name, before in reversed(self._undo):
                if before is None:
                    del self._pending[name]
                else:
                    self._pending[name] = before
            self.newest = self._newest_before_group
        else:
            self._note_together({name for name, _ in self._undo})
        self._undo = None
        self._passed = set()

    def _note_together(self, names: set[DocumentName]) -> None:
        """Remember that a transaction wrote these documents, so that no device is shown some of them without the others."""
        if len(names) > 1:
            self.writes.together += [Together(self.newest, *name) for name in sorted(names)]

    def record(self, change: ProposedChange, dot: Dot, status: str, seq: int, detail: str) -> None:
        """Record the outcome of a change under its dot, in the place of an earlier one that was not final."""
        self._has_news = True
        outcome = Outcome(dot.actor, dot.counter, change.id, status, seq, detail)
        before = self.known.get(change.id)
        (self.writes.new_outcomes if before is None else self.writes.changed_outcomes).append(outcome)
        self.known[change.id] = outcome
        if status in UNSETTLED_STATUSES:
            self.blocked.add(change.name)
            if not change.is_handwritten and change.name not in self.refused:
                self.writes.unsettled.append(Unsettled(change.id, self.actor, change.counter or dot.counter, *change.name))
        elif before is not None:
            self.writes.settled.append(change.id)
            self.writes.unsettled = [waiting for waiting in self.writes.unsettled if waiting.change_id != change.id]
        if change.name in self._waiting:
            self._stop_waiting(change, change.counter or dot.counter, is_applied=status in APPLIED_STATUSES)

    def _stop_waiting(self, change: ProposedChange, counter: int, *, is_applied: bool) -> None:
        """Wait no longer for this change, nor, when it was applied, for those it was made without."""
        left = []
        for earlier in self._waiting[change.name]:
            if is_applied and earlier.counter < counter:
                self.writes.settled.append(earlier.change_id)
            elif earlier.change_id != change.id:
                left.append(earlier)
        self._waiting[change.name] = left

    def flush_when_full(self) -> None:
        """Write what is held when it is much."""
        if self._held_bytes > HELD_BYTES_MAX:
            written = self._pending
            self._flush()
            self._with_states.clear()
            for name, write in written.items():
                self._found[name] = FoundDocument(
                    write.row, write.key, write.seq, write.updated_ms, write.vector, write.dots, write.body is None
                )

    def finish(self, client_id: str) -> None:
        """Write everything that is left."""
        self._flush()
        if self.newest != self._head.newest:
            self._session.save_newest(self.newest)
        if self._stamp != self._head.stamp:
            self._session.save_stamp(self._stamp)
        self.pushes = self._began_with.pushes + self._has_news
        state = self._began_with._replace(
            client_id=client_id, highest=self.highest, is_fenced=self.is_fenced, pushes=self.pushes
        )
        if state != self._began_with:
            self._session.save_actor(state)

    def _flush(self) -> None:
        self.writes.documents = list(self._pending.values())
        self._session.write(self.writes)
        self._pending, self._held_bytes, self.writes = {}, 0, Writes()


UNSETTLED_STATUSES = frozenset({"need_full", "skipped"})
APPLIED_STATUSES = frozenset({"applied", "merged", "conflict"})


def _version(body: str | None, vector: str, dots: str) -> Version:
    document = None if body is None else decode(body)
    return Version(document, VersionVector(decode(vector)), FieldDots.from_json(dots))
