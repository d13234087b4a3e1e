"""Read every record of a store and say what is damaged."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import canonical, decode
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import StoredRow
from solidb_sync.storage.text_forms import decode_change, parse_vector


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """How many records were read, and what is damaged."""

    records: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """True when nothing is damaged."""
        return not self.problems


def verify_records(reader: EngineReader) -> VerifyReport:
    """Return how many records there are, and every problem found."""
    problems = list(reader.damage())
    records = 0
    for collection in reader.collections():
        for key, row in reader.all_rows(collection):
            records += 1
            problems.extend(_row_problems(f"{collection}/{key}", row))
    for change in reader.changes(state=None):
        records += 1
        try:
            decode_change(change.wire)
        except msgspec.MsgspecError as problem:
            problems.append(f"change {change.id} of {change.collection}/{change.key}: {problem}")
    return VerifyReport(records, tuple(problems))


def _row_problems(name: str, row: StoredRow) -> list[str]:
    problems = []
    try:
        if row.body is not None and canonical(decode(row.body)).text.decode() != row.body:
            problems.append(f"{name}: the document is not in canonical form")
    except (msgspec.MsgspecError, InvalidDocumentError, UnicodeDecodeError) as problem:
        problems.append(f"{name}: the document is damaged: {problem}")
    try:
        parse_vector(row.vector)
    except (msgspec.MsgspecError, TypeError, AttributeError) as problem:
        problems.append(f"{name}: the version vector is damaged: {problem}")
    return problems
