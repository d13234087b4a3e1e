"""Where an entry of an encrypted store is kept: keys that say nothing of the names, keys and values in the plain ones.

A plain key (`key_layout`) is cut into the groups that scans ask for. The hidden one has a token, a keyed hash, for each
group the entry is in and one for the whole key: so all entries of a group lie side by side, in no order that means anything.
What stays to be seen is the table, a mark or state, and the numbers of changes and conflicts, which keep their order.

| table | what is hashed, one after the other |
| --- | --- |
| `CHANGES`, `CHANGES_IN`, `CONFLICTS`, `OPEN_CONFLICTS` | nothing: they are numbers |
| `CHANGES_OF` | collection and key; the whole |
| `ROWS`, `BASES`, `STATES`, `UNSEEN`, `MARKS`, `INDEXES`, `CHUNKS` | the first name; the whole |
| `INDEX_ENTRIES` | collection and field; these with the value; the whole |
| all others | the whole |

An order-preserving encryption was turned down: what it shows of values is enough to guess them.
"""

from __future__ import annotations

import hmac

from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb.value_bytes import value_length

TOKEN_BYTES = 16

NUMBERED = frozenset((at.CHANGES, at.CHANGES_IN, at.CONFLICTS, at.OPEN_CONFLICTS))
GROUPED_BY_NAMES = {
    at.ROWS: 1,
    at.BASES: 1,
    at.STATES: 1,
    at.UNSEEN: 1,
    at.MARKS: 1,
    at.INDEXES: 1,
    at.CHUNKS: 1,
    at.CHANGES_OF: 2,
    at.INDEX_ENTRIES: 2,
}
CLEAR_BYTES = {at.MARKS: 2}
"""The table alone, or with a byte behind it."""


class HiddenKeys:
    """The keys of one store, under a hashing key of its own."""

    def __init__(self, hashing_key: bytes) -> None:
        self._hashing_key = hashing_key

    def hidden(self, key: bytes) -> bytes:
        """Return the key that an entry is kept under."""
        if key[:1] in NUMBERED:
            return key
        tokens = [self._token(key[:end]) for end in group_ends(key)]
        return b"".join([_clear(key), *tokens, self._token(key)])

    def range_of(self, first: bytes, end: bytes) -> tuple[bytes, bytes]:
        """Return a range of hidden keys in which every key from `first` to before `end` lies, and others of its group.

        Both are of one table.
        """
        if first[:1] in NUMBERED:
            return first, end
        shared = [length for length in group_ends(first) if _all_begin_with(first[:length], end)]
        clear = _clear(first)
        if not _all_begin_with(clear, end):
            clear = first[:1]
        begin = clear + b"".join(self._token(first[:length]) for length in shared)
        return begin, after_all(begin)

    def _token(self, part: bytes) -> bytes:
        return hmac.digest(self._hashing_key, part, "sha256")[:TOKEN_BYTES]


def group_ends(key: bytes) -> list[int]:
    """Return where the groups end that a key is in, the widest first; of a part of a key, those that are whole in it.

    >>> group_ends(b"rusers\\x00u1"), group_ends(b"ru"), group_ends(b"fname")
    ([7], [], [])
    """
    names = GROUPED_BY_NAMES.get(key[:1], 0)
    end = len(_clear(key))
    for _ in range(names):
        end = key.find(b"\0", end) + 1
        if end == 0:
            return []
    if names == 0:
        return []
    if key[:1] != at.INDEX_ENTRIES:
        return [end]
    length = value_length(key[end:])
    return [end] if length is None else [end, end + length]


def after_all(prefix: bytes) -> bytes:
    """Return the first key after all that begin with a prefix, which has a byte below 255.

    >>> after_all(b"a\\xff")
    b'b'
    """
    short = prefix.rstrip(b"\xff")
    return short[:-1] + bytes([short[-1] + 1])


def _all_begin_with(prefix: bytes, end: bytes) -> bool:
    """Return whether every key before `end` begins with the prefix, when it is not before the prefix."""
    return end.startswith(prefix) or end == after_all(prefix)


def _clear(key: bytes) -> bytes:
    return key[: CLEAR_BYTES.get(key[:1], 1)]
