"""What should be true of a simulated world, kept apart from the engine: who made which edit, and what became of it.

The *ledger* knows every edit, what its author had really seen when making it, and the order in which the server accepted
the edits. From these alone it works out each version of each document, with merge rules of its own. One rule: nothing
here trusts a version vector; what was seen is known because the simulation saw it happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.testing.model_conflicts import ConflictsTruth
from solidb_sync.testing.model_fields import FIELD_NAMES, FieldsTruth, plain
from solidb_sync.testing.model_judgement import Body, Held, Judgement, Path, Write, judge, laid_over

Place = tuple[str, str]
"""A collection and a key."""

ACCEPTED = frozenset({"applied", "merged", "conflict"})


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of the app: `knew` are the edits of its document that its author's screen had included."""

    id: str
    device: str
    place: Place
    write: Write
    knew: frozenset[str]
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a document at the server; `ids` are the edits in it, `vector` the join of their dots.

    `writers` are the edits that wrote its fields last.
    """

    seq: int
    change_id: str
    body: Body | None
    vector: Mapping[str, int]
    ids: frozenset[str]
    writers: Mapping[Path, str] = field(default_factory=dict)
    is_reset: bool = False
    """True when there is nothing, not even a tombstone: the whole collection was emptied or dropped."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server's tables say became of a change."""

    status: str
    seq: int
    actor: str
    counter: int


@dataclass(frozen=True, slots=True)
class Strategies:
    """How the conflicts of one device's edits are decided: by collection, and in all others."""

    default: str = "last_write_wins"
    by_collection: Mapping[str, str] = field(default_factory=dict)

    def of(self, collection: str) -> str:
        """Return the strategy of a collection."""
        return self.by_collection.get(collection, self.default)


NO_VERSION = Version(0, "", None, {}, frozenset())


