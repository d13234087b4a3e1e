"""The directory of a RocksDB store: a label that says what it is, and RocksDB's own directory beside it.

The label is written before RocksDB's first file, so that a store can be refused (another device's, another engine's, a newer
format, another key) without RocksDB being opened, which writes. The directory is for its owner only, whatever the files in
it allow. What a store is sealed with changes by a new directory of data beside the old one, and then a new label, which
names it: the store is the one that the label says.

An encrypted store's label is kept twice. The label counts; its copy, written after it, where the label is damaged.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.keys.key_wrapping import UserKey
from solidb_sync.storage.keys.store_header import RandomBytes
from solidb_sync.storage.private_files import create_private_directory, flush_directory, replace_private_file
from solidb_sync.storage.refusals import refusal
from solidb_sync.storage.rocksdb.store_label import PLAIN_DATA, Label, OpenLabel, decode, encode, open_label

LABEL = "solidb-store.json"
LABEL_COPY = "solidb-store-copy.json"
_DATA = re.compile(rf"{PLAIN_DATA}(-\d+)?")
_CURRENT = "CURRENT"
"""The file by which RocksDB knows a database that has been made."""


def data_directory(path: str, label: Label) -> str:
    """Return where RocksDB keeps its files."""
    return str(Path(path) / label.data_name)


def has_label(path: str) -> bool:
    """Return whether a directory is a store's."""
    return any((Path(path) / name).exists() for name in (LABEL, LABEL_COPY))


def read_label(path: str) -> Label | None:
    """Return what a directory is; None when there is no store yet. Raises `StorageError` for anything else's place."""
    place = Path(path)
    if not place.exists():
        return None
    if not place.is_dir():
        raise StorageError(f"{path}: a RocksDB store is a directory, this is a file; choose another path or engine")
    text, copy = _text(place / LABEL), _text(place / LABEL_COPY)
    if text is None and copy is None:
        _check_nothing_is_there(place)
        return None
    if copy is None or text is None:
        return decode(text or copy or b"", str(place / (LABEL if copy is None else LABEL_COPY)))
    try:
        return decode(text, str(place / LABEL))
    except StorageCorruptError:
        return decode(copy, str(place / LABEL_COPY))


def _text(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise refusal(problem, str(file.parent), "cannot be read") from problem


def _check_nothing_is_there(place: Path) -> None:
    if any(entry.name != f"{LABEL}.new" for entry in place.iterdir()):
        raise StorageError(f"{place}: a directory with something else in it; nothing was changed. Choose another path.")


def unlocked(path: str, key: UserKey | None, random_bytes: RandomBytes) -> OpenLabel | None:
    """Return the label of a store, opened with its key; None when there is no store yet. Raises as `open_label` does."""
    label = read_label(path)
    return None if label is None else open_label(label, path, key, random_bytes)


def make_directory(path: str, label: Label) -> None:
    """Make the directory of a new store, with its label."""
    create_private_directory(path)
    os.chmod(path, 0o700)
    write_label(path, label)


def write_label(path: str, label: Label) -> None:
    """Replace the label, durably, and then what the copy says: nothing of an earlier one is left."""
    text = encode(label)
    replace_private_file(str(Path(path) / LABEL), text)
    if label.header is not None:
        replace_private_file(str(Path(path) / LABEL_COPY), text)
    else:
        (Path(path) / LABEL_COPY).unlink(missing_ok=True)
        flush_directory(path)


def finish(path: str, label: Label) -> None:
    """Go on with a change that a crash has cut off: only what the label says stays. The caller holds the lock."""
    place = Path(path)
    texts = [_text(place / LABEL), _text(place / LABEL_COPY)]
    if texts != [encode(label), None if label.header is None else encode(label)]:
        write_label(path, label)
    others = [found for found in place.iterdir() if _DATA.fullmatch(found.name) and found.name != label.data_name]
    if others and not (place / label.data_name / _CURRENT).exists():
        raise StorageCorruptError(
            f"{path}: its data, {label.data_name!r}, is missing, and there is {others[0].name!r}, which its label does "
            "not name. Nothing was changed: restore a backup"
        )
    for other in others:
        remove_data(str(other))


def remove_data(directory: str) -> None:
    """Remove a directory of data, if it is there."""
    try:
        shutil.rmtree(directory)
    except FileNotFoundError:
        return
    except OSError as problem:
        raise refusal(problem, directory, "cannot be removed") from problem
    flush_directory(str(Path(directory).parent))


def back_up(path: str, target: str, copy_data: Callable[[str], None]) -> None:
    """Make a new store's directory with a copy of another one's data; the label comes last."""
    label = read_label(path)
    if label is None:
        raise StorageError(f"{path}: there is no store")
    create_private_directory(target)
    copy_data(data_directory(target, label))
    write_label(target, label)
    flush_directory(target)
