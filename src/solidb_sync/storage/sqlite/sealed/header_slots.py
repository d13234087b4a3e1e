"""Where the header of a sealed database is: the first block of its file.

It is written twice, in two slots of 4096 bytes, each with a checksum and a sequence number; a change of the header goes
first into one slot and then into the other, each write flushed. Whenever the power goes, one slot is whole, and the whole
one with the greater number counts: so a change of keys has happened or has not, and once it is over nothing of the earlier
header is left.
"""

from __future__ import annotations

import hashlib

import msgspec

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.keys.store_header import FORMAT, OpenHeader, SealRecord, StoreHeader
from solidb_sync.storage.sqlite.sealed.page_seal import ChecksumSeal, EncryptingSeal, PageSeal, Seals

MAGIC = b"SoliDB sealed\r\n\x1a"
SLOT_BYTES = 4096
HEADER_BYTES = 2 * SLOT_BYTES

_DIGEST_BYTES = 32
_LENGTH_BYTES = 4
_TEXT_AT = len(MAGIC) + _LENGTH_BYTES
_TEXT_BYTES_MAX = SLOT_BYTES - _TEXT_AT - _DIGEST_BYTES


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


def seals_of(opened: OpenHeader) -> Seals:
    """Return what opens and seals the pages."""
    header = opened.header
    return Seals(header.store_id, {record.epoch: _seal(opened, record) for record in header.seals})


def _seal(opened: OpenHeader, record: SealRecord) -> PageSeal:
    data_key = opened.data_key(record.epoch)
    return ChecksumSeal(record.epoch) if data_key is None else EncryptingSeal(record.epoch, data_key, opened.random_bytes)
