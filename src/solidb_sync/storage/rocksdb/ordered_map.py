"""What the engine needs of a database: an ordered map of bytes, and a transaction over one that is kept in memory.

RocksDB takes a batch of writes and makes all of it durable at once; what the batch would change must be seen by the reads of
the same transaction before that. `Buffer` holds it: a view of the map with the writes laid over it, that can be taken back
to a mark.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Protocol

Entry = tuple[bytes, bytes]
INSORTED_MAX = 64
"""So many new keys are put in their places one by one; more are sorted together."""


class OrderedMap(Protocol):
    """Bytes by bytes, in the order of the keys."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end`, of one moment, by key."""

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`."""


class Buffer:
    """A map with writes laid over it. None as a value stands for a key that is dropped."""

    def __init__(self, below: OrderedMap) -> None:
        self._below = below
        self._values: dict[bytes, bytes | None] = {}
        self._keys: list[bytes] = []
        self._new_keys: list[bytes] = []
        self._undo: list[tuple[bytes, bytes | None, bool]] = []
        self._known: set[bytes] = set()

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        if key in self._values:
            return self._values[key]
        return self._below.get(key)

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield entries as they are now; what is written while they are read is not among them."""
        mine = self._mine(first, end)
        theirs = self._below.scan(first, end)
        return _merged(mine, theirs) if mine else theirs

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry now."""
        mine = self._mine(first, end)
        if any(value is not None for _, value in mine):
            return True
        return any(True for _ in self.scan(first, end)) if mine else self._below.has(first, end)

    def _mine(self, first: bytes, end: bytes) -> list[tuple[bytes, bytes | None]]:
        keys = self._sorted_keys()
        within = keys[bisect_left(keys, first) : bisect_left(keys, end)]
        return [(key, self._values[key]) for key in within if key in self._values]

    def put(self, key: bytes, value: bytes) -> None:
        """Set a value."""
        self._set(key, value)

    def drop(self, key: bytes) -> bool:
        """Take a key away; return whether it was there."""
        if self.get(key) is None:
            return False
        self._set(key, None)
        return True

    def mark(self) -> int:
        """Return a mark to come back to."""
        return len(self._undo)

    def take_back_to(self, mark: int) -> None:
        """Undo what was written since a mark."""
        while len(self._undo) > mark:
            key, before, was_set = self._undo.pop()
            if was_set:
                self._values[key] = before
            else:
                del self._values[key]

    def writes(self) -> dict[bytes, bytes | None]:
        """Return what the transaction changes."""
        return self._values

    def _set(self, key: bytes, value: bytes | None) -> None:
        self._undo.append((key, self._values.get(key), key in self._values))
        self._values[key] = value
        if key not in self._known:
            self._known.add(key)
            self._new_keys.append(key)

    def _sorted_keys(self) -> list[bytes]:
        if len(self._new_keys) > INSORTED_MAX:
            self._keys += self._new_keys
            self._keys.sort()
        else:
            for key in self._new_keys:
                insort(self._keys, key)
        self._new_keys.clear()
        return self._keys


def _merged(mine: list[tuple[bytes, bytes | None]], theirs: Iterator[Entry]) -> Iterator[Entry]:
    """Yield both by key; where both have one, mine counts."""
    at = 0
    for key, value in theirs:
        while at < len(mine) and mine[at][0] < key:
            own_key, own_value = mine[at]
            at += 1
            if own_value is not None:
                yield own_key, own_value
        if at < len(mine) and mine[at][0] == key:
            continue  # it is yielded, or not, when its turn comes
        yield key, value
    for own_key, own_value in mine[at:]:
        if own_value is not None:
            yield own_key, own_value
