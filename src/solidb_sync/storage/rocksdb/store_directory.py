"""The directory of a RocksDB store: a label that says what it is, and RocksDB's own directory beside it.

The label is written before RocksDB's first file, so that a store can be refused (another device's, another engine's, a newer
format) without RocksDB being opened, which writes. The directory is for its owner only, whatever the files in it allow.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.private_files import create_private_directory, flush_directory, replace_private_file
from solidb_sync.storage.refusals import refusal

FORMAT = 1
"""The way `key_layout` and the records are laid out; a store of a greater one was written by a newer version."""

LABEL = "solidb-store.json"
DATA = "rocksdb"


class Label(msgspec.Struct, frozen=True):
    """What a directory is; `engine` is always `rocksdb`."""

    engine: str
    format: int
    device_id: str


def data_directory(path: str) -> str:
    """Return where RocksDB keeps its files."""
    return str(Path(path) / DATA)


def read_label(path: str) -> Label | None:
    """Return what a directory is; None when there is no store yet. Raises `StorageError` for anything else's place."""
    place = Path(path)
    if not place.exists():
        return None
    if not place.is_dir():
        raise StorageError(f"{path}: a RocksDB store is a directory, this is a file; choose another path or engine")
    try:
        label = msgspec.json.decode((place / LABEL).read_bytes(), type=Label)
    except FileNotFoundError:
        _check_nothing_is_there(place)
        return None
    except OSError as problem:
        raise refusal(problem, path, "cannot be read") from problem
    except msgspec.MsgspecError as problem:
        raise StorageCorruptError(f"{place / LABEL}: damaged: {problem}; nothing was changed") from problem
    if label.format > FORMAT:
        raise StorageError(
            f"{path}: written in format {label.format} by a newer version; this one reads up to {FORMAT}. "
            "Nothing was changed: open it with the newer version."
        )
    return label


def _check_nothing_is_there(place: Path) -> None:
    if any(entry.name != f"{LABEL}.new" for entry in place.iterdir()):
        raise StorageError(f"{place}: a directory with something else in it; nothing was changed. Choose another path.")


def make_directory(path: str, device_id: str) -> None:
    """Make the directory of a new store, with its label."""
    create_private_directory(path)
    os.chmod(path, 0o700)
    replace_private_file(str(Path(path) / LABEL), msgspec.json.encode(Label("rocksdb", FORMAT, device_id)))


def back_up(path: str, target: str, copy_data: Callable[[str], None]) -> None:
    """Make a new store's directory with a copy of another one's data; the label comes last."""
    create_private_directory(target)
    copy_data(data_directory(target))
    label = Path(LABEL)
    replace_private_file(str(Path(target) / label), (Path(path) / label).read_bytes())
    flush_directory(target)
