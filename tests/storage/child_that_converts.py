"""A process that converts a store and dies at the n-th name it makes, changes or removes beside the store.

Run by `test_convert_store.py`: `python child_that_converts.py <n> <source> <target> <engine>`.
"""

import os
import sys
from typing import Any

from solidb_sync.storage.convert_store import convert_store

LOOKS = ("os.rename", "os.mkdir", "os.remove", "os.chmod")


def main() -> None:
    """Convert for as long as it lives."""
    look, source, target, engine = sys.argv[1:]
    left = int(look)
    directory = os.path.dirname(source)

    def watch(name: str, arguments: tuple[Any, ...]) -> None:
        nonlocal left
        if name in LOOKS and str(arguments[0]).startswith(directory):
            left -= 1
            if left == 0:
                os._exit(9)

    sys.addaudithook(watch)
    convert_store(source, target, engine)


if __name__ == "__main__":
    main()
