"""Seal a page: put into its reserved bytes what proves it whole and in its place, and hide it if the store is encrypted.

A sealed message is as long as the one it seals, of which the last 32 bytes are free and zero:

```
body | tag (16 bytes) | nonce (12 bytes) | epoch (4 bytes)
```

Two kinds of seal share that form. `EncryptingSeal` is AES-256-GCM under the store's data key with a random nonce.
`ChecksumSeal` hides nothing and finds what a disk does to a page by itself: a CRC-32 stands where the tag would be, which
finds every burst of up to 32 bits. Either proves the *place* too (which file, which page, which store), so a page written
at the wrong offset or taken from another store is found.

Each seal of a store has a number, its epoch. While a store goes over from one seal to the next, pages of both lie in it
and the epoch tells which is which. A nonce is drawn for each write: a data key should be renewed long before 2**32 of
them, which is 32 TiB written.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from solidb_sync.storage.sqlite.sealed.layout import RESERVED_BYTES

TAG_BYTES = 16
NONCE_BYTES = 12
EPOCH_BYTES = 4

_FREE = bytes(RESERVED_BYTES)
_PLACE = struct.Struct(">cQ")
_NUMBER = struct.Struct(">I")
_UNUSED = bytes(TAG_BYTES + NONCE_BYTES - 4)

PAGE = b"p"
LOG_FRAME = b"w"
JOURNAL_PAGE = b"j"
"""The kinds of places; with them go the page's number, or its offset in the log or journal."""


class BrokenSealError(Exception):
    """The message is not what was sealed for this place."""


class PageSeal(Protocol):
    """One way to seal."""

    def seal(self, place: bytes, message: bytes) -> bytes:
        """Return the message sealed; its reserved bytes are zero."""

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the message, or raise `BrokenSealError`."""


class ChecksumSeal:
    """Proves that a page is whole and hides nothing."""

    def __init__(self, epoch: int) -> None:
        self._epoch = _NUMBER.pack(epoch)

    def seal(self, place: bytes, message: bytes) -> bytes:
        """Return the message with its checksum."""
        body = memoryview(message)[:-RESERVED_BYTES]
        checksum = zlib.crc32(body, zlib.crc32(place))
        return b"".join((body, _NUMBER.pack(checksum), _UNUSED, self._epoch))

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the message if its checksum is right."""
        body = memoryview(sealed)[:-RESERVED_BYTES]
        checksum = zlib.crc32(body, zlib.crc32(place))
        if sealed[-RESERVED_BYTES:] != b"".join((_NUMBER.pack(checksum), _UNUSED, self._epoch)):
            raise BrokenSealError
        return b"".join((body, _FREE))


class EncryptingSeal:
    """Proves that a page is whole and hides it: AES-256-GCM."""

    def __init__(self, epoch: int, data_key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._epoch = _NUMBER.pack(epoch)
        self._cipher: Any = AESGCM(data_key)
        self._random_bytes = random_bytes
        self._invalid_tag: type[Exception] = InvalidTag

    def seal(self, place: bytes, message: bytes) -> bytes:
        """Return the message encrypted under a new nonce."""
        nonce = self._random_bytes(NONCE_BYTES)
        hidden = self._cipher.encrypt(nonce, memoryview(message)[:-RESERVED_BYTES], place + self._epoch)
        return b"".join((hidden, nonce, self._epoch))

    def open(self, place: bytes, sealed: bytes) -> bytes:
        """Return the message if it was sealed for this place under this key."""
        view = memoryview(sealed)
        nonce = view[-NONCE_BYTES - EPOCH_BYTES : -EPOCH_BYTES]
        try:
            body = self._cipher.decrypt(nonce, view[: -NONCE_BYTES - EPOCH_BYTES], place + self._epoch)
        except self._invalid_tag as problem:
            raise BrokenSealError from problem
        return b"".join((body, _FREE))


class Seals:
    """The seals of one store by their epochs; the newest one seals what is written."""

    def __init__(self, store_id: bytes, seals: Mapping[int, PageSeal]) -> None:
        self._store_id = store_id
        self._seals = seals
        self.newest_epoch = max(seals)
        self._newest = seals[self.newest_epoch]

    def seal(self, kind: bytes, number: int, message: bytes) -> bytes:
        """Return a message sealed for a place."""
        if message[-RESERVED_BYTES:] != _FREE:
            raise ValueError(f"{kind!r} {number}: the last {RESERVED_BYTES} bytes are not free for the seal")
        return self._newest.seal(_PLACE.pack(kind, number) + self._store_id, message)

    def open(self, kind: bytes, number: int, sealed: bytes) -> bytes:
        """Return the message sealed for a place, or raise `BrokenSealError`."""
        seal = self._seals.get(epoch_of(sealed)) if len(sealed) > RESERVED_BYTES else None
        if seal is None:
            raise BrokenSealError
        return seal.open(_PLACE.pack(kind, number) + self._store_id, sealed)


def epoch_of(sealed: bytes) -> int:
    """Return the epoch that a sealed message names."""
    number: int = _NUMBER.unpack_from(sealed, len(sealed) - EPOCH_BYTES)[0]
    return number
