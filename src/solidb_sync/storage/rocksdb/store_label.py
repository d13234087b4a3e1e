"""The label of a RocksDB store: what a directory is, whose, and in an encrypted store the keys, wrapped.

A plain store's label is of format 1. An encrypted one's is of format 2, which older versions refuse: it holds the header
(`keys/store_header`) and the device's id sealed under the data key, and its checksum proves it whole. It lies in the
directory twice; without both nothing of the store can be read.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from dataclasses import dataclass

import msgspec

from solidb_sync.errors import EncryptionError, StorageCorruptError, StorageError
from solidb_sync.storage.keys.key_wrapping import NONCE_BYTES, UserKey, check_key, not_encrypted, unwrap, wrap
from solidb_sync.storage.keys.store_header import OpenHeader, RandomBytes, StoreHeader, new_header
from solidb_sync.storage.rocksdb.sealed_map import EntrySeal

PLAIN_FORMAT = 1
ENCRYPTED_FORMAT = 2
"""The way `key_layout` and the records are laid out, and whether they are sealed; greater ones are a newer version's."""

PLAIN_DATA = "rocksdb"


class Label(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a directory is; `engine` is always `rocksdb`. The rest is an encrypted store's, whose `device_id` is empty.

    `digest` is only in its text.
    """

    engine: str
    format: int
    device_id: str
    header: StoreHeader | None = None
    sealed_device_id: bytes = b""
    digest: str = ""

    @property
    def data_name(self) -> str:
        """The name of the directory with RocksDB's own files: another one after each change of what they are sealed with."""
        return PLAIN_DATA if self.header is None else f"{PLAIN_DATA}-{self.header.seals[-1].epoch}"


@dataclass(frozen=True, slots=True)
class OpenLabel:
    """A label that the user's key, if it takes one, has opened."""

    label: Label
    device_id: str
    opened: OpenHeader | None = None

    @property
    def is_encrypted(self) -> bool:
        """True when the store can't be read without a key."""
        return self.opened is not None

    def seal(self) -> EntrySeal | None:
        """Return what seals the entries; None in a plain store."""
        if self.opened is None:
            return None
        return EntrySeal(_data_key(self.opened), self.opened.header.store_id, self.opened.random_bytes)


def encode(label: Label) -> bytes:
    """Return the text of a label, with its checksum if it is an encrypted store's."""
    if label.header is None:
        return msgspec.json.encode(label)
    return msgspec.json.encode(msgspec.structs.replace(label, digest=_digest(label)))


def decode(text: bytes, path: str) -> Label:
    """Return a label; raises `StorageCorruptError` for a damaged one, `StorageError` for a newer version's."""
    try:
        label = msgspec.json.decode(text, type=Label)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise StorageCorruptError(f"{path}: damaged: {problem}; nothing was changed") from problem
    if label.format > ENCRYPTED_FORMAT:
        raise StorageError(
            f"{path}: written in format {label.format} by a newer version; this one reads up to {ENCRYPTED_FORMAT}. "
            "Nothing was changed: open it with the newer version."
        )
    is_plain = label == Label(label.engine, PLAIN_FORMAT, label.device_id)
    if not is_plain and (label.header is None or not label.header.seals or not _is_whole(label)):
        raise StorageCorruptError(f"{path}: damaged: not what was written; nothing was changed")
    return msgspec.structs.replace(label, digest="")


def plain_label(device_id: str) -> OpenLabel:
    """Return the label of a plain store."""
    return OpenLabel(Label("rocksdb", PLAIN_FORMAT, device_id), device_id)


def sealed_label(device_id: str, opened: OpenHeader) -> OpenLabel:
    """Return the label of an encrypted store with this header."""
    nonce = opened.random_bytes(NONCE_BYTES)
    sealed = wrap(device_id.encode(), _label_key(opened), nonce=nonce, about=opened.header.store_id)
    return OpenLabel(Label("rocksdb", ENCRYPTED_FORMAT, "", opened.header, sealed), device_id, opened)


def new_label(device_id: str, key: UserKey | None, random_bytes: RandomBytes) -> OpenLabel:
    """Return the label of a new store, encrypted when there is a key."""
    if key is None:
        return plain_label(device_id)
    check_key(key)
    return sealed_label(device_id, new_header(key, random_bytes))


def open_label(label: Label, path: str, key: UserKey | None, random_bytes: RandomBytes) -> OpenLabel:
    """Return a label opened; raises `EncryptionError` when the key is wrong, missing, or given for a plain store."""
    if key is not None:
        check_key(key)
    if label.header is None:
        if key is not None:
            raise not_encrypted(path)
        return OpenLabel(label, label.device_id)
    try:
        opened = OpenHeader(label.header, key, random_bytes)
    except EncryptionError as problem:
        raise EncryptionError(f"{path}: {problem}") from problem
    device_id = unwrap(label.sealed_device_id, _label_key(opened), about=label.header.store_id)
    return OpenLabel(label, device_id.decode(), opened)


def _data_key(opened: OpenHeader) -> bytes:
    data_key = opened.data_key(opened.header.seals[-1].epoch)
    assert data_key is not None, "a label's header has one seal, which encrypts"
    return data_key


def _label_key(opened: OpenHeader) -> bytes:
    return hmac.digest(_data_key(opened), b"solidb rocksdb label", "sha256")


def _digest(label: Label) -> str:
    text = msgspec.json.encode(msgspec.structs.replace(label, digest=""))
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def _is_whole(label: Label) -> bool:
    return hmac.compare_digest(label.digest.encode(), _digest(label).encode())
