"""Run as a process of its own: makes a copy of a store and waits for its end before it has its name.

Run by `test_backup_and_verify.py`: `python child_that_backs_up.py <target>`.
"""

from __future__ import annotations

import os
import sys

from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.new_store import made_aside


def main() -> None:
    """Make the copy, say so, and wait to be killed."""
    with LocalStore.open(":memory:", "phone", engine="memory") as store, made_aside(sys.argv[1], os.urandom) as part:
        store.put_document("notes", "half", {}, {})
        store.backup(part)
        print("made", flush=True)
        sys.stdin.read()
        os._exit(1)


if __name__ == "__main__":
    main()
