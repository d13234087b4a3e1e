"""What a device offers to a server that has lost a part of its history: the server's versions, as they were here last.

Offered is the base copy of a document with changes, else the row itself, deletions too, with its whole vector. How far the
offering has come is kept in the replica's record, so that it goes on after it was broken off; a page offered twice changes
nothing at the server. Beside each stands up to where this device had every version of it (`base_seq`), by what the cursor
spoke for when the offering began: vectors that were compacted say less than that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container
from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import replace

from solidb_sync.json_value import decode, encode
from solidb_sync.protocol.messages import OfferedDocument
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.known_versions import forget_sequences
from solidb_sync.storage.outbox import PUSH_BYTES_MAX
from solidb_sync.storage.records import ChangeState, Mark, StoredBase, StoredRow

HAD_SETTING = "offered_from"
NOT_BEGUN = '["",""]'
KEYS_AHEAD_MAX = 100_000
"""So many keys are found at once: 10 MB of them, when they are short."""


@dataclass(frozen=True, slots=True)
class OfferPage:
    """Documents to offer in one request, and the place to go on from; `is_last` when there are no more."""

    documents: list[OfferedDocument]
    upto: str
    is_last: bool


class _Had(Struct, frozen=True):
    """What this device had when an offering began: its cursor, and which collections that spoke for."""

    cursor: int = 0
    covered: tuple[str, ...] | None = None
    left_out: tuple[str, ...] = ()

    def upto(self, reader: EngineReader, collection: str, key: str) -> int:
        """Return up to which sequence every version of a document was here, 0 when that is not known."""
        speaks = collection not in self.left_out and (self.covered is None or collection in self.covered)
        doubts = any(reader.is_marked(mark, collection, key) for mark in (Mark.LEAVING, Mark.DOUBTED))
        return self.cursor if speaks and not doubts else 0


def begin_offering(engine: StorageEngine, known: Container[str], *, epoch: str) -> None:
    """Join another history: no cursor, and everything here is to be offered before anything is fetched.

    `known` are the ids of those changes of ours which the server has. Held ones that it has not will be sent again.
    """
    for change in engine.changes(state=ChangeState.HELD):
        if change.change_id not in known:
            engine.replace_change(replace(change, state=ChangeState.PENDING))
    replica = engine.replica()
    if not replica.offered:  # else the server lost its past once more: nothing was fetched since, and what was here still is
        cursor = 0 if replica.is_resyncing else replica.cursor
        had = _Had(cursor, replica.covered, (*replica.excluded, *engine.backfills()))
        engine.put_setting(HAD_SETTING, msgspec.json.encode(had).decode())
    for collection in engine.backfills():
        engine.drop_backfill(collection)
    engine.clear_unseen()
    engine.save_replica(
        replace(
            replica,
            cursor=0,
            caught_up=0,
            covered=None,
            epoch=epoch,
            run="",
            horizon=0,
            is_resyncing=False,
            offered=NOT_BEGUN,
            stable=0,
        )
    )
    forget_sequences(engine)


class KeysAhead:
    """The keys of a collection from some place on, found many at once and handed out in parts.

    An encrypted RocksDB store has no order of keys, and opens a whole collection to find the next ones: to ask it at every
    page would take time by the square of the documents. Keys that come to a place it has looked at are not among them.
    """

    def __init__(self) -> None:
        self._collection: str | None = None
        self._lowest = ""
        self._keys: list[str] = []
        self._is_rest = False

    def after(self, reader: EngineReader, collection: str, key: str, *, count: int) -> list[str]:
        """Return the next keys of a collection beyond `key`, at most `count`; none when there are no more."""
        if not self._covers(collection, key):
            keys = reader.keys_after(collection, key, KEYS_AHEAD_MAX)
            self._collection, self._lowest, self._keys = collection, key, keys
            self._is_rest = len(keys) < KEYS_AHEAD_MAX
        first = bisect_right(self._keys, key)
        return self._keys[first : first + count]

    def _covers(self, collection: str, key: str) -> bool:
        if collection != self._collection or key < self._lowest:
            return False
        return self._is_rest or key < self._keys[-1]


def next_offers(reader: EngineReader, ahead: KeysAhead, *, count: int) -> OfferPage:
    """Return the next documents to offer, by collection and key, as many as fit into a request and at least one.

    `ahead` is the same one for the pages that follow each other, and of no offering begun before.
    """
    after_collection, after_key = decode(reader.replica().offered)
    had = msgspec.json.decode(reader.setting(HAD_SETTING) or "{}", type=_Had)
    documents: list[OfferedDocument] = []
    size, upto = 0, (after_collection, after_key)
    for collection in reader.collections():
        if collection < after_collection:
            continue
        key = after_key if collection == after_collection else ""
        while keys := ahead.after(reader, collection, key, count=count):
            key = keys[-1]
            for found, row in sorted(reader.rows_of(collection, keys).items()):
                offered = _offered(reader, collection, found, row, had)
                offered_bytes = 0 if offered is None else len(encode(offered))
                if documents and (size + offered_bytes > PUSH_BYTES_MAX or len(documents) >= count):
                    return OfferPage(documents, encode(upto).decode(), is_last=False)
                size, upto = size + offered_bytes, (collection, found)
                if offered is not None:
                    documents.append(offered)
    return OfferPage(documents, encode(upto).decode(), is_last=True)


def _offered(reader: EngineReader, collection: str, key: str, row: StoredRow, had: _Had) -> OfferedDocument | None:
    """Return the server's version of a document; None when it never came from the server."""
    known: StoredBase | None = StoredBase(row.body, row.body is None, row.vector, row.stamp)
    if reader.has_changes_of(collection, key):
        known = reader.base(collection, key)
    if known is None or not (vector := decode(known.vector)):
        return None
    document = UNSET if known.is_deleted or known.body is None else Raw(known.body.encode())
    states = reader.states(collection, key)
    crdt = Raw(states.base.encode()) if states is not None and states.base else UNSET
    return OfferedDocument(collection, key, document, vector, known.stamp, crdt, had.upto(reader, collection, key))


def note_offered(engine: StorageEngine, page: OfferPage, *, run: str, newest: int) -> None:
    """Note that a page was taken, in a run of the server whose newest sequence is `newest`.

    After the last one a resync begins: whatever the server then has not is nowhere any more.
    """
    replica = replace(engine.replica(), run=run, horizon=newest, offered=page.upto)
    if page.is_last:
        replica = replace(replica, offered="", is_resyncing=True)
        engine.mark_all_unseen()
        engine.put_setting(HAD_SETTING, None)
    engine.save_replica(replica)
