"""Documents that are of no use here after a time: which field says when, and how long after it they go.

Expiry is local, and never a deletion on the server. A field counts when it is an ISO-8601 text or a number of milliseconds
since 1970; a document in which it is neither stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from msgspec import Struct, json

from solidb_sync.clock import milliseconds_of
from solidb_sync.json_value import decode
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.field_path import FieldPath, parse_field
from solidb_sync.storage.retention import Candidate, is_clean, open_conflicts

SETTING = "ttl_indexes"


class TtlIndex(Struct, frozen=True):
    """Documents of a collection expire so many seconds after the moment in a field."""

    collection: str
    field: str
    expire_after_secs: float


_indexes = json.Decoder(list[TtlIndex])


def ttl_indexes(reader: EngineReader) -> list[TtlIndex]:
    """Return what expires, by collection and field."""
    text = reader.setting(SETTING)
    return _indexes.decode(text) if text else []


def put_ttl_index(engine: StorageEngine, index: TtlIndex) -> None:
    """Let documents expire; takes the place of the same field's rule."""
    others = [known for known in ttl_indexes(engine) if (known.collection, known.field) != (index.collection, index.field)]
    _save(engine, [*others, index])


def drop_ttl_index(engine: StorageEngine, collection: str, field: str) -> bool:
    """Let them stay; returns whether there was such a rule."""
    known = ttl_indexes(engine)
    others = [index for index in known if (index.collection, index.field) != (collection, field)]
    _save(engine, others)
    return len(others) < len(known)


def _save(engine: StorageEngine, indexes: Iterable[TtlIndex]) -> None:
    ordered = sorted(indexes, key=lambda index: (index.collection, index.field))
    engine.put_setting(SETTING, json.encode(ordered).decode() if ordered else None)


def expired(reader: EngineReader, now_ms: int) -> list[Candidate]:
    """Return the clean documents whose time is over, those of longest ago first."""
    in_conflict = open_conflicts(reader)
    found: dict[tuple[str, str], Candidate] = {}
    for index in ttl_indexes(reader):
        path = parse_field(index.field)
        for key, row in reader.live_rows(index.collection):
            body = row.body or "{}"
            moment = _moment(decode(body), path)
            if moment is None or moment + index.expire_after_secs * 1000 > now_ms:
                continue
            if is_clean(reader, index.collection, key, open_conflicts=in_conflict):
                size = len(body.encode()) + len(row.vector)
                found[index.collection, key] = Candidate(moment, index.collection, key, row.vector, size)
    return sorted(found.values())


def _moment(document: Any, path: FieldPath) -> int | None:
    value = document
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return round(value)
    return milliseconds_of(value) if isinstance(value, str) else None
