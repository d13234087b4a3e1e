"""What should be true of a simulated world, kept apart from the engine: who made which edit, and what became of it.

The *ledger* knows every edit, what its author had really seen when making it, and the order in which the server accepted
the edits. From these alone it works out each version of each document, with merge rules of its own. One rule: nothing
here trusts a version vector; what was seen is known because the simulation saw it happen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Place = tuple[str, str]
"""A collection and a key."""

Path = tuple[str, ...]
Body = dict[str, Any]

ACCEPTED = frozenset({"applied", "merged", "conflict"})


@dataclass(frozen=True, slots=True)
class Write:
    """What one change does to its document, as its bytes said."""

    operation: str
    document: Body | None
    values: Mapping[Path, Any]
    unset: Sequence[Path]

    def paths(self) -> list[Path]:
        """Return every path written; the empty one is the whole document."""
        if self.operation == "delete":
            return [()]
        if self.operation == "insert":
            return [(name,) for name in self.document or {}]
        return [*self.values, *self.unset]


@dataclass(frozen=True, slots=True)
class Edit:
    """One edit of the app: `knew` are the edits of its document that its author's screen had included."""

    id: str
    device: str
    place: Place
    write: Write
    knew: frozenset[str]


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a document at the server; `ids` are the edits in it, `vector` the join of their dots."""

    seq: int
    change_id: str
    body: Body | None
    vector: Mapping[str, int]
    ids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the server's tables say became of a change."""

    status: str
    seq: int
    actor: str
    counter: int


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
    newest: int = 0
    highest_cursor: int = 0
    """The highest cursor that any answer gave out."""

    def accept(self, change_id: str, place: Place, outcome: Outcome) -> Version:
        """Add the version that an accepted change makes of its document."""
        before = self.newest_version(place)
        body = after(before, self.sent[change_id], is_fast_forward=outcome.status == "applied")
        vector = {**before.vector, outcome.actor: max(outcome.counter, before.vector.get(outcome.actor, 0))}
        version = Version(outcome.seq, change_id, body, vector, before.ids | {change_id})
        self.versions.setdefault(place, []).append(version)
        self.newest = max(self.newest, outcome.seq)
        return version

    def newest_version(self, place: Place) -> Version:
        """Return the newest version of a document."""
        found = self.versions.get(place)
        return found[-1] if found else NO_VERSION

    def version_at(self, place: Place, seq: int) -> Version:
        """Return the version of a document that a reader of everything up to `seq` has."""
        for version in reversed(self.versions.get(place, ())):
            if version.seq <= seq:
                return version
        return NO_VERSION

    def find(self, place: Place, body: Body | None, vector: Mapping[str, int]) -> Version | None:
        """Return the version with this content, None when there never was one."""
        candidates: list[Version] = [*self.versions.get(place, ()), NO_VERSION]
        for version in candidates:
            if version.vector == vector and version.body == body:
                return version
        return None

    def accepted_seq(self, change_id: str) -> int | None:
        """Return the sequence under which a change was accepted, None when it was not."""
        outcome = self.outcomes.get(change_id)
        return outcome.seq if outcome is not None and outcome.status in ACCEPTED else None


def read_write(change: Mapping[str, Any]) -> Write:
    """Return what a change says, from its decoded JSON."""
    return Write(
        change["operation"],
        change.get("document"),
        {parse_path(text): value for text, value in (change.get("delta") or {}).items()},
        [parse_path(text) for text in change.get("unset", ())],
    )


def parse_path(text: str) -> Path:
    """Return the path that a field name or pointer means."""
    if not text.startswith("/"):
        return (text,)
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/"))


def after(before: Version, write: Write, *, is_fast_forward: bool) -> Body | None:
    """Return what the server should make of a document: the fields of the edit that arrived last."""
    match write.operation:
        case "delete":
            return None
        case "insert":
            keeps_fields = before.body is not None and not is_fast_forward
            return {**(before.body or {}), **(write.document or {})} if keeps_fields else write.document
        case _ if before.body is None:
            return write.document
        case _:
            return laid_over(before.body, write, whole=write.document or {})


def shown(base: Version, writes: Sequence[Write]) -> Body | None:
    """Return what a device should show: a version of the server's with its own writes over it, oldest first."""
    body = base.body
    for write in writes:
        match write.operation:
            case "delete":
                body = None
            case "insert":
                body = {**(body or {}), **(write.document or {})}
            case _:
                body = laid_over(body or {}, write, whole=None)
    return body


def laid_over(body: Body, write: Write, *, whole: Body | None) -> Body:
    """Return a document with fields written; where a parent is missing, take the author's `whole` value for it.

    Without `whole` a missing parent becomes an empty object.
    """
    changed: Body = msgspec.json.decode(msgspec.json.encode(body))
    for path in write.unset:
        holder = _holder(changed, path)
        if holder is not None:
            holder.pop(path[-1], None)
    for path, value in write.values.items():
        holder = _holder(changed, path)
        if holder is not None:
            holder[path[-1]] = value
        elif whole is not None:
            _copy_missing(changed, path, whole)
        else:
            _make_holder(changed, path)[path[-1]] = value
    return changed


def _holder(body: Body, path: Path) -> Body | None:
    here: Any = body
    for name in path[:-1]:
        here = here.get(name)
        if not isinstance(here, dict):
            return None
    return here if isinstance(here, dict) else None


def _make_holder(body: Body, path: Path) -> Body:
    here = body
    for name in path[:-1]:
        if not isinstance(here.get(name), dict):
            here[name] = {}
        here = here[name]
    return here


def _copy_missing(body: Body, path: Path, whole: Body) -> None:
    here, there = body, whole
    for name in path[:-1]:
        if isinstance(here.get(name), dict):
            here, there = here[name], there.get(name, {})
            continue
        if name in there:
            here[name] = there[name]
        return
