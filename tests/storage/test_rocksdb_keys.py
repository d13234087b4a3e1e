"""The bytes of keys sort as what they stand for, and the buffer of a transaction reads as if it were written already."""

from collections.abc import Iterator
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from sdbql.values import INTEGER_MAX, INTEGER_MIN, compare, equal
from solidb_sync.storage.rocksdb.key_layout import ROWS, end_of, key_of, names_in, number_bytes, prefix_of
from solidb_sync.storage.rocksdb.ordered_map import Buffer, Entry
from solidb_sync.storage.rocksdb.value_bytes import BYTES_MAX, is_cut, value_bytes

numbers = st.integers(INTEGER_MIN, INTEGER_MAX) | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-3, 3)
texts = st.text(max_size=12) | st.sampled_from(["", "\0", "a\0", "a\0b", "a\uffff", "a😀"])
plain = st.booleans() | numbers | texts
ordered = st.recursive(plain, lambda inner: st.lists(inner | st.none(), max_size=4), max_leaves=8)
values = st.recursive(
    plain, lambda inner: st.lists(inner | st.none(), max_size=4) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)


def sign(number: int) -> int:
    return (number > 0) - (number < 0)


@given(ordered, ordered)
@example(2**53, 2**53 + 1)
@example(float(2**53), 2**53 + 1)
@example(INTEGER_MAX, float(INTEGER_MAX))
@example(0.0, -0.0)
@example(1, 1.0)
@example(True, 1)
@example([], [None])
def test_bytes_of_values_sort_as_sdbql_sorts_the_values(left: Any, right: Any) -> None:
    """Across types too; only objects have no order here."""
    one, other = value_bytes(left), value_bytes(right)
    assert (one > other) - (one < other) == sign(compare(left, right))


@given(values, values)
@example({"a": 1}, {"a": 1.0})
@example({"a": None}, {})
@example("x" * 2000, "x" * 2001)
def test_values_have_the_same_bytes_exactly_when_they_are_equal_and_none_begins_another(left: Any, right: Any) -> None:
    """Unless they are cut: then the same bytes are a hint only."""
    one, other = value_bytes(left), value_bytes(right)
    assert len(one) <= BYTES_MAX
    if equal(left, right):
        assert one == other
    elif is_cut(one) or is_cut(other):
        assert one[:BYTES_MAX] == one
    else:
        assert not one.startswith(other)
        assert not other.startswith(one)


names = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), min_size=1, max_size=6)


@given(names, names, names, names)
def test_keys_sort_by_their_names_and_keep_to_their_collection(c: str, k: str, d: str, m: str) -> None:
    """Whatever names there are: one collection's keys are all between its prefix and the end of that."""
    one, other = key_of(ROWS, c, k), key_of(ROWS, d, m)
    assert (one < other) == ((c, k) < (d, m))
    assert names_in(one) == [c, k]
    assert prefix_of(ROWS, c) <= one < end_of(prefix_of(ROWS, c))
    assert (prefix_of(ROWS, c) <= other < end_of(prefix_of(ROWS, c))) == (c == d)


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))
def test_numbers_sort_as_bytes(one: int, other: int) -> None:
    assert (number_bytes(one) < number_bytes(other)) == (one < other)


class Below:
    """What is committed."""

    def __init__(self, entries: dict[bytes, bytes]) -> None:
        self.entries = entries

    def get(self, key: bytes) -> bytes | None:
        return self.entries.get(key)

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""
        return any(True for _ in self.scan(first, end))

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        return iter([(key, value) for key, value in sorted(self.entries.items()) if first <= key < end])


keys = st.sampled_from([bytes([65 + number]) for number in range(8)])
writes = st.lists(st.tuples(keys, st.none() | st.binary(max_size=2)), max_size=12)


@given(st.dictionaries(keys, st.binary(max_size=2)), writes, writes, keys, keys)
def test_a_buffer_reads_as_if_it_were_written(
    committed: dict[bytes, bytes], kept: list[Any], undone: list[Any], first: bytes, end: bytes
) -> None:
    """By key and in order, also after a part was taken back; and what it would write makes the same of what is below."""
    buffer, expected = Buffer(Below(committed)), dict(committed)
    for key, value in kept:
        assert value is not None or buffer.get(key) == expected.get(key)
        buffer.drop(key) if value is None else buffer.put(key, value)
        expected.pop(key, None) if value is None else expected.update({key: value})
    mark = buffer.mark()
    for key, value in undone:
        buffer.drop(key) if value is None else buffer.put(key, value)
        list(buffer.scan(b"A", b"Z"))
    buffer.take_back_to(mark)
    within = [(key, value) for key, value in sorted(expected.items()) if first <= key < end]
    assert list(buffer.scan(first, end)) == within
    assert buffer.has(first, end) == bool(within)
    assert all(buffer.get(key) == expected.get(key) for key in [bytes([65 + number]) for number in range(8)])
    written = {**committed, **buffer.writes()}
    assert {key: value for key, value in written.items() if value is not None} == expected
