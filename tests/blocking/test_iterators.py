"""Iterators without `await`: what they give, and everything that ends them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from solidb_sync import ConfigError
from solidb_sync.blocking import SyncManager

SOON = 20


def test_an_iterator_gives_what_happens_and_ends_when_nothing_comes_in_its_time(manager: SyncManager) -> None:
    changes = manager.changes("n", timeout=0.05)
    manager.save_document("n", "one", {"n": 1})
    manager.save_document("other", "one", {"n": 1})
    assert [(event.type, event.key) for event in changes] == [("insert", "one")]
    manager.save_document("n", "two", {"n": 2})
    assert list(changes) == []
    for wrong in (-1, float("nan"), "1", True):
        with pytest.raises(ConfigError, match="timeout: expected seconds"):
            manager.changes(timeout=wrong)  # type: ignore[arg-type]


def test_a_watched_query_gives_its_result_now_and_after_each_change(manager: SyncManager) -> None:
    manager.save_document("n", "one", {"n": 1})
    with manager.watch("FOR d IN n SORT d.n RETURN d.n") as results:
        assert next(results) == [1]
        manager.save_document("n", "two", {"n": 2})
        assert next(results) == [1, 2]
    assert list(results) == []


@pytest.mark.parametrize("end", ["close", "stop"])
def test_an_iterator_ends_for_threads_that_wait_when_another_ends_it(manager: SyncManager, end: str) -> None:
    changes, got = manager.changes(), threading.Semaphore(0)

    def read() -> list[str]:
        keys = []
        for event in changes:
            keys.append(event.key)
            got.release()
        return keys

    with ThreadPoolExecutor(2) as executor:
        readers = [executor.submit(read) for _ in range(2)]
        for number in range(10):
            manager.save_document("n", f"{number}", {})
            assert got.acquire(timeout=SOON)
        changes.close() if end == "close" else manager.stop()
        read_keys = [key for reader in readers for key in reader.result(SOON)]
    assert sorted(read_keys) == [f"{number}" for number in range(10)]


def test_an_iterator_that_nobody_refers_to_listens_no_more(manager: SyncManager) -> None:
    manager.save_document("n", "one", {"n": 1})
    notifications = manager._core._notifications
    for _ in manager.watch("FOR d IN n RETURN d.n"):
        assert notifications.has_listeners
        break
    manager.get_document("n", "one")  # by then the thread has heard of it
    assert not notifications.has_listeners
