"""A process that reads a store another one writes, until it has seen 50 commits; it prints how many.

Run by `test_reading_only.py`: `python child_that_reads.py <store> <engine>`. It fails when it sees a part of a commit,
or one that is older than the one before.
"""

import sys

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore

COMMITS = 50


def numbers(reader: EngineReader) -> list[str]:
    """Return both documents, by a read of each."""
    rows = [reader.row("pairs", key) for key in ("left", "right")]
    return [row.body or "" for row in rows if row is not None]


def main() -> None:
    """Read until enough has been seen."""
    path, engine = sys.argv[1:]
    seen: list[int] = []
    with LocalStore.open(path, "phone", engine=engine, read_only=True) as store:
        print("open", flush=True)
        while len(set(seen)) < COMMITS:
            left, right = store.scan(numbers)
            assert left == right, (left[:20], right[:20])
            seen.append(int(left.split(",")[0].removeprefix('{"n":')))
    assert seen == sorted(seen)
    print(len(set(seen)))


if __name__ == "__main__":
    main()
