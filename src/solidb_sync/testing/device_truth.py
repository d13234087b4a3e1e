"""What one simulated device must hold, as far as the simulation has seen it live; the checks of its store.

The rule that makes it independent: a device has every accepted edit up to the cursor it stored, and each of its own
edits that it no longer keeps. Which version of each document that is, the ledger knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import ChangeState, Mark, StoredBase, StoredChange, StoredRow
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_conflicts import change_of
from solidb_sync.testing.model_fields import plain
from solidb_sync.testing.model_judgement import Body, Write
from solidb_sync.testing.model_oracle import (
    Edit,
    Ledger,
    Place,
    Version,
    read_write,
    shown,
)
from solidb_sync.testing.transaction_truth import check_shown_together

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Everything a device's store says, read at one moment. `scanned`: how far each collection is caught up."""

    cursor: int
    scanned: Mapping[str, int | None]
    changes: Sequence[StoredChange]
    rows: Mapping[Place, StoredRow]
    bases: Mapping[Place, StoredBase]
    joining: frozenset[str] = frozenset()
    """The collections that are catching up with a cursor of their own."""
    caught_up: int = 0
    """The cursor at which nothing was left to pull, when that was last so."""
    open_conflicts: Sequence[str] = ()
    evicted: frozenset[Place] = frozenset()
    """The documents that are on the server only, because the device dropped them."""


def evicted_places(reader: EngineReader) -> list[Place]:
    """Return the documents that a device dropped to save room, and has not had since."""
    if not reader.has_marks(Mark.EVICTED):
        return []
    return [place for place in reader.marked(Mark.EVICTED) if reader.row(*place) is None]


def read_view(reader: EngineReader, collections: Sequence[str], *, with_conflicts: bool = False) -> DeviceView:
    """Return what a store says now."""
    replica = reader.replica()
    backfills = reader.backfills()
    scanned = {}
    for name in collections:
        is_covered = name not in replica.excluded if replica.covered is None else name in replica.covered
        scanned[name] = backfills.get(name, replica.cursor if is_covered else None)
    return DeviceView(
        replica.cursor,
        scanned,
        reader.changes(state=None),
        {(name, key): row for name in collections for key, row in reader.all_rows(name)},
        {(name, key): base for name, key, base in reader.bases()},
        frozenset(backfills),
        replica.caught_up,
        [change_of(conflict.id) for conflict in reader.open_conflicts()] if with_conflicts else (),
        frozenset(evicted_places(reader)),
    )


