"""Read every record of a store and say what is damaged; one that can't be read hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import apsw
import msgspec

from solidb_sync.errors import InvalidDocumentError, StorageError
from solidb_sync.json_value import canonical, decode
from solidb_sync.model.crdt.field_states import read_states, states_text
from solidb_sync.storage.attachments import damaged_blobs
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import Mark, StoredBase, StoredChange, StoredRow, StoredStates
from solidb_sync.storage.text_forms import decode_change, parse_vector

DAMAGE = (
    apsw.Error, StorageError, msgspec.MsgspecError, InvalidDocumentError, ValueError, TypeError, AttributeError, KeyError
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many records were read, and what is damaged."""

    records: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True when nothing is damaged."""
        return not self.problems


Check = tuple[str, Callable[[], None]]


def verify_records(reader: EngineReader) -> VerifyReport:
    """Return how many records there are, and every problem found."""
    problems = list(reader.damage())
    records = 0
    for name, check in _checks(reader):
        records += 1
        try:
            check()
        except DAMAGE as problem:
            problems.append(f"{name}: damaged: {problem}")
    return VerifyReport(records, tuple(problems))


def _checks(reader: EngineReader) -> Iterator[Check]:
    yield "replica", lambda: _read(reader.replica)
    for collection in reader.collections():
        yield from _walk(f"collection {collection}", lambda name=collection: _row_checks(reader, name))  # type: ignore[misc]
    yield from _walk("attachments", lambda: _attachment_checks(reader))
    yield from _walk("changes", lambda: _change_checks(reader))
    yield "subscriptions", lambda: _read(reader.subscriptions)
    yield "conflict log", lambda: _read(reader.conflicts)
    yield "settings", lambda: _read(reader.settings)
    yield "row_marks", lambda: _read(lambda: [place for mark in Mark for place in reader.marked(mark)])
    yield "indexes", lambda: _read(reader.indexes)


def _walk(name: str, list_checks: Callable[[], list[Check]]) -> Iterator[Check]:
    """Yield the checks of a table, or the one that fails when the table can't be walked."""
    try:
        checks = list_checks()
    except DAMAGE:
        yield name, lambda: _read(list_checks)
        return
    yield from checks


def _row_checks(reader: EngineReader, collection: str) -> list[Check]:
    checks: list[Check] = []
    for key in reader.keys(collection):
        checks.append((f"{collection}/{key}", lambda key=key: check_row(reader.row(collection, key))))  # type: ignore[misc]
        checks.append((f"{collection}/{key} (states)", lambda key=key: check_states(reader.states(collection, key))))  # type: ignore[misc]
        checks.append((f"{collection}/{key} (base copy)", lambda key=key: check_base(reader.base(collection, key))))  # type: ignore[misc]
    return checks


def _attachment_checks(reader: EngineReader) -> list[Check]:
    found = list(damaged_blobs(reader))
    return [(f"attachment {name}", lambda problem=problem: _check_is_right(problem)) for name, problem in found]  # type: ignore[misc]


def _check_is_right(problem: str) -> None:
    if problem:
        raise ValueError(problem)


def _change_checks(reader: EngineReader) -> list[Check]:
    return [
        (f"change {number}", lambda number=number: check_change(reader.changes(state=None, after=number - 1, limit=1)))  # type: ignore[misc]
        for number in reader.change_ids()
    ]


def _read(read: Callable[[], object]) -> None:
    read()


def check_row(row: StoredRow | None) -> None:
    """Raise one of `DAMAGE` when a row does not hold together."""
    if row is not None:
        _check_body(row.body)
        parse_vector(row.vector)


def check_base(base: StoredBase | None) -> None:
    """Raise one of `DAMAGE` when a base copy does not hold together."""
    if base is not None:
        _check_body(base.body)
        parse_vector(base.vector)


def check_states(states: StoredStates | None) -> None:
    """Raise one of `DAMAGE` when the states of replicated fields do not hold together."""
    if states is not None:
        for text in (states.base, states.visible):
            if states_text(read_states(text)) != text:
                raise ValueError("the states of replicated fields are not in canonical form")


def _check_body(body: str | None) -> None:
    if body is not None and canonical(decode(body)).text.decode() != body:
        raise ValueError("the document is not in canonical form")


def check_change(changes: list[StoredChange]) -> None:
    """Raise one of `DAMAGE` when the first of these changes does not hold together."""
    wire = decode_change(changes[0].wire)
    if (wire.collection, wire.key, wire.id) != (changes[0].collection, changes[0].key, changes[0].change_id):
        raise ValueError("the change and what would be sent of it differ")
