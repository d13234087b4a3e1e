"""Writes a store in the present format, to be kept beside this file: `python tests/storage/formats/write_format.py`.

Run it once for every new migration or label, with the software that writes that format. The files are never written again:
they stand for the stores that are in people's hands.
"""

from __future__ import annotations

import gzip
import tarfile
import tempfile
from pathlib import Path

from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import MIGRATIONS
from solidb_sync.storage.rocksdb.store_label import ENCRYPTED_FORMAT, PLAIN_FORMAT
from solidb_sync.storage.sqlite.migrate import migrations_of

HERE = Path(__file__).parent
PASSPHRASE = "a passphrase of these tests"


def fill(store: LocalStore) -> None:
    """Put in what every store of these files holds."""
    store.put_document("notes", "a", {"v": 1, "text": "é"}, {"server": 1})
    store.put_document("notes", "b", {"v": 2.5, "list": [1, None, True]}, {"server": 2})
    store.delete_document("notes", "gone", {"server": 3})
    store.add_pending_change("notes", "a", "update", {"v": 2}, {"server": 1})
    store.add_pending_change("tasks", "new", "insert", {"t": 1}, {})
    store.add_subscription("notes", "doc.v > @x", {"x": 0})


def write_directory(name: Path, key: str | None) -> None:
    """Write a RocksDB store, closed, as an archive of its directory."""
    if name.exists():
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store"
        with LocalStore.open(path, "phone", engine="rocksdb", encryption_key=key) as store:
            fill(store)
        with tarfile.open(name, "w:gz") as archive:
            for file in sorted(path.rglob("*")):
                if file.is_file() and not file.name.startswith("LOG"):
                    archive.add(file, file.relative_to(path))


def main() -> None:
    """Write the files of the present formats that are not there yet."""
    write_directory(HERE / f"rocksdb-{PLAIN_FORMAT}.tar.gz", None)
    write_directory(HERE / f"rocksdb-{ENCRYPTED_FORMAT}-encrypted.tar.gz", PASSPHRASE)
    name = HERE / f"format-{len(migrations_of(MIGRATIONS)):02}.db.gz"
    if name.exists():
        return
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        with LocalStore.open(path, "phone") as store:
            fill(store)
        name.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
