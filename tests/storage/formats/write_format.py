"""Writes a store in the present format, to be kept beside this file: `python tests/storage/formats/write_format.py`.

Run it once for every new migration, with the software that writes that format. The files are never written again: they
stand for the stores that are in people's hands.
"""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import MIGRATIONS
from solidb_sync.storage.sqlite.migrate import migrations_of

HERE = Path(__file__).parent


def fill(store: LocalStore) -> None:
    """Put in what every store of these files holds."""
    store.put_document("notes", "a", {"v": 1, "text": "é"}, {"server": 1})
    store.put_document("notes", "b", {"v": 2.5, "list": [1, None, True]}, {"server": 2})
    store.delete_document("notes", "gone", {"server": 3})
    store.add_pending_change("notes", "a", "update", {"v": 2}, {"server": 1})
    store.add_pending_change("tasks", "new", "insert", {"t": 1}, {})
    store.add_subscription("notes", "doc.v > @x", {"x": 0})


def main() -> None:
    """Write the file of the present format."""
    name = HERE / f"format-{len(migrations_of(MIGRATIONS)):02}.db.gz"
    if name.exists():
        raise SystemExit(f"{name}: is there already, and stays as it is")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "store.db"
        with LocalStore.open(path, "phone") as store:
            fill(store)
        name.write_bytes(gzip.compress(path.read_bytes(), mtime=0))


if __name__ == "__main__":
    main()
