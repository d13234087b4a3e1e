"""The pages of an offering: every document of the server's once, in order, without looking for its place at every page."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from msgspec import Raw
from msgspec.structs import replace

from solidb_sync.storage import offers
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.memory import MemoryEngine
from solidb_sync.storage.offers import KeysAhead, begin_offering, next_offers
from solidb_sync.storage.records import Replica, StoredRow
from solidb_sync.storage.rocksdb.database import Database
from solidb_sync.storage.rocksdb.ordered_map import Entry
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.storage.rocksdb.sealed_database import SealedDatabase
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal
from solidb_sync.storage.rocksdb.store_label import plain_label

COLLECTIONS = ("notes", "tasks")


class CountingSeal(EntrySeal):
    """Counts the entries it opens."""

    opened = 0

    def open(self, hidden: bytes, sealed: bytes) -> Entry:
        self.opened += 1
        return super().open(hidden, sealed)


@contextmanager
def sealed_engine(path: Path) -> Iterator[tuple[RocksdbEngine, CountingSeal]]:
    seal = CountingSeal(b"k" * 32, b"s" * 16, os.urandom)
    database = SealedDatabase(Database(str(path / "db"), str(path), durability="normal"), seal)
    engine = RocksdbEngine(database, str(path), plain_label("phone"), "normal")
    try:
        yield engine, seal
    finally:
        engine.close()


def of_the_server(number: int) -> StoredRow:
    return StoredRow(f'{{"n":{number}}}', '{"server":1}', "2026-01-01T00:00:00.000Z")


def fill(engine: StorageEngine, each: int) -> None:
    """Keep so many documents of the server in each of two collections, and begin to offer them."""
    engine.begin()
    engine.save_replica(Replica("phone", "s" * 16, cursor=9))
    for collection in COLLECTIONS:
        for number in range(each):
            engine.put_row(collection, f"k{number:04}", of_the_server(number))
    begin_offering(engine, set(), epoch="e")
    engine.commit()


def go_on(engine: StorageEngine, upto: str) -> None:
    engine.begin()
    engine.save_replica(replace(engine.replica(), offered=upto))
    engine.commit()


def offer_all(engine: StorageEngine, reader: EngineReader, *, count: int) -> list[list[tuple[str, str]]]:
    """Return the places of the documents of every page."""
    ahead, pages = KeysAhead(), list[list[tuple[str, str]]]()
    while True:
        page = next_offers(reader, ahead, count=count)
        pages.append([(offered.collection, offered.key) for offered in page.documents])
        if page.is_last:
            return pages
        go_on(engine, page.upto)


@pytest.mark.parametrize("keys_max", [1, 2, 7, 20, 1_000])
@pytest.mark.parametrize("count", [1, 3, 20, 99])
def test_every_document_is_offered_once_in_order_however_few_keys_are_found_at_once(
    keys_max: int, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offers, "KEYS_AHEAD_MAX", keys_max)
    engine = MemoryEngine(Replica("phone", "s" * 16))
    fill(engine, 20)
    pages = offer_all(engine, engine.reader(), count=count)
    assert [place for page in pages for place in page] == [(c, f"k{n:04}") for c in COLLECTIONS for n in range(20)]
    assert max(map(len, pages)) <= count


def test_offering_an_encrypted_store_opens_entries_by_the_number_of_its_documents(tmp_path: Path) -> None:
    """Not by that times the number of pages: twice as many pages, as many entries, but for a few of each page."""
    opened = []
    with sealed_engine(tmp_path) as (engine, seal):
        fill(engine, 200)
        for count in (40, 20):
            go_on(engine, offers.NOT_BEGUN)
            before = seal.opened
            assert sum(map(len, offer_all(engine, engine.reader(), count=count))) == 400
            opened.append(seal.opened - before)
    assert max(opened) < 5 * 400
    assert opened[1] < opened[0] * 1.2


def test_a_document_that_went_away_after_its_key_was_found_is_left_out_and_the_others_are_offered() -> None:
    """Also when it was the last of a page, or the last of all; what it became meanwhile is what is offered."""
    engine, ahead = MemoryEngine(Replica("phone", "s" * 16)), KeysAhead()
    fill(engine, 6)
    first = next_offers(engine.reader(), ahead, count=2)
    go_on(engine, first.upto)
    engine.begin()
    for key in ("k0003", "k0005"):
        engine.drop_row("notes", key)
    engine.put_row("notes", "k0004", of_the_server(44))
    engine.commit()
    rest = next_offers(engine.reader(), ahead, count=99)
    assert [offered.key for offered in rest.documents[:2]] == ["k0002", "k0004"]
    changed = rest.documents[1].document
    assert isinstance(changed, Raw)
    assert bytes(changed) == b'{"n":44}'
    assert [offered.collection for offered in rest.documents[2:]] == ["tasks"] * 6
    assert rest.is_last


def test_an_offering_begun_again_with_keys_of_its_own_offers_what_came_meanwhile() -> None:
    engine, ahead = MemoryEngine(Replica("phone", "s" * 16)), KeysAhead()
    fill(engine, 3)
    next_offers(engine.reader(), ahead, count=2)
    engine.begin()
    engine.put_row("notes", "a first", of_the_server(1))
    engine.commit()
    assert next_offers(engine.reader(), KeysAhead(), count=99).documents[0].key == "a first"


def test_an_offering_that_begins_again_before_its_end_still_says_what_was_here_when_the_first_began() -> None:
    """A server put back twice took an older version, whose vector it had compacted, for one this device had never had.

    It kept that version and logged the device's newer one as a conflict (recovery worlds, dense, seed 311).
    """
    engine = MemoryEngine(Replica("phone", "s" * 16))
    fill(engine, 2)
    assert [page.base_seq for page in next_offers(engine.reader(), KeysAhead(), count=9).documents] == [9] * 4
    engine.begin()
    begin_offering(engine, set(), epoch="f")
    engine.commit()
    assert [page.base_seq for page in next_offers(engine.reader(), KeysAhead(), count=9).documents] == [9] * 4
