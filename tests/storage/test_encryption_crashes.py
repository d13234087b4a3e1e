"""The power goes at every write and flush of a change of keys: one key opens the store, and every row is there."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import apsw
import pytest

from solidb_sync.clock import SystemClock
from solidb_sync.errors import EncryptionError, StorageError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.sqlite.connection import FileLocation
from solidb_sync.storage.sqlite.sealed import renewal
from solidb_sync.testing.crashable_files import CrashableFiles, Snapshot

OLD = b"o" * 32
NEW = b"n" * 32
SECRET = b"only-for-our-eyes"
ROWS = 40
OPERATIONS_MAX = 400

Key = bytes | None
Change = Callable[[LocalStore], None]

CHANGES: dict[str, tuple[Key, Key, Change]] = {
    "enable": (None, NEW, lambda store: store.enable_encryption(NEW)),
    "rotate": (OLD, NEW, lambda store: store.rotate_encryption_key(NEW)),
    "renew": (OLD, NEW, lambda store: store.rotate_encryption_key(NEW, reencrypt=True)),
    "disable": (OLD, None, lambda store: store.disable_encryption()),
}


def open_store(files: CrashableFiles, key: Key) -> LocalStore:
    location = FileLocation("store.db", vfs=files.name, is_exclusive=True)
    return LocalStore.open_at(
        location, "phone", clock=SystemClock(), random_bytes=random.Random(5).randbytes, encryption_key=key,
        seals_new_stores=True,
    )  # fmt: skip


def fill(store: LocalStore) -> None:
    for number in range(ROWS):
        store.put_document("secrets", f"k{number}", {"text": SECRET.decode() * 60}, {"server": number})


def is_whole(store: LocalStore) -> bool:
    return store.verify().is_sound and len(store.list_documents("secrets")) == ROWS


@pytest.fixture
def files() -> Iterator[CrashableFiles]:
    with CrashableFiles("changing keys", random.Random(11)) as files:
        yield files


@pytest.fixture(autouse=True)
def few_pages_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a small store takes several steps."""
    monkeypatch.setattr(renewal, "PAGES_AT_ONCE", 5)


def opening_keys(files: CrashableFiles, snapshot: Snapshot) -> list[Key]:
    """Return which of the keys open the files, having checked that nothing is lost under them."""
    found: list[Key] = []
    for key in (None, OLD, NEW):
        files.restore(snapshot)
        try:
            with open_store(files, key) as store:
                assert is_whole(store)
        except EncryptionError:
            assert files.snapshot().files == snapshot.files, "a key that is refused leaves the files as they are"
        else:
            found.append(key)
    return found


def readable(snapshot: Snapshot) -> bool:
    return any(SECRET in content for content in snapshot.files.values())


@pytest.mark.parametrize("crash", ["power_loss", "kill"])
@pytest.mark.parametrize("change", CHANGES)
def test_k3_k4_k5_a_crash_at_any_write_leaves_one_key_and_every_row(files: CrashableFiles, change: str, crash: str) -> None:
    before, after, run = CHANGES[change]
    with open_store(files, before) as store:
        fill(store)
    filled = files.snapshot()
    assert readable(filled) == (before is None)
    outcomes = set()
    for operation in range(1, OPERATIONS_MAX):
        files.restore(filled)
        store = open_store(files, before)
        files.lose_power_after(operation)
        try:
            run(store)
        except StorageError:
            assert files.is_dark()
        if not files.is_dark():
            break
        getattr(files, crash)()
        crashed = files.snapshot()
        (key,) = opening_keys(files, crashed)
        outcomes.add(key)
        files.restore(crashed)
        with open_store(files, key):
            pass
        finished = files.snapshot()
        (last,) = opening_keys(files, finished)
        assert last in (before, after)
        assert readable(finished) == (last is None), "once opened, a store that was being encrypted is"
    else:
        pytest.fail(f"{change} took more than {OPERATIONS_MAX} operations")
    assert outcomes == {before, after} if change != "disable" else {OLD} <= outcomes
    files.lose_power_after(0)
    store.close()
    assert opening_keys(files, files.snapshot()) == [after]
    assert not {name for name in files.snapshot().files if "renewal" in name}


