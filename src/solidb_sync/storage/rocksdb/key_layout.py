"""Where everything is in an ordered map of bytes: every key a store has, and how to read one.

A key is one byte for its table, then the parts of a name, each closed by a zero byte, then what comes last. Text is UTF-8,
whose bytes sort as its code points do, and numbers are eight bytes, the highest first: so the order of the bytes is the
order in which an engine hands things out, and all that belongs together lies side by side. No name, field or key has a zero
byte in it (`protocol/names.py`, `storage/field_path.py`).

| table | key | value |
| --- | --- | --- |
| `FACTS` | name | what there is one of: the replica's record, the last number of the conflict log |
| `COLLECTIONS` | collection | nothing |
| `ROWS`, `BASES`, `STATES` | collection, key | the record |
| `CHANGES` | id | the record |
| `CHANGES_OF` | collection, key, id | the state, one byte: which changes lie over a document |
| `CHANGES_IN` | state, id | nothing: which changes are in a state |
| `CONFLICTS` | number | the record, in the order of the log |
| `CONFLICT_NUMBERS`, `OPEN_CONFLICTS` | id; number | number; nothing |
| `SUBSCRIPTIONS`, `BACKFILLS`, `SETTINGS` | collection or name | the record, cursor or text |
| `UNSEEN` | collection, key | nothing |
| `MARKS` | mark, collection, key | nothing |
| `INDEXES` | collection, field | the definition |
| `INDEX_ENTRIES` | collection, field, value, key | the key: what an index finds |
| `BLOBS` | digest, or a name of the store's own | the record of some attached bytes |
| `CHUNKS` | name of the chunks, number | one chunk of attached bytes |
"""

from __future__ import annotations

FACTS = b"f"
COLLECTIONS = b"c"
ROWS = b"r"
BASES = b"b"
STATES = b"s"
CHANGES = b"h"
CHANGES_OF = b"o"
CHANGES_IN = b"t"
CONFLICTS = b"l"
CONFLICT_NUMBERS = b"n"
OPEN_CONFLICTS = b"p"
SUBSCRIPTIONS = b"q"
BACKFILLS = b"k"
SETTINGS = b"g"
UNSEEN = b"u"
MARKS = b"m"
INDEXES = b"x"
INDEX_ENTRIES = b"i"
BLOBS = b"a"
CHUNKS = b"d"

TABLES = frozenset(
    (
        FACTS,
        COLLECTIONS,
        ROWS,
        BASES,
        STATES,
        CHANGES,
        CHANGES_OF,
        CHANGES_IN,
        CONFLICTS,
        CONFLICT_NUMBERS,
        OPEN_CONFLICTS,
        SUBSCRIPTIONS,
        BACKFILLS,
        SETTINGS,
        UNSEEN,
        MARKS,
        INDEXES,
        INDEX_ENTRIES,
        BLOBS,
        CHUNKS,
    )
)

REPLICA_KEY = FACTS + b"replica"
LAST_CONFLICT_KEY = FACTS + b"last conflict"

NUMBER_BYTES = 8
NUMBER_MAX = 2**63 - 1


def key_of(table: bytes, *names: str) -> bytes:
    """Return the key under these names; the last one stays open.

    >>> key_of(ROWS, "users", "u1")
    b'rusers\\x00u1'
    """
    return table + b"\0".join([name.encode() for name in names])


def prefix_of(table: bytes, *names: str) -> bytes:
    """Return what all keys begin with that have these names in front.

    >>> prefix_of(ROWS, "users")
    b'rusers\\x00'
    """
    return b"".join([table, *[name.encode() + b"\0" for name in names]])


def names_in(key: bytes) -> list[str]:
    """Return the names in a key.

    >>> names_in(key_of(BASES, "users", "é"))
    ['users', 'é']
    """
    return [part.decode() for part in key[1:].split(b"\0")]


def number_bytes(number: int) -> bytes:
    """Return eight bytes that sort as the number does; what is beyond 0 or `NUMBER_MAX` is taken for these."""
    return min(max(number, 0), NUMBER_MAX).to_bytes(NUMBER_BYTES)


def number_at_end(key: bytes) -> int:
    """Return the number that a key ends with."""
    return int.from_bytes(key[-NUMBER_BYTES:])


def end_of(prefix: bytes) -> bytes:
    """Return the first key after all that begin with a prefix, whose last byte is never 255.

    >>> end_of(b"rusers\\x00")
    b'rusers\\x01'
    """
    return prefix[:-1] + bytes([prefix[-1] + 1])
