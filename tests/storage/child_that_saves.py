"""A process that saves documents from three threads until it is killed; it prints every key whose save has returned.

Run by `test_processes.py`: `python child_that_saves.py <store> <device id> <first number> <engine>`.
"""

import itertools
import os
import sys
import threading

from solidb_sync.json_value import canonical
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.local_store import LocalStore


def save_for_ever(store: LocalStore, numbers: "itertools.count[int]") -> None:
    """Save one document after another, every third a second time."""
    for number in numbers:
        key = f"k{number:06}"
        for version in range(1 + (number % 3 == 0)):
            document = canonical({"number": number, "version": version, "padding": "x" * (number % 7 * 300)})
            minted = Minted(store.mint_id(), store.stamp())
            store.transact(
                lambda engine, minted=minted, key=key, document=document: record_save(
                    engine, minted, ("notes", key), document, merge=False
                )
            )
            os.write(1, f"{key} {version}\n".encode())


def main() -> None:
    """Open the store, say so, and save."""
    path, device_id, first, engine = sys.argv[1:]
    store = LocalStore.open(path, device_id, engine=engine)
    os.write(1, b"open\n")
    numbers = itertools.count(int(first))
    threads = [threading.Thread(target=save_for_ever, args=(store, numbers)) for _ in range(3)]
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
