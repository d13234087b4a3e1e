"""The header of a sealed store: the first block of its file, which says how pages are sealed and holds the wrapped keys.

It is written twice, in two slots of 4096 bytes, each with a checksum and a sequence number; a change of the header goes
first into one slot and then into the other, each write flushed. Whenever the power goes, one slot is whole, and the whole
one with the greater number counts: so a change of keys has happened or has not, and once it is over nothing of the earlier
header is left.

The header is not secret. What it must not be is changed by someone without the key: each wrapped key is proved together
with the store's id, its epoch and the derivation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Literal

import msgspec

from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError
from solidb_sync.storage.sqlite.sealed.key_wrapping import (
    KEY_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    Derivation,
    UserKey,
    derivation_for,
    unwrap,
    user_key,
    wrap,
)
from solidb_sync.storage.sqlite.sealed.page_seal import ChecksumSeal, EncryptingSeal, PageSeal, Seals

MAGIC = b"SoliDB sealed\r\n\x1a"
FORMAT = 1
SLOT_BYTES = 4096
HEADER_BYTES = 2 * SLOT_BYTES
STORE_ID_BYTES = 16

_DIGEST_BYTES = 32
_LENGTH_BYTES = 4
_TEXT_AT = len(MAGIC) + _LENGTH_BYTES
_TEXT_BYTES_MAX = SLOT_BYTES - _TEXT_AT - _DIGEST_BYTES

RandomBytes = Callable[[int], bytes]


class SealRecord(msgspec.Struct, frozen=True):
    """One seal that pages of the store may have; `wrapped_key` is empty for a checksum."""

    epoch: int
    kind: Literal["checksum", "aes-256-gcm"]
    wrapped_key: bytes = b""


class StoreHeader(msgspec.Struct, frozen=True):
    """What the header says. With more than one seal, the store is on its way to the last one."""

    format: int
    store_id: bytes
    sequence: int
    seals: tuple[SealRecord, ...]
    derivation: Derivation | None = None

    @property
    def needs_key(self) -> bool:
        """True when some page may be encrypted."""
        return any(record.wrapped_key for record in self.seals)

    @property
    def is_changing(self) -> bool:
        """True when pages remain to be sealed anew."""
        return len(self.seals) > 1


def slot(header: StoreHeader) -> bytes:
    """Return one slot of the header block."""
    text = msgspec.json.encode(header)
    assert len(text) <= _TEXT_BYTES_MAX, f"the header takes {len(text)} bytes"
    proved = MAGIC + len(text).to_bytes(_LENGTH_BYTES, "big") + text
    return (proved + hashlib.sha256(proved).digest()).ljust(SLOT_BYTES, b"\0")


def is_sealed(block: bytes) -> bool:
    """Return whether a file that begins so is a sealed store, be it a damaged one."""
    return any(block[start : start + len(MAGIC)] == MAGIC for start in (0, SLOT_BYTES))


def read_header(block: bytes, path: str) -> StoreHeader:
    """Return the header that counts; raises `StorageCorruptError` when no slot is whole."""
    found = [_read_slot(block[start : start + SLOT_BYTES]) for start in (0, SLOT_BYTES)]
    whole = [header for header in found if header is not None]
    if not whole:
        raise StorageCorruptError(
            f"{path}: both copies of the header are damaged. It says how the pages are sealed, and of an encrypted store "
            "it holds the key of the pages, wrapped in yours: without it nothing can be read. Restore a backup"
        )
    header = max(whole, key=lambda header: header.sequence)
    if header.format > FORMAT:
        raise StorageError(
            f"{path}: sealed in format {header.format} by a newer version; this one reads up to {FORMAT}. "
            "Nothing was changed: open it with the newer version."
        )
    return header


def slots_agree(block: bytes) -> bool:
    """Return whether nothing of an earlier header is left."""
    return block[:SLOT_BYTES] == block[SLOT_BYTES:HEADER_BYTES]


def _read_slot(found: bytes) -> StoreHeader | None:
    if found[: len(MAGIC)] != MAGIC:
        return None
    end = _TEXT_AT + int.from_bytes(found[len(MAGIC) : _TEXT_AT], "big")
    if end > SLOT_BYTES - _DIGEST_BYTES or hashlib.sha256(found[:end]).digest() != found[end : end + _DIGEST_BYTES]:
        return None
    try:
        header = msgspec.json.decode(found[_TEXT_AT:end], type=StoreHeader)
    except msgspec.MsgspecError:
        return None
    return header if header.seals else None


class OpenHeader:
    """A header and, if it needs one, the user's key proved against it: all that it takes to open and seal pages."""

    def __init__(self, header: StoreHeader, key: UserKey | None, random_bytes: RandomBytes) -> None:
        self.header = header
        self._random_bytes = random_bytes
        self._data_keys: dict[int, bytes] = {}
        if header.needs_key:
            self._unwrap_all(key)

    def _unwrap_all(self, key: UserKey | None) -> None:
        if key is None:
            raise EncryptionError("it is encrypted, and no key was given; nothing was changed")
        derivation = self.header.derivation
        if derivation is not None and not derivation.is_within_bounds:
            raise StorageCorruptError("the header asks for a derivation beyond all bounds")
        wrapping_key = user_key(key, derivation)
        for record in self.header.seals:
            if record.wrapped_key:
                about = _about(self.header.store_id, record.epoch, derivation)
                self._data_keys[record.epoch] = unwrap(record.wrapped_key, wrapping_key, about=about)

    def seals(self) -> Seals:
        """Return what opens and seals the pages."""
        return Seals(self.header.store_id, {record.epoch: self._seal(record) for record in self.header.seals})

    def _seal(self, record: SealRecord) -> PageSeal:
        if not record.wrapped_key:
            return ChecksumSeal(record.epoch)
        return EncryptingSeal(record.epoch, self._data_keys[record.epoch], self._random_bytes)

    # each of these returns the next header; nothing is written here

    def with_key(self, key: UserKey) -> OpenHeader:
        """Wrap the same data keys for another user's key."""
        return self._wrapped(key, self.header.seals, self._data_keys)

    def with_new_data_key(self, key: UserKey) -> OpenHeader:
        """Add a new data key, for pages that will be sealed anew."""
        epoch = self.header.seals[-1].epoch + 1
        data_keys = {**self._data_keys, epoch: self._random_bytes(KEY_BYTES)}
        return self._wrapped(key, (*self.header.seals, SealRecord(epoch, "aes-256-gcm")), data_keys)

    def with_checksums(self) -> OpenHeader:
        """Add the seal of a plain store; the keys stay until no page needs them."""
        epoch = self.header.seals[-1].epoch + 1
        seals = (*self.header.seals, SealRecord(epoch, "checksum"))
        return self._next(seals, self.header.derivation, self._data_keys)

    def with_last_seal_only(self) -> OpenHeader:
        """Forget the seals that no page has any more."""
        last = self.header.seals[-1]
        data_keys = {epoch: data_key for epoch, data_key in self._data_keys.items() if epoch == last.epoch}
        return self._next((last,), self.header.derivation if last.wrapped_key else None, data_keys)

    def _wrapped(self, key: UserKey, seals: tuple[SealRecord, ...], data_keys: dict[int, bytes]) -> OpenHeader:
        derivation = derivation_for(key, self._random_bytes(SALT_BYTES))
        wrapping_key = user_key(key, derivation)
        wrapped = tuple(
            msgspec.structs.replace(
                record,
                wrapped_key=wrap(
                    data_keys[record.epoch],
                    wrapping_key,
                    nonce=self._random_bytes(NONCE_BYTES),
                    about=_about(self.header.store_id, record.epoch, derivation),
                ),
            )
            if record.epoch in data_keys
            else record
            for record in seals
        )
        return self._next(wrapped, derivation, data_keys)

    def _next(self, seals: tuple[SealRecord, ...], derivation: Derivation | None, data_keys: dict[int, bytes]) -> OpenHeader:
        header = msgspec.structs.replace(self.header, sequence=self.header.sequence + 1, seals=seals, derivation=derivation)
        following = OpenHeader.__new__(OpenHeader)
        following.header = header
        following._random_bytes = self._random_bytes
        following._data_keys = data_keys
        return following


def new_header(key: UserKey | None, random_bytes: RandomBytes) -> OpenHeader:
    """Return the header of a new store, encrypted when there is a key."""
    plain = StoreHeader(FORMAT, random_bytes(STORE_ID_BYTES), 1, (SealRecord(1, "checksum"),))
    opened = OpenHeader(plain, None, random_bytes)
    return opened if key is None else opened.with_new_data_key(key).with_last_seal_only()


def _about(store_id: bytes, epoch: int, derivation: Derivation | None) -> bytes:
    return store_id + epoch.to_bytes(4, "big") + msgspec.json.encode(derivation)
