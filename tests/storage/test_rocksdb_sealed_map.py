"""Hidden keys and sealed values: every read is that of a plain map, and nothing of it can be seen below."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.errors import StorageCorruptError
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb import sealed_map
from solidb_sync.storage.rocksdb.key_layout import end_of, key_of, number_bytes, prefix_of
from solidb_sync.storage.rocksdb.ordered_map import Entry
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal, SealedView
from solidb_sync.storage.rocksdb.value_bytes import value_bytes, value_length

STORE = b"s" * 16
NAMES = st.sampled_from(["a", "b", "ab", "é", "users"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=4) | st.just("x" * 2000),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=6,
).filter(lambda value: value is not None)


class Kept:
    """An ordered map that holds what is written to it."""

    def __init__(self) -> None:
        self.entries: dict[bytes, bytes] = {}

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return any(True for _ in self.scan(first, end))

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        return iter([(key, self.entries[key]) for key in sorted(self.entries) if first <= key < end])


def new_seal(store_id: bytes = STORE) -> EntrySeal:
    return EntrySeal(b"k" * 32, store_id, os.urandom)


def kept_both_ways(keys: list[bytes]) -> tuple[Kept, SealedView, Kept]:
    """Return a plain map, the sealed one of the same entries, and what lies below that."""
    plain, below, seal = Kept(), Kept(), new_seal()
    for key in keys:
        plain.entries[key] = b"value of " + key
        hidden, content = seal.seal(key, plain.entries[key])
        below.entries[hidden] = content
    return plain, SealedView(below, seal), below


@given(VALUES, st.sampled_from([b"", b"k", "é".encode()]))
def test_the_length_of_a_value_is_found_whatever_key_follows_it(value: object, key: bytes) -> None:
    assert value_length(value_bytes(value) + key) == len(value_bytes(value))


@given(st.lists(st.tuples(NAMES, NAMES, VALUES, NAMES), max_size=12), NAMES, NAMES, VALUES, VALUES)
def test_every_scan_of_an_index_is_that_of_a_plain_map(
    rows: list[tuple[str, str, object, str]], collection: str, field: str, one: object, other: object
) -> None:
    """By value, between two, beyond one, and all of it."""
    keys = [prefix_of(at.INDEX_ENTRIES, c, f) + value_bytes(v) + k.encode() for c, f, v, k in rows]
    plain, sealed, _ = kept_both_ways(keys)
    prefix = prefix_of(at.INDEX_ENTRIES, collection, field)
    low, high = sorted((prefix + value_bytes(one), prefix + value_bytes(other)))
    ranges = [(low, low + b"\xff"), (low, high + b"\xff"), (low, prefix + b"\xff"), (prefix, prefix + b"\xff")]
    for first, end in ranges:
        assert list(sealed.scan(first, end)) == list(plain.scan(first, end))
        assert sealed.has(first, end) == plain.has(first, end)


@pytest.mark.parametrize("table", [at.ROWS, at.BASES, at.CHANGES_OF, at.COLLECTIONS, at.MARKS + b"\1"])
@given(places=st.lists(st.tuples(NAMES, NAMES), max_size=12), collection=NAMES, key=NAMES)
def test_every_scan_of_a_table_is_that_of_a_plain_map(
    table: bytes, places: list[tuple[str, str]], collection: str, key: str
) -> None:
    """The whole table, one collection, and the rest of one beyond a key."""
    tail = b"\0" + number_bytes(7) if table == at.CHANGES_OF else b""
    others = [key_of(at.MARKS + b"\2", *place) for place in places] if table[:1] == at.MARKS else []
    plain, sealed, _ = kept_both_ways([key_of(table, *place) + tail for place in places] + others)
    prefix = prefix_of(table, collection)
    beyond = key_of(table, collection, key) + b"\0"
    for first, end in [(table, end_of(table)), (prefix, end_of(prefix)), (beyond, end_of(prefix)), (beyond, end_of(beyond))]:
        assert list(sealed.scan(first, end)) == list(plain.scan(first, end))
        assert sealed.has(first, end) == plain.has(first, end)
    for found in plain.entries:
        assert sealed.get(found) == plain.get(found)


def test_values_beyond_the_bound_are_read_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_map, "HELD_BYTES_MAX", 20)
    plain, sealed, _ = kept_both_ways([key_of(at.ROWS, "users", f"u{number}") for number in range(9)])
    assert list(sealed.scan(at.ROWS, end_of(at.ROWS))) == list(plain.scan(at.ROWS, end_of(at.ROWS)))


def test_nothing_of_names_keys_and_values_is_to_be_seen() -> None:
    rows = [key_of(table, "secrets", "hidden-key") for table in (at.ROWS, at.BASES, at.STATES, at.UNSEEN, at.INDEXES)]
    entry = prefix_of(at.INDEX_ENTRIES, "secrets", "field-of-secrets") + value_bytes("classified") + b"hidden-key"
    keys = [*rows, entry, key_of(at.COLLECTIONS, "secrets"), key_of(at.SUBSCRIPTIONS, "secrets")]
    _, _, below = kept_both_ways([*keys, prefix_of(at.CHANGES_OF, "secrets", "hidden-key") + number_bytes(1)])
    seen = b"".join(part for kept in below.entries.items() for part in kept)
    assert [word for word in (b"secrets", b"hidden-key", b"classified", b"field-of", b"value of") if word in seen] == []


def test_a_value_in_anothers_place_of_another_store_or_with_a_bit_flipped_is_an_error() -> None:
    one, other = key_of(at.ROWS, "users", "u1"), key_of(at.ROWS, "users", "u2")
    _, sealed, below = kept_both_ways([one, other])
    seal = new_seal()
    right = dict(below.entries)
    place = seal.keys.hidden(one)
    flipped = bytes([right[place][20] ^ 1])
    wrong = [
        right[seal.keys.hidden(other)],
        new_seal(b"t" * 16).seal(one, b"value")[1],
        right[place][:20] + flipped + right[place][21:],
        b"",
    ]
    for content in wrong:
        below.entries[place] = content
        with pytest.raises(StorageCorruptError):
            sealed.get(one)
        with pytest.raises(StorageCorruptError):
            list(sealed.scan(at.ROWS, end_of(at.ROWS)))


def test_the_writes_of_a_transaction_are_sealed_and_drops_find_their_place() -> None:
    seal, below = new_seal(), Kept()
    key = key_of(at.ROWS, "users", "u1")
    (put,) = seal.sealed_writes({key: b"v"}).items()
    assert seal.sealed_writes({key: None}) == {put[0]: None}
    assert put[1] is not None
    below.entries[put[0]] = put[1]
    assert SealedView(below, seal).get(key) == b"v"
