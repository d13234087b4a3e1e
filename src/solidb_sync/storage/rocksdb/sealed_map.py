"""An ordered map whose keys are hidden and whose values are sealed, over one that keeps them: what an encrypted store reads.

A value is encrypted (AES-256-GCM, a random nonce) together with its plain key; the hidden key and the store are proved with
it, so that an entry in another's place, or of another store, is an error. Hidden keys have no order, so a scan opens the
entries of a group, sorts their plain keys, and yields; values are held meanwhile up to a bound, others are read once more.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping

from solidb_sync.errors import StorageCorruptError
from solidb_sync.storage.rocksdb import key_layout as at
from solidb_sync.storage.rocksdb.database import AFTER_ALL_TABLES
from solidb_sync.storage.rocksdb.hidden_keys import NUMBERED, HiddenKeys
from solidb_sync.storage.rocksdb.key_layout import end_of
from solidb_sync.storage.rocksdb.ordered_map import Entry, OrderedMap

NONCE_BYTES = 12
LENGTH_BYTES = 4
HELD_BYTES_MAX = 16 * 1024 * 1024
"""So many bytes of values does a scan keep while it sorts."""


class EntrySeal:
    """Hides the keys and seals the values of one store, under keys derived from its data key (32 bytes)."""

    def __init__(self, data_key: bytes, store_id: bytes, random_bytes: Callable[[int], bytes]) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.keys = HiddenKeys(hmac.digest(data_key, b"solidb rocksdb keys", "sha256"))
        self._cipher = AESGCM(hmac.digest(data_key, b"solidb rocksdb values", "sha256"))
        self._store_id = store_id
        self._random_bytes = random_bytes

    def seal(self, key: bytes, value: bytes) -> Entry:
        """Return the entry that is kept for a plain one."""
        hidden = self.keys.hidden(key)
        nonce = self._random_bytes(NONCE_BYTES)
        content = len(key).to_bytes(LENGTH_BYTES) + key + value
        return hidden, nonce + self._cipher.encrypt(nonce, content, self._store_id + hidden)

    def open(self, hidden: bytes, sealed: bytes) -> Entry:
        """Return the plain entry; raises `StorageCorruptError` when it was not sealed here, as it is."""
        from cryptography.exceptions import InvalidTag

        try:
            content = self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], self._store_id + hidden)
        except (InvalidTag, ValueError) as problem:
            raise StorageCorruptError("an encrypted entry is damaged, or in another's place") from problem
        end = LENGTH_BYTES + int.from_bytes(content[:LENGTH_BYTES])
        return content[LENGTH_BYTES:end], content[end:]

    def sealed_writes(self, writes: Mapping[bytes, bytes | None]) -> dict[bytes, bytes | None]:
        """Return the writes of a transaction as they are kept; None drops a key."""
        sealed: dict[bytes, bytes | None] = {}
        for key, value in writes.items():
            if value is None:
                sealed[self.keys.hidden(key)] = None
            else:
                hidden, content = self.seal(key, value)
                sealed[hidden] = content
        return sealed


class SealedView:
    """The plain entries of one moment of a map; `below` must not change while a scan goes on."""

    def __init__(self, below: OrderedMap, seal: EntrySeal) -> None:
        self._below = below
        self._seal = seal

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        hidden = self._seal.keys.hidden(key)
        sealed = self._below.get(hidden)
        if sealed is None:
            return None
        found, value = self._seal.open(hidden, sealed)
        if found != key:
            raise StorageCorruptError("two keys of an encrypted store have one place")
        return value

    def scan(self, first: bytes, end: bytes) -> Iterator[Entry]:
        """Yield the entries from `first` to before `end` by key; both of one table, or the ends of everything."""
        if not first:
            for table in sorted(at.TABLES):
                yield from self.scan(table, end_of(table))
        else:
            yield from self._scan_table(first, end)

    def has(self, first: bytes, end: bytes) -> bool:
        """Return whether there is an entry from `first` to before `end`, both of one table; opens no more than it takes."""
        return any(True for _ in self._within(first, end))

    def _scan_table(self, first: bytes, end: bytes) -> Iterator[Entry]:
        within = self._within(first, end)
        return within if first[:1] in NUMBERED else self._sorted(within)

    def _within(self, first: bytes, end: bytes) -> Iterator[Entry]:
        opened = self._opened(self._below.scan(*self._seal.keys.range_of(first, end)))
        return (entry for entry in opened if first <= entry[0] < end)

    def entries(self) -> Iterator[Entry]:
        """Yield all entries, in no order that means anything."""
        return self._opened(self._below.scan(b"", AFTER_ALL_TABLES))

    def _opened(self, sealed: Iterator[Entry]) -> Iterator[Entry]:
        return (self._seal.open(*entry) for entry in sealed)

    def _sorted(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        room = HELD_BYTES_MAX
        found: list[tuple[bytes, bytes | None]] = []
        for key, content in entries:
            room -= len(content)
            found.append((key, content if room >= 0 else None))
        found.sort(key=lambda entry: entry[0])
        for key, held in found:
            value = held if held is not None else self.get(key)
            if value is None:
                raise StorageCorruptError("an entry of an encrypted store went away while it was read")
            yield key, value
