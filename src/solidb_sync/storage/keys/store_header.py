"""The header of a sealed store: how its content is sealed, and the wrapped keys.

The header is not secret. What it must not be is changed by someone without the key: each wrapped key is proved together
with the store's id, its epoch and the derivation. Everything here is a function of its arguments; randomness is passed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

from solidb_sync.errors import EncryptionError, StorageCorruptError
from solidb_sync.storage.keys.key_wrapping import (
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

FORMAT = 1
STORE_ID_BYTES = 16

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


class OpenHeader:
    """A header and, if it needs one, the user's key proved against it: all that it takes to open and seal the content."""

    def __init__(self, header: StoreHeader, key: UserKey | None, random_bytes: RandomBytes) -> None:
        self.header = header
        self.random_bytes = random_bytes
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

    def data_key(self, epoch: int) -> bytes | None:
        """Return the key of an epoch; None when what has that seal is not encrypted."""
        return self._data_keys.get(epoch)

    # each of these returns the next header; nothing is written here

    def with_key(self, key: UserKey) -> OpenHeader:
        """Wrap the same data keys for another user's key."""
        return self._wrapped(key, self.header.seals, self._data_keys)

    def with_new_data_key(self, key: UserKey) -> OpenHeader:
        """Add a new data key, for pages that will be sealed anew."""
        epoch = self.header.seals[-1].epoch + 1
        data_keys = {**self._data_keys, epoch: self.random_bytes(KEY_BYTES)}
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
        derivation = derivation_for(key, self.random_bytes(SALT_BYTES))
        wrapping_key = user_key(key, derivation)
        wrapped = tuple(
            msgspec.structs.replace(
                record,
                wrapped_key=wrap(
                    data_keys[record.epoch],
                    wrapping_key,
                    nonce=self.random_bytes(NONCE_BYTES),
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
        following.random_bytes = self.random_bytes
        following._data_keys = data_keys
        return following


def new_header(key: UserKey | None, random_bytes: RandomBytes) -> OpenHeader:
    """Return the header of a new store, encrypted when there is a key."""
    plain = StoreHeader(FORMAT, random_bytes(STORE_ID_BYTES), 1, (SealRecord(1, "checksum"),))
    opened = OpenHeader(plain, None, random_bytes)
    return opened if key is None else opened.with_new_data_key(key).with_last_seal_only()


def _about(store_id: bytes, epoch: int, derivation: Derivation | None) -> bytes:
    return store_id + epoch.to_bytes(4, "big") + msgspec.json.encode(derivation)
