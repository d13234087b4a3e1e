"""Local indexes: which may be made, and what a unique one asks of this device's own edits.

An index belongs to this device alone; nothing of it is sent. A unique one therefore binds only those who can be told at
once: an edit of this device that would give a document a value another document has is refused. What arrives by sync is
always taken, or a replica would come to differ from the server because of an index the server knows nothing of. So documents
may come to collide; an edit of such a document that leaves the value as it was is not refused. Values are equal as SDBQL
sees it (1 equals 1.0), and null and missing values never collide.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sdbql.values import equal, hash_key
from solidb_sync.errors import ConfigError, UniqueIndexError
from solidb_sync.json_value import JsonDocument, encode
from solidb_sync.storage.edits import DocumentChanged
from solidb_sync.storage.engine import EngineReader, IndexProgress, StorageEngine
from solidb_sync.storage.field_path import field_text, parse_field, value_at
from solidb_sync.storage.records import IndexDefinition

INDEXES_PER_COLLECTION_MAX = 64
COLLISIONS_TOLD_MAX = 10
SHOWN_CHARACTERS_MAX = 60


def index_definition(collection: str, field: str, *, unique: bool) -> IndexDefinition:
    """Return the definition that the words of a caller mean; raises `ConfigError` for a bad field."""
    return IndexDefinition(collection, field_text(parse_field(field)), unique)


def create_index(engine: StorageEngine, index: IndexDefinition, progress: IndexProgress | None = None) -> None:
    """Make an index, or do nothing when it is there. Raises `ConfigError` and `UniqueIndexError`, with nothing changed."""
    place = f"{index.collection}.{index.field}"
    known = engine.indexes(index.collection)
    for other in known:
        if other == index:
            return
        if other.field == index.field:
            kinds = ("unique", "not unique") if other.unique else ("not unique", "unique")
            raise ConfigError(f"{place}: has an index that is {kinds[0]}; drop it first to make one that is {kinds[1]}")
    if len(known) >= INDEXES_PER_COLLECTION_MAX:
        raise ConfigError(f"{place}: a collection has at most {INDEXES_PER_COLLECTION_MAX} indexes; drop one first")
    _check_is_known(engine, index.collection)
    if index.unique:
        _check_no_collisions(engine, index)
    engine.put_index(index, progress)


def _check_is_known(engine: EngineReader, collection: str) -> None:
    subscribed = {subscription.collection for subscription in engine.subscriptions()}
    known = sorted({*engine.collections(), *subscribed})
    if collection not in known:
        raise ConfigError(
            f"collection: {collection!r} is not known here; save a document in it, subscribe to it or sync first. "
            f"Known are: {', '.join(known[:COLLISIONS_TOLD_MAX]) or 'none'}"
        )


def _check_no_collisions(engine: EngineReader, index: IndexDefinition) -> None:
    first: dict[Any, tuple[str, Any]] = {}
    colliding: dict[Any, tuple[Any, list[str]]] = {}
    for key, value in engine.field_values(index.collection, parse_field(index.field)):
        same = hash_key(value)
        holder, held = first.setdefault(same, (key, value))
        if holder != key:
            colliding.setdefault(same, (held, [holder]))[1].append(key)
    if not colliding:
        return
    told = [(value, tuple(keys[:COLLISIONS_TOLD_MAX])) for value, keys in list(colliding.values())[:COLLISIONS_TOLD_MAX]]
    shown = "; ".join(f"{shown_value(value)} in {', '.join(keys)}" for value, keys in told)
    raise UniqueIndexError(
        f"{index.collection}.{index.field}: can't be unique: {len(colliding)} "
        f"{'value is' if len(colliding) == 1 else 'values are'} in more than one document: {shown}. "
        "Change those documents first, or make the index without unique.",
        collection=index.collection,
        field=index.field,
        collisions=told,
    )


def check_unique(engine: EngineReader, facts: Iterable[DocumentChanged]) -> None:
    """Raise `UniqueIndexError` when edits of this device, all recorded in this transaction, break a unique index.

    They are judged by what they leave behind together, so that two documents may exchange their values in a transaction.
    """
    edited: dict[tuple[str, str], tuple[JsonDocument | None, JsonDocument | None]] = {}
    for fact in facts:
        before, _ = edited.get((fact.collection, fact.key), (fact.old_document, None))
        edited[fact.collection, fact.key] = (before, fact.document)
    for (collection, key), (before, after) in edited.items():
        for index in engine.indexes(collection):
            if index.unique and after is not None:
                _check_one(engine, index, key, (before or {}, after))


def _check_one(engine: EngineReader, index: IndexDefinition, key: str, sides: tuple[JsonDocument, JsonDocument]) -> None:
    path = parse_field(index.field)
    before, after = (value_at(document, path) for document in sides)
    if after is None or (before is not None and equal(before, after)):
        return
    holders = tuple(other for other in engine.keys_with(index, after) if other != key)[:COLLISIONS_TOLD_MAX]
    if holders:
        raise UniqueIndexError(
            f"{index.collection}/{key}: {index.field} is unique on this device, and {shown_value(after)} is in "
            f"{index.collection}/{holders[0]} already; nothing was saved",
            collection=index.collection,
            field=index.field,
            collisions=[(after, holders)],
        )


def shown_value(value: Any) -> str:
    """Return the JSON of a value, shortened.

    >>> shown_value("x" * 100)
    '"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'
    """
    text = encode(value).decode()
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[: SHOWN_CHARACTERS_MAX - 3]}..."
