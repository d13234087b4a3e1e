"""Changes the encryption of a RocksDB store, killed at one file operation after the other, and looks at what each leaves.

Run by `test_rocksdb_encryption.py`: `python child_that_changes_keys.py <store> <change>`, the store being closed and whole.
It prints after how many operations the change came to its end. RocksDB can't be used on both sides of a fork, so each life
is a child of this process, which never opens a store itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from solidb_sync import LocalStore
from solidb_sync.errors import EncryptionError

KEY, OTHER = b"1" * 32, b"2" * 32
SECRET = "nobody-may-read-this"
ROWS = 25
OPERATIONS_MAX = 300
EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.chmod"})
CHANGES: dict[str, tuple[bytes | None, bytes | None, Callable[[LocalStore], None]]] = {
    "enable": (None, KEY, lambda store: store.enable_encryption(KEY)),
    "rotate": (KEY, OTHER, lambda store: store.rotate_encryption_key(OTHER)),
    "renew": (KEY, OTHER, lambda store: store.rotate_encryption_key(OTHER, reencrypt=True)),
    "disable": (KEY, None, lambda store: store.disable_encryption()),
}
"""The key before and after, and what is done."""


def opened(path: Path, key: bytes | None) -> LocalStore:
    return LocalStore.open(path, "phone", engine="rocksdb", encryption_key=key)


def change(path: Path, name: str, last: int) -> None:
    """Begin a change, and die at an operation."""
    before, _, act = CHANGES[name]
    store = opened(path, before)
    left = last

    def count(event: str, _: object) -> None:
        nonlocal left
        if event in EVENTS:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
    act(store)
    left = 0
    store.close()


def look(path: Path, name: str, *, is_over: bool) -> None:
    """Check that exactly one key opens the store, with everything in it, and that nothing of the other remains."""
    before, after, _ = CHANGES[name]
    keys = []
    for key in {before, after}:
        try:
            with opened(path, key) as store:
                rows = store.list_documents("secrets")
                assert [found for found, _, _ in rows] == sorted(f"{SECRET}-{number}" for number in range(ROWS))
                assert store.verify().is_sound
            keys.append(key)
        except EncryptionError:
            pass
    assert len(keys) == 1, keys
    assert not is_over or keys == [after]
    files = [file for file in path.rglob("*") if file.is_file()]
    assert len([found for found in path.iterdir() if found.name.startswith("rocksdb")]) == 1
    assert keys == [None] or not any(SECRET.encode() in file.read_bytes() for file in files)


def in_a_child(work: Callable[[], None]) -> int:
    """Return how a child that does some work ended."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:  # noqa: BLE001 - it is told, and the child ends here whatever it was
            traceback.print_exc()
        sys.stderr.flush()
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Kill the change at every operation until it comes to its end."""
    whole, name = Path(sys.argv[1]), sys.argv[2]
    path = whole.with_name("changed")
    for last in range(1, OPERATIONS_MAX):
        shutil.rmtree(path, ignore_errors=True)
        shutil.copytree(whole, path)
        ended = in_a_child(lambda last=last: change(path, name, last))  # type: ignore[misc]
        assert ended in (0, -signal.SIGKILL), f"operation {last}: the change ended with {ended}"
        is_over = ended == 0
        assert in_a_child(lambda is_over=is_over: look(path, name, is_over=is_over)) == 0, f"operation {last}"  # type: ignore[misc]
        if is_over:
            print(last)
            return
    raise AssertionError(f"{name} did not come to its end within {OPERATIONS_MAX} operations")


if __name__ == "__main__":
    main()
