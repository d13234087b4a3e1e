"""A process that saves secrets into an encrypted store and encrypts it anew now and then, until it is killed.

Run by the tests of encryption: `python encrypting_process.py <store> <number of the key it begins with> [<engine>]`. It
prints each key of a document that was saved. `python encrypting_process.py <store> read` prints how many it can read.
"""

import os
import sys

from solidb_sync.storage.local_store import LocalStore

KEYS = (b"1" * 32, b"2" * 32)
SECRET = "nobody-may-read-this"


def save_for_ever(store: LocalStore, first_key: int) -> None:
    """Save, and give the store the other key after every 20 documents."""
    number = len(store.list_documents("secrets"))
    while True:
        for _ in range(20):
            store.put_document("secrets", f"{SECRET}-{number}", {"field-of-secrets": SECRET * 100}, {})
            os.write(1, f"{SECRET}-{number}\n".encode())
            number += 1
        first_key = 1 - first_key
        store.rotate_encryption_key(KEYS[first_key], reencrypt=True)


def main() -> None:
    """Open the store, and do what is asked."""
    path, what, *engine = sys.argv[1:]
    if what == "read":
        with LocalStore.open_for_reading(path, "phone", encryption_key=KEYS[0]) as store:
            os.write(1, f"{len(store.list_documents('secrets'))}\n".encode())
    else:
        store = LocalStore.open(path, "phone", encryption_key=KEYS[int(what)], engine=(engine or ["sqlite"])[0])
        save_for_ever(store, int(what))


if __name__ == "__main__":
    main()
