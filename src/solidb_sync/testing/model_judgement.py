"""What the server should make of an edit, worked out anew: who had seen what, which paths both wrote, what a strategy says.

These are merge rules of the simulation's own, kept apart from the engine's. They know from the ledger what each author had
really seen, and never look at a version vector.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from solidb_sync.testing.model_fields import Operations

Path = tuple[str, ...]
Body = dict[str, Any]

WHOLE: Path = ()


@dataclass(frozen=True, slots=True)
class Write:
    """What one change does to its document, as its bytes said."""

    operation: str
    document: Body | None
    values: Mapping[Path, Any]
    unset: Sequence[Path]
    is_in_transaction: bool = False
    operations: Operations = field(default_factory=dict)
    """What it does to replicated fields; the rest of the edit has nothing of them."""
    settles: Sequence[str] = ()
    """The open conflicts that it decides."""

    @property
    def only_settles(self) -> bool:
        """Whether it writes nothing: a decision that leaves the document as it is."""
        return bool(self.settles) and self.operation == "update" and not (self.values or self.unset or self.operations)

    def paths(self) -> list[Path]:
        """Return every path written; the empty one is the whole document."""
        if self.operation == "delete":
            return [WHOLE]
        if self.operation == "insert":
            return [(name,) for name in self.document or {}]
        return [*self.values, *self.unset]


@dataclass(frozen=True, slots=True)
class Held:
    """What the server holds before an edit: no `body` is a tombstone or nothing at all; `writers` wrote its paths last."""

    body: Body | None = None
    writers: Mapping[Path, str] = field(default_factory=dict)
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an edit should come to: `status`, who won (`local`: the arriving edit; empty: still open), and the document."""

    status: str
    body: Body | None
    writers: Mapping[Path, str]
    winner: str = ""
    overlap: Collection[Path] = ()


def judge(held: Held, change_id: str, write: Write, knew: frozenset[str], strategy: str) -> Judgement:
    """Return what becomes of an edit whose author had seen the edits `knew` of this document."""
    knows_all = held.ids <= knew
    if write.only_settles:
        return Judgement("applied" if knows_all else "merged", held.body, held.writers)
    knows_writes = knows_all or (bool(write.settles) and knew.issuperset(held.writers.values()))
    if write.operation == "delete" and knows_writes:
        return Judgement("applied" if knows_all else "merged", None, {WHOLE: change_id})
    if write.operation == "delete":
        return _judge_delete(held, change_id, strategy, knows_all=knows_all)
    if held.body is None and knows_writes:
        return Judgement("applied" if knows_all else "merged", write.document or {}, {WHOLE: change_id})
    if held.body is None:
        return _judge_whole(held, change_id, write, strategy)
    body, written = _written(held.body, write, knows_all=knows_all)
    overlap = () if knows_all else _overlap(held, write, body, written, knew)
    if not overlap:
        status = "applied" if knows_all else "merged"
        return Judgement(status, body, _written_by(held.writers, written, change_id))
    match strategy:
        case "last_write_wins" | "merge_fields":
            return Judgement("conflict", body, _written_by(held.writers, written, change_id), "local", overlap)
        case "merge_fields:manual":
            kept = _without(write, body, [path for path in written if path not in overlap])
            body, written = laid_over(held.body, kept, whole=write.document or {})
            return Judgement("conflict", body, _written_by(held.writers, written, change_id), "", overlap)
        case _:
            return _overruled(held, strategy, overlap)


def _without(write: Write, body: Body, paths: Sequence[Path]) -> Write:
    """Return the part of an edit that writes these paths, with the values it has made of them."""
    values = {path: at(body, path) for path in paths if _is_present(body, path)}
    return Write("update", write.document, values, [path for path in paths if path not in values])


def _judge_delete(held: Held, change_id: str, strategy: str, *, knows_all: bool) -> Judgement:
    if knows_all or held.body is None:
        return Judgement("applied" if knows_all else "merged", None, {WHOLE: change_id})
    if strategy.startswith("last_write_wins"):
        return Judgement("conflict", None, {WHOLE: change_id}, "local", (WHOLE,))
    return _overruled(held, "first_write_wins" if strategy.startswith("merge_fields") else strategy, (WHOLE,))


def _judge_whole(held: Held, change_id: str, write: Write, strategy: str) -> Judgement:
    """Judge an edit of a document that is deleted, or was never there, by somebody who did not know that."""
    if strategy.startswith(("last_write_wins", "merge_fields")):
        return Judgement("conflict", write.document or {}, {WHOLE: change_id}, "local", (WHOLE,))
    return _overruled(held, strategy, (WHOLE,))