TROUBLES: dict[str, Callable[[CrashableFiles, int], None]] = {
    "io": lambda files, number: files.fail_after(writes=number, error=apsw.IOError),
    "full": lambda files, number: files.fail_after(writes=number, error=apsw.FullError),
    "sync": lambda files, number: files.fail_after(syncs=number),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("change", CHANGES)
def test_k3_k4_k5_a_failure_of_any_write_or_flush_leaves_one_key_and_every_row(
    files: CrashableFiles, change: str, trouble: str
) -> None:
    """The change raises, or is done; either way one key opens the store with all that is in it."""
    before, after, run = CHANGES[change]
    with open_store(files, before) as store:
        fill(store)
    filled = files.snapshot()
    for number in range(1, OPERATIONS_MAX):
        files.restore(filled)
        store = open_store(files, before)
        TROUBLES[trouble](files, number)
        try:
            run(store)
            has_returned = True
        except StorageError:
            has_returned = False
        files.power_loss()
        (key,) = opening_keys(files, files.snapshot())
        assert key == after if has_returned else key in (before, after)
        if has_returned:
            assert number > 1, "the first trouble must strike"
            return
    pytest.fail(f"{change} took more than {OPERATIONS_MAX} operations")


@pytest.mark.parametrize("change", ["enable", "renew", "disable"])
def test_a_full_disk_in_the_middle_leaves_one_key_and_every_row(files: CrashableFiles, change: str) -> None:
    """The change fails with a typed error, and opening the store goes on with it when there is room."""
    before, _, run = CHANGES[change]
    store = open_store(files, before)
    fill(store)
    files._disk.total_bytes_max = sum(len(content) for content in files.snapshot().files.values()) + 20_000
    with pytest.raises(StorageError):
        run(store)
    files._disk.total_bytes_max *= 100
    files.kill()
    assert len(opening_keys(files, files.snapshot())) == 1


def test_k1_at_no_write_of_a_life_does_an_encrypted_store_hold_a_readable_value(files: CrashableFiles) -> None:
    """The log, in the middle of a transaction too, and the file while the log is folded into it."""
    with open_store(files, OLD) as store:
        fill(store)
    filled = files.snapshot()
    for operation in range(1, OPERATIONS_MAX, 3):
        files.restore(filled)
        store = open_store(files, OLD)
        files.lose_power_after(operation)
        try:
            for number in range(ROWS):
                store.put_document("more-secrets", f"{SECRET.decode()}{number}", {"text": SECRET.decode()}, {})
            store.close()
        except StorageError:
            pass
        is_over = not files.is_dark()
        files.kill()
        for name, content in files.snapshot().files.items():
            assert SECRET not in content, name
            assert b"secrets" not in content, name
        if is_over:
            break
    else:
        pytest.fail(f"a life took more than {OPERATIONS_MAX} operations")


def test_an_encrypted_store_survives_power_loss_like_a_plain_one(files: CrashableFiles) -> None:
    """Every acknowledged document is there, whichever writes were lost, scattered or torn."""
    rng = random.Random(3)
    acknowledged: set[str] = set()
    for life in range(12):
        store = open_store(files, OLD)
        assert acknowledged <= {key for key, _, _ in store.list_documents("notes")}
        assert store.verify().is_sound
        files.lose_power_after(rng.randrange(5, 120))
        for number in range(30):
            key = f"{life}-{number}"
            try:
                store.put_document("notes", key, {"text": "x" * rng.randrange(9000)}, {})
                if number % 5 == 4:
                    store.delete_document("notes", f"{life}-{number}-never", {})
            except StorageError:
                break
            acknowledged.add(key)
        files.power_loss()
    assert len(acknowledged) > 40