@dataclass(slots=True)
class DeviceTruth:
    """What a device has seen so far. A snapshot of the device takes a copy of this along."""

    device: str
    held: dict[Place, Version] = field(default_factory=dict)
    """For each document, the server's version it must have as base copy."""
    kept: dict[str, Edit] = field(default_factory=dict)
    cursor: int = 0
    released: Literal["", "let go", "retried"] = ""
    """What the app may be doing to refused edits: until the next look, those of this device may leave the outbox."""
    selections: dict[str, str] = field(default_factory=dict)
    """The filters this device has, by collection: names of `SELECTIONS`; empty: lifted again.

    In such a collection rows come and go, so what the device must hold is told only at the end; until then whatever it
    holds has to be a version of the server's, and never an older one than before.
    """
    evicted: dict[Place, Version] = field(default_factory=dict)
    """The documents that left to save room, and in which version; what was edited since was edited without seeing it."""
    has_twin: bool = False
    """True when another device counts under the same name: until that is noticed, dots do not tell edits apart."""
    _checked: dict[Place, object] = field(default_factory=dict)
    _refused: set[str] = field(default_factory=set)
    _retried: dict[Place, list[Edit]] = field(default_factory=dict)
    _renamed: dict[str, str] = field(default_factory=dict)
    _busy: frozenset[Place] = frozenset()
    """The documents with edits in the outbox."""
    _joining: frozenset[str] = frozenset()
    _ahead: dict[str, int] = field(default_factory=dict)
    """How far ahead of the cursor each collection was when it had caught up by itself."""

    def copy(self, device: str) -> DeviceTruth:
        """Return the same knowledge for another device."""
        return DeviceTruth(
            device,
            dict(self.held),
            dict(self.kept),
            self.cursor,
            selections=dict(self.selections),
            evicted=dict(self.evicted),
            has_twin=self.has_twin,
            _refused=set(self._refused),
            _joining=self._joining,
            _ahead=dict(self._ahead),
        )

    @property
    def refused(self) -> set[str]:
        """The edits that are set aside."""
        return self._refused & self.kept.keys()

    def forget(self, collection: str) -> None:
        """The app dropped the documents of a collection that have no unsent edits."""
        busy = {edit.place for edit in self.kept.values()}
        for place in [place for place in self.held if place[0] == collection and place not in busy]:
            del self.held[place]
        for place in [place for place in self.evicted if place[0] == collection]:
            del self.evicted[place]

    def observe(self, view: DeviceView, ledger: Ledger) -> None:
        """Take in what the device did since the last look, and check all of its store."""
        self._busy = frozenset((change.collection, change.key) for change in view.changes)
        self._take_in_evicted(view)
        self._take_in_settled(view, ledger)
        self._take_in_cursor(view, ledger)
        self._take_in_edits(view, ledger)
        self._take_in_refusals(view, ledger)
        self._check_open_conflicts(view, ledger)
        places = {*view.rows, *view.bases, *self.held, *(edit.place for edit in self.kept.values())}
        looked_at = sorted(self._changed(places, view))
        for place in looked_at:
            self._check_place(place, view, ledger)
        self._take_in_joined(view)
        if looked_at and ledger.transactions:
            in_step = [place for place in places if self._is_in_step(place[0], view) and place not in self.evicted]
            if not set(looked_at).isdisjoint(in_step):
                check_shown_together(self.device, in_step, self.screen, ledger)

    def _take_in_evicted(self, view: DeviceView) -> None:
        """28 unsent safety: only a document without edits of this device leaves to save room."""
        for place in view.evicted:
            if place not in self.held:
                continue  # it was away before; an edit over it may have been refused since
            self.evicted[place] = self.held.pop(place)
            busy = sorted(edit.id for edit in self.kept.values() if edit.place == place)
            if busy:
                broken("28 unsent safety", f"{self.device}: {place} was evicted, with {busy} of it in the outbox")

    def _take_in_settled(self, view: DeviceView, ledger: Ledger) -> None:
        """2 no lost local write: an edit leaves the outbox only when the server has accepted it."""
        present = {change.change_id for change in view.changes}
        for change_id in [change_id for change_id in self.kept if change_id not in present]:
            edit = self.kept.pop(change_id)
            seq = ledger.accepted_seq(change_id)
            if seq is None and self.released and change_id in self._refused:
                self._retried.setdefault(edit.place, []).append(edit)
                continue
            if seq is None:
                broken("2 no lost local write", f"{self.device} forgot {change_id} at {edit.place}; it was never accepted")
            self._advance(edit.place, seq, ledger)

    def _take_in_refusals(self, view: DeviceView, ledger: Ledger) -> None:
        """17 isolation of failure: an edit is set aside only because the server refused it, or one that it depends on."""
        self._refused = {change.change_id for change in view.changes if change.state is ChangeState.REJECTED}
        for change in view.changes:
            if change.state is not ChangeState.REJECTED:
                continue
            root = change.reason.removeprefix("follows the rejected change ")
            outcome = ledger.outcomes.get(change.change_id if root == change.reason else root)
            if outcome is None or outcome.status != "rejected":
                broken("17 isolation of failure", f"{self.device}: {change.change_id} is set aside: {change.reason}")

    def _take_in_cursor(self, view: DeviceView, ledger: Ledger) -> None:
        """16 atomic page: the cursor never goes back."""
        if view.cursor < self.cursor:
            broken("16 atomic page", f"{self.device}: the cursor went back from {self.cursor} to {view.cursor}")
        self.cursor = view.cursor
        for place in ledger.versions:
            scanned = None if place[0] in self.selections else view.scanned[place[0]]
            if scanned is None:
                continue
            newest, known = ledger.newest_version(place).seq, self.held.get(place) or self.evicted.get(place)
            if newest <= scanned and (known is None or known.seq < newest):
                self._advance(place, scanned, ledger)

    def _advance(self, place: Place, seq: int, ledger: Ledger) -> None:
        if place[0] in self.selections:
            return
        version = ledger.version_at(place, seq)
        known = self.held.get(place)
        if version.is_reset and place in self._busy:
            return  # its own edits stay, and with them what they were made on top of
        gone = self.evicted.get(place)
        if version.seq > max(known.seq if known else 0, gone.seq if gone else 0):
            self.held[place] = version
            self.evicted.pop(place, None)

    def _take_in_edits(self, view: DeviceView, ledger: Ledger) -> None:
        """Learn the edits that were recorded since the last look, with what their author had on the screen."""
        for change in view.changes:
            if change.change_id in self.kept:
                continue
            place = (change.collection, change.key)
            known = ledger.edits.get(change.change_id)
            if known is not None:
                broken("3 exactly once", f"{self.device}: {change.change_id} came back into the outbox")
            wire = _decode(change.wire)
            knew, together = self._knew(place, change), wire.get("transaction", "")
            self.kept[change.change_id] = Edit(change.change_id, self.device, place, read_write(wire), knew, together)
            ledger.note(self.kept[change.change_id])
        self._retried.clear()

    def _knew(self, place: Place, change: StoredChange) -> frozenset[str]:
        """Return what the author of a new edit had seen; one that is sent again under a new id knows no more than it did."""
        if self.released != "retried" or not self._retried.get(place):
            return self.screen(place)
        before = self._retried[place].pop(0)
        self._renamed[before.id] = change.change_id
        return frozenset(self._renamed.get(known, known) for known in before.knew)

    def _check_open_conflicts(self, view: DeviceView, ledger: Ledger) -> None:
        """25 conflict closure: what was decided here, or was seen to be decided, is open no more."""
        for change_id in view.open_conflicts:
            settled_at = ledger.conflicts.settled_at.get(change_id)
            if settled_at is not None and settled_at <= view.cursor:
                broken("25 conflict closure", f"{self.device}: {change_id} is open, it was settled at {settled_at}")
            deciding = [edit.id for edit in self.kept.values() if change_id in map(change_of, edit.write.settles)]
            if deciding:
                broken("25 conflict closure", f"{self.device}: {change_id} is open again, {deciding} decides it")

    def screen(self, place: Place) -> frozenset[str]:
        """Return the edits that the document on this device's screen includes, with those its own edits were made on."""
        mine = [edit for edit in self.kept.values() if edit.place == place]
        own = {edit.id for edit in mine}.union(*(edit.knew for edit in mine))
        version = self.held.get(place)
        return frozenset(own) if version is None else version.ids | own

    def _changed(self, places: Iterable[Place], view: DeviceView) -> list[Place]:
        """Return the documents that are not as they were at the last look."""
        edits: dict[Place, list[StoredChange]] = {}
        for change in view.changes:
            edits.setdefault((change.collection, change.key), []).append(change)
        changed = []
        for place in places:
            known = (edits.get(place), view.rows.get(place), view.bases.get(place), self.held.get(place))
            if self._checked.get(place) != known:
                self._checked[place] = known
                changed.append(place)
        return changed

    def _check_place(self, place: Place, view: DeviceView, ledger: Ledger) -> None:
        """Check a document that is not as it was at the last look."""
        mine = [change for change in view.changes if (change.collection, change.key) == place]
        row = view.rows.get(place)
        base = view.bases.get(place)
        held = self._checked_base(place, view, base if mine else _as_base(row), ledger)
        if not mine:
            if base is not None:
                broken("21 convergence", f"{self.device}: {place} has a base copy and no edits")
            return
        over = [change for change in mine if held is None or change.change_id not in held.ids]
        writes = [self.kept[change.change_id].write for change in over]
        if not self.has_twin and not any(_was_accepted_under_another_dot(change, ledger) for change in mine):
            self._check_screen(place, row, held, writes)

    def _take_in_joined(self, view: DeviceView) -> None:
        """Note how far a collection is that has just caught up: until all have caught up, it is ahead of the others."""
        for collection in self._joining - view.joining:
            held = [version.seq for place, version in self.held.items() if place[0] == collection]
            self._ahead[collection] = max(held, default=0)
        self._joining = view.joining

    def _is_in_step(self, collection: str, view: DeviceView) -> bool:
        """Return whether this device has all of a collection up to its cursor."""
        if collection in self.selections or collection in view.joining or view.scanned[collection] is None:
            return False
        return view.caught_up >= self._ahead.get(collection, 0)

    def _checked_base(self, place: Place, view: DeviceView, base: StoredBase | None, ledger: Ledger) -> Version | None:
        """8 monotonic reads, 13 vector honesty, 15 cursor coverage: the base copy is the version it must be."""
        expected = self.held.get(place)
        if expected is None and base is not None:
            expected = self.evicted.pop(place, None)  # it has come back, in this version or a later one
        body = None if base is None or base.is_deleted else plain(_decode(base.body or "null"))
        vector = {} if base is None else _decode(base.vector)
        if (body, vector) == (expected.body, expected.vector) if expected else base is None:
            if expected is not None:
                self.held[place] = expected
            return expected
        if base is None and place[0] in self.selections:
            del self.held[place]
            return None
        went = self._version_that_went(place, base, ledger)
        if went is not None:
            self.held[place] = went
            return went
        found = ledger.find(place, body, vector)
        where = f"{self.device}: {place} at cursor {view.cursor}"
        if found is None:
            broken(
                "13 vector honesty", f"{where} holds {body} {vector}, which the server never had; it should hold {expected}"
            )
        if expected is not None and found.seq < expected.seq:
            broken("15 cursor coverage", f"{where} holds the version of {found.seq}; it should hold that of {expected.seq}")
        self.held[place] = found
        return found

    def _version_that_went(self, place: Place, base: StoredBase | None, ledger: Ledger) -> Version | None:
        """Return the emptying of a collection if a base copy says that: nothing, but seen is still what was seen before."""
        held, went = self.held.get(place), ledger.version_at(place, self.cursor)
        if base is None or not base.is_deleted or held is None or not went.is_reset or _decode(base.vector) != held.vector:
            return None
        return replace(went, vector=held.vector, ids=held.ids)

    def _check_screen(self, place: Place, row: StoredRow | None, held: Version | None, writes: Sequence[Write]) -> None:
        """7 read your writes: what is shown is the base copy with the device's own edits over it."""
        visible: Body | None = None if row is None or row.body is None else plain(_decode(row.body))
        base = held or Version(0, "", None, {}, frozenset())
        if base.body is None and any(write.operation in ("update", "crdt") for write in writes[:1]):
            return  # the edit revives a document from its last content, which only the device knows
        expected = shown(base, writes)
        if visible != expected:
            broken("7 read your writes", f"{self.device}: {place} shows {visible}, with its own edits it is {expected}")


def _as_base(row: StoredRow | None) -> StoredBase | None:
    return None if row is None else StoredBase(row.body, row.body is None, row.vector, row.stamp)


def _was_accepted_under_another_dot(change: StoredChange, ledger: Ledger) -> bool:
    """Tell whether a change got a new dot before its answer came: until it is sent again, it counts as not sent."""
    outcome = ledger.outcomes.get(change.change_id)
    return outcome is not None and (outcome.actor, outcome.counter) != (change.actor, change.counter)