@dataclass(slots=True)
class Ledger:
    """The edits, and their fate."""

    edits: dict[str, Edit] = field(default_factory=dict)
    versions: dict[Place, list[Version]] = field(default_factory=dict)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    dots: dict[tuple[str, int], str] = field(default_factory=dict)
    acknowledged: dict[str, Outcome] = field(default_factory=dict)
    sent: dict[str, Write] = field(default_factory=dict)
    """The changes as the server last got them: an edit sent again may carry the whole document."""
    judgements: dict[str, Judgement] = field(default_factory=dict)
    fields: dict[Place, FieldsTruth] = field(default_factory=dict)
    """The replicated fields of every document that has any."""
    strategies: dict[str, Strategies] = field(default_factory=dict)
    """What the request that brought a change asked for, by the change's id."""
    transactions: dict[str, list[Edit]] = field(default_factory=dict)
    """The edits that were made together, by transaction."""
    transactions_of: dict[Place, list[str]] = field(default_factory=dict)
    """The transactions that wrote each document."""
    resets: dict[str, int] = field(default_factory=dict)
    """When each collection was last emptied or dropped."""
    drops: dict[str, int] = field(default_factory=dict)
    """When each collection was last dropped."""
    conflicts: ConflictsTruth = field(default_factory=ConflictsTruth)
    newest: int = 0
    highest_cursor: int = 0
    """The highest cursor that any answer gave out."""

    def note(self, edit: Edit) -> None:
        """Take in a new edit."""
        self.edits[edit.id] = edit
        if edit.transaction:
            self.transactions.setdefault(edit.transaction, []).append(edit)
            self.transactions_of.setdefault(edit.place, []).append(edit.transaction)

    def accept(self, change_id: str, place: Place, outcome: Outcome) -> Judgement:
        """Add the version that an accepted change makes of its document; returns what should become of it."""
        before = self.newest_version(place)
        held = Held(before.body, before.writers, before.ids)
        client = outcome.actor.split("~")[0]
        strategy = self.strategies.get(change_id, Strategies()).of(place[0])
        judgement = judge(held, change_id, self.sent[change_id], self.edits[change_id].knew, strategy)
        self.judgements[change_id] = judgement
        self.conflicts.settle(self.sent[change_id].settles, place, outcome.seq)
        if judgement.status == "conflict" and not judgement.winner:
            self.conflicts.leave_open(change_id, client, place)
        if self.sent[change_id].operations:
            operations, knew = self.sent[change_id].operations, self.edits[change_id].knew
            self.fields.setdefault(place, FieldsTruth()).take(change_id, operations, knew)
        ids = before.ids | {change_id}
        vector = dict(before.vector)
        if place[0] in self.resets:  # what was there before is known to the document only from authors who had seen it
            ids |= {known for known in self.edits[change_id].knew if self.accepted_seq(known) is not None}
            for known in ids - {change_id}:
                _join(vector, self.outcomes[known])
        _join(vector, outcome)
        version = Version(outcome.seq, change_id, judgement.body, vector, ids, judgement.writers)
        self.versions.setdefault(place, []).append(version)
        self.newest = max(self.newest, outcome.seq)
        return judgement

    def reset(self, collection: str, seq: int, *, is_dropped: bool) -> None:
        """Take in that a collection was emptied, or dropped."""
        for place, versions in self.versions.items():
            if place[0] == collection:
                mark = f"reset {seq}"
                self.sent[mark] = Write("delete", None, {}, [])
                versions.append(Version(seq, mark, None, {}, frozenset(), is_reset=True))
        self.resets[collection] = self.newest = seq
        if is_dropped:
            self.drops[collection] = seq

    def was_overruled(self, place: Place, actor: str) -> bool:
        """Return whether an earlier edit of this device was in a conflict about the document and did not win it."""
        device = actor.split("~")[0]
        return any(
            self.outcomes[version.change_id].actor.split("~")[0] == device
            and self.judgements[version.change_id].status == "conflict"
            and self.judgements[version.change_id].winner != "local"
            for version in self.versions.get(place, ())
            if not version.is_reset
        )

    def newest_version(self, place: Place) -> Version:
        """Return the newest version of a document."""
        found = self.versions.get(place)
        return found[-1] if found else NO_VERSION

    def version_before(self, place: Place, change_id: str) -> Version:
        """Return the version of a document that an accepted edit met."""
        versions = self.versions[place]
        found = next(number for number, version in enumerate(versions) if version.change_id == change_id)
        return versions[found - 1] if found else NO_VERSION

    def version_at(self, place: Place, seq: int) -> Version:
        """Return the version of a document that a reader of everything up to `seq` has."""
        for version in reversed(self.versions.get(place, ())):
            if version.seq <= seq:
                return version
        return NO_VERSION

    def find(self, place: Place, body: Body | None, vector: Mapping[str, int]) -> Version | None:
        """Return the version with this content, None when there never was one."""
        candidates: list[Version] = [*reversed(self.versions.get(place, ())), NO_VERSION]
        for version in candidates:
            if version.vector == vector and version.body == body:
                return version
        return None

    def accepted_seq(self, change_id: str) -> int | None:
        """Return the sequence under which a change was accepted, None when it was not."""
        outcome = self.outcomes.get(change_id)
        return outcome.seq if outcome is not None and outcome.status in ACCEPTED else None


def _join(vector: dict[str, int], outcome: Outcome) -> None:
    vector[outcome.actor] = max(outcome.counter, vector.get(outcome.actor, 0))


def read_write(change: Mapping[str, Any]) -> Write:
    """Return what a change says, from its decoded JSON: its values, or the document that holds those of its `fields`."""
    values = {parse_path(text): value for text, value in (change.get("delta") or {}).items()}
    for path in map(parse_path, change.get("fields", ())):
        value: Any = change["document"]
        for name in path:
            value = value[name]
        values[path] = value
    return Write(
        change["operation"],
        plain(change.get("document")),
        {path: value for path, value in values.items() if path[0] not in FIELD_NAMES},
        [path for path in map(parse_path, change.get("unset", ())) if path[0] not in FIELD_NAMES],
        bool(change.get("transaction")),
        change.get("crdt") or {},
        change.get("resolves", ()),
    )


def parse_path(text: str) -> Path:
    """Return the path that a field name or pointer means."""
    if not text.startswith("/"):
        return (text,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def shown(base: Version, writes: Sequence[Write]) -> Body | None:
    """Return what a device should show: a version of the server's with its own writes over it, oldest first."""
    body = last = base.body
    for write in writes:
        match write.operation:
            case "delete":
                body = None
            case "insert":
                body = {**(body or {}), **(write.document or {})}
            case _ if not write.only_settles:  # beside a refused deletion it goes on from what was deleted
                body, _ = laid_over(body or last or {}, write, whole=None)
        last = body if body is not None else last
    return body
