"""A process that builds an index and kills itself: when it has begun, halfway, or when it is built.

Run by `test_sqlite_indexes.py`: `python child_that_indexes.py <store> <begun|halfway|built>`.
"""

import os
import signal
import sys

from solidb_sync.storage.local_store import LocalStore


def die(word: str) -> None:
    """Say when, and end as `kill -9` ends a process."""
    os.write(1, f"{word}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    """Build, and die at the moment given."""
    path, word = sys.argv[1:]
    store = LocalStore.open(path, "phone")

    def watch(done: int, count: int) -> None:
        if word == "begun" or (word == "halfway" and count // 2 <= done < count):
            die(word)

    store.create_index("users", "email", progress=watch)
    die("built")


if __name__ == "__main__":
    main()
