"""The write-ahead log stays short, also while somebody reads at every moment (N9)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from solidb_sync import LocalStore
from solidb_sync.storage.sqlite import connection, log_length
from solidb_sync.storage.sqlite.sealed.layout import PAGE_BYTES

PAGES = 100
KEYS = (None, "a passphrase of the test's own")
BODY = {"padding": "x" * 50_000}
SAVES = 400
SAVES_OF_A_SNAPSHOT = 12
"""A reader's snapshot lasts for so many saves: longer than it takes to reach the length at which the log is copied."""
PATIENCE_SECONDS = 0.05
"""Or for so long, when the writer waits for the readers and the next of them for the writer."""
WAIT_SECONDS_MAX = 60


class Relay:
    """Readers that take over from each other: one ends its snapshot when the next has begun its own, if that comes soon."""

    def __init__(self, store: LocalStore) -> None:
        self._store = store
        self._changed = threading.Condition()
        self._is_over = False
        self.begun = 0
        self.saves = 0
        self._threads = [threading.Thread(target=self._run) for _ in range(2)]

    def __enter__(self) -> Relay:
        for thread in self._threads:
            thread.start()
        with self._changed:
            assert self._changed.wait_for(lambda: self.begun > 0, WAIT_SECONDS_MAX)
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._is_over:
            self._store.scan(self._hold)

    def _hold(self, reader: Any) -> None:
        assert reader.row("notes", "k0") is not None
        with self._changed:
            self.begun += 1
            mine = self.begun
            self._changed.notify_all()
            until = self.saves + SAVES_OF_A_SNAPSHOT
            self._changed.wait_for(lambda: self._is_over or (self.begun > mine and self.saves >= until), PATIENCE_SECONDS)

    def saved(self) -> None:
        with self._changed:
            self.saves += 1
            self._changed.notify_all()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WAL_CHECKPOINT_PAGES", "SEALED_WAL_CHECKPOINT_PAGES"):
        monkeypatch.setattr(connection, name, PAGES)


def longest_log(path: Path, key: str | None) -> int:
    """Write many times the log's bound while there is always a reader; return the length of the log."""
    with LocalStore.open(path, "phone", encryption_key=key) as store:
        store.put_document("notes", "k0", BODY, {"phone": 1})
        log, longest = path.with_name(path.name + "-wal"), 0
        with Relay(store) as relay:
            for number in range(SAVES):
                store.put_document(
                    "notes", f"k{number % 10}", {"n": number, "padding": chr(97 + number % 26) * 50_000}, {"phone": 1}
                )
                relay.saved()
                longest = max(longest, log.stat().st_size)
            assert relay.begun > SAVES // SAVES_OF_A_SNAPSHOT
    return longest


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.usefixtures("short")
def test_n9_the_log_stays_short_while_there_is_always_a_reader(tmp_path: Path, key: str | None) -> None:
    """Four times the length at which it is copied, and the commit that went beyond it."""
    bound = (log_length.WAITING_FACTOR * PAGES + 30) * (PAGE_BYTES + 24)
    assert longest_log(tmp_path / "store.db", key) <= bound


@pytest.mark.usefixtures("short")
def test_n9_without_waiting_for_the_readers_the_log_would_grow_and_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the test above holds against: copying alone never lets the log begin anew."""
    monkeypatch.setattr(log_length, "WAITING_FACTOR", 10**9)
    assert longest_log(tmp_path / "store.db", None) > SAVES * 50_000 // 2