def _overruled(held: Held, strategy: str, overlap: Collection[Path]) -> Judgement:
    winner = "remote" if strategy == "first_write_wins" else ""
    return Judgement("conflict", held.body, held.writers, winner, overlap)


def _written(body: Body, write: Write, *, knows_all: bool) -> tuple[Body, list[Path]]:
    """Return the document with an edit laid over it, and the paths it really writes."""
    if write.operation != "insert":
        return laid_over(body, write, whole=write.document or {})
    document = write.document or {}
    if knows_all:
        return document, _differences(body, document)
    return {**body, **document}, [(name,) for name in document]


def _differences(old: Body, new: Body, at: Path = ()) -> list[Path]:
    paths: list[Path] = []
    for name in [*old, *(name for name in new if name not in old)]:
        before, after = old.get(name), new.get(name)
        if name in old and name in new and isinstance(before, dict) and isinstance(after, dict) and before and after:
            paths += _differences(before, after, (*at, name))
        elif name not in old or name not in new or not _is_same(before, after):
            paths.append((*at, name))
    return paths


def _overlap(held: Held, write: Write, body: Body, written: Sequence[Path], knew: frozenset[str]) -> list[Path]:
    """Return the paths of an edit where somebody its author had not seen wrote last, and where the values differ.

    When both created the document, a field that only one of them has was written by one side.
    """
    assert held.body is not None
    both_created = write.operation == "insert" and not knew
    return [
        path
        for path in written
        if any(writer not in knew for writer in last_writers(held.writers, path))
        and not (_is_present(held.body, path) == _is_present(body, path) and _is_same(at(held.body, path), at(body, path)))
        and not (both_created and not _is_present(held.body, path) and set(held.writers) & set(_upto(path)) == {WHOLE})
    ]


def last_writers(writers: Mapping[Path, str], path: Path) -> list[str]:
    """Return who wrote a path last: itself or what it is in, and everything inside it."""
    around = [writers[outer] for outer in reversed(_upto(path)) if outer in writers]
    return around[:1] + [writer for inner, writer in writers.items() if inner[: len(path)] == path and inner != path]


def _upto(path: Path) -> list[Path]:
    return [path[:depth] for depth in range(len(path) + 1)]


def _written_by(writers: Mapping[Path, str], written: Sequence[Path], change_id: str) -> dict[Path, str]:
    changed = dict(writers)
    for path in written:
        for inner in [known for known in changed if known[: len(path)] == path]:
            del changed[inner]
        changed[path] = change_id
    return changed


def laid_over(body: Body, write: Write, *, whole: Body | None) -> tuple[Body, list[Path]]:
    """Return a document with fields written, and where; where a parent is missing, take the author's `whole` value for it.

    Without `whole` a missing parent becomes an empty object.
    """
    changed: Body = msgspec.json.decode(msgspec.json.encode(body))
    written = list(write.unset)
    for path in write.unset:
        holder = _holder(changed, path)
        if holder is not None:
            holder.pop(path[-1], None)
    for path, value in write.values.items():
        holder = _holder(changed, path)
        if holder is not None:
            holder[path[-1]] = value
            written.append(path)
        elif whole is not None:
            written += _copy_missing(changed, path, whole)
        else:
            _make_holder(changed, path)[path[-1]] = value
            written.append(path)
    outermost = [path for path in dict.fromkeys(written) if not any(path[:depth] in written for depth in range(len(path)))]
    return changed, outermost


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


def _copy_missing(body: Body, path: Path, whole: Body) -> list[Path]:
    """Copy the whole value of the shallowest missing parent, and return its path; no path when there is none to copy."""
    here, there = body, whole
    for depth, name in enumerate(path[:-1], 1):
        if isinstance(here.get(name), dict):
            here, there = here[name], there.get(name, {})
            continue
        if name not in there:
            return []
        here[name] = there[name]
        return [path[:depth]]
    raise AssertionError("nothing is missing")


def at(body: Body, path: Path) -> Any:
    """Return the value at a path, None where there is none."""
    here: Any = body
    for name in path:
        if not isinstance(here, dict) or name not in here:
            return None
        here = here[name]
    return here


def _is_present(body: Body, path: Path) -> bool:
    holder = _holder(body, path) if path else body
    return holder is not None and (not path or path[-1] in holder)


def _is_same(one: object, other: object) -> bool:
    return msgspec.json.encode(one, order="deterministic") == msgspec.json.encode(other, order="deterministic")
