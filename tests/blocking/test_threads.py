"""One manager and many threads: calls, callbacks, limits, interruptions, and the end."""

from __future__ import annotations

import asyncio
import queue
import signal
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sdbql
from solidb_sync import ChangeEvent, ConfigError, InvalidDocumentError, SyncCommand, SyncError, SyncStoppedError
from solidb_sync.blocking import SyncManager, Transaction
from solidb_sync.blocking.loop_thread import THREAD_NAME

SOON = 20
LONG = "FOR a IN n FOR b IN n FOR c IN n FOR d IN n FOR e IN n FOR f IN n FILTER a.n + f.n < 0 RETURN 1"
WITHOUT_LIMITS = sdbql.Limits(steps_max=10**15, time_ms_max=10**9, rows_held_max=10**9)


def own_threads() -> list[threading.Thread]:
    """Return the threads of managers that run."""
    return [thread for thread in threading.enumerate() if thread.name == THREAD_NAME]


def test_many_threads_share_one_manager_and_nothing_is_lost(manager: SyncManager) -> None:
    def count(worker: int) -> None:
        for number in range(20):
            manager.save_document("n", f"{worker}-{number}", {"n": number})
            manager.crdt_increment("n", "total", "count")
            assert manager.get_document("n", f"{worker}-{number}") is not None

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(count, range(8)))
    assert (manager.get_document("n", "total") or {})["count"] == 160
    assert len(manager.query("FOR d IN n FILTER d.n != null RETURN d.n")) == 160
    assert len(own_threads()) == 1


def test_there_is_no_thread_before_the_first_call_and_none_after_stop(manager: SyncManager) -> None:
    assert own_threads() == []
    manager.save_document("n", "one", {"n": 1})
    assert [thread.daemon for thread in own_threads()] == [True]
    manager.stop()
    manager.stop()
    assert own_threads() == []


def test_a_manager_that_was_stopped_works_on_and_may_be_started_again(device: Callable[..., SyncManager]) -> None:
    phone, laptop = device("phone", auto_sync=True), device("laptop")
    for number in range(3):
        with phone:
            phone.save_document("n", "one", {"n": number})
            assert phone.sync_now().success
        assert not phone.status().is_running
        assert (phone.get_document("n", "one") or {})["n"] == number
    assert laptop.sync_now().pulled == 1
    assert (laptop.get_document("n", "one") or {})["n"] == 2


def test_errors_are_those_of_the_other_face(manager: SyncManager) -> None:
    with pytest.raises(InvalidDocumentError, match="key: 'a/b' has a character"):
        manager.save_document("n", "a/b", {})
    with pytest.raises(sdbql.ParseError):
        manager.watch("FOR t IN")
    commands = manager.start()
    commands.send(SyncCommand.SetOnline(False))
    manager.stop()
    with pytest.raises(SyncStoppedError):
        commands.send_nowait(SyncCommand.SyncNow())


def test_a_callback_that_waits_for_its_own_thread_is_an_error_and_not_a_deadlock(manager: SyncManager) -> None:
    refused: list[str] = []

    def waits(event: ChangeEvent) -> None:
        for call in (lambda: manager.get_document("n", "one"), manager.stop, lambda: next(manager.changes())):
            with pytest.raises(SyncError, match="from a callback, on the manager's own thread") as problem:
                call()
            refused.append(str(problem.value).partition(":")[0])

    manager.on_change(waits)
    manager.save_document("n", "one", {})
    assert refused == ["get_document", "stop", "next"]


def test_a_callback_may_do_what_does_not_wait(device: Callable[..., SyncManager]) -> None:
    """It asks for a round, listens to something else, and ends itself."""
    phone = device("phone")
    commands, told, others = phone.start(), list[str](), list[ChangeEvent]()

    def once(event: ChangeEvent) -> None:
        told.append(f"{event.key} {phone.is_syncing()}")
        phone.on_change(others.append)
        commands.send_nowait(SyncCommand.SyncNow())
        end()

    end = phone.on_change(once)
    with phone.events() as events:
        phone.save_document("n", "one", {})
        assert next(events).kind.value == "sync_started"
    phone.save_document("n", "two", {})
    assert (told, others[-1].key) == (["one False"], "two")


@pytest.mark.parametrize("problem", [ValueError("a mistake"), SystemExit("enough"), KeyboardInterrupt("stop")])
def test_a_callback_that_raises_ends_neither_the_thread_nor_the_call(
    manager: SyncManager, problem: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(event: ChangeEvent) -> None:
        raise problem

    manager.on_change(fails)
    manager.save_document("n", "one", {"n": 1})
    manager.save_document("n", "two", {"n": 2})
    assert len(manager.query_documents("n")) == 2
    assert str(problem) in caplog.text


def test_a_coroutine_that_asks_for_the_end_of_the_program_does_not_end_the_thread(
    manager: SyncManager, caplog: pytest.LogCaptureFixture
) -> None:
    """An event loop lets it through; without its thread all who wait would wait for ever."""

    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        manager._thread.call(leave, what="leave")
    manager.save_document("n", "one", {})
    assert "which goes on" in caplog.text


def test_a_call_that_takes_longer_than_its_limit_is_given_up_and_its_query_ended(manager: SyncManager) -> None:
    for number in range(60):
        manager.save_document("n", f"{number}", {"n": number})
    with pytest.raises(TimeoutError, match=r"query: not done within 0.05 s"):
        manager.within(0.05).query(LONG, limits=WITHOUT_LIMITS)
    assert manager.within(SOON).query("RETURN 1") == [1]
    with pytest.raises(ConfigError, match="expected seconds"):
        manager.within(-1)


def test_an_interrupted_wait_leaves_the_manager_usable_and_loses_no_event(manager: SyncManager) -> None:
    """Ctrl-C, as a signal to the main thread while it waits."""
    changes = manager.changes()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            next(changes)
        for number in range(60):
            manager.save_document("n", f"{number}", {"n": number})
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(KeyboardInterrupt):
            manager.query(LONG, limits=WITHOUT_LIMITS)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [next(changes).key for _ in range(3)] == ["0", "1", "2"]
    assert manager.query("FOR d IN n FILTER d.n == 7 RETURN d.n") == [7]


def test_stop_lets_the_calls_of_other_threads_come_to_their_end(manager: SyncManager) -> None:
    """Whatever comes first: every call is done, and nobody waits for ever."""
    done: queue.SimpleQueue[str] = queue.SimpleQueue()

    def save(worker: int) -> None:
        for number in range(30):
            manager.save_document("n", f"{worker}-{number}", {})
            done.put(f"{worker}-{number}")

    with ThreadPoolExecutor(4) as executor:
        saving = [executor.submit(save, worker) for worker in range(4)]
        for _ in range(5):
            done.get(timeout=SOON)
            manager.stop()
        for each in saving:
            each.result(SOON)
    assert len(manager.query_documents("n")) == 120
    manager.stop()
    assert own_threads() == []


def delete_and_change_ones_mind(manager: SyncManager) -> Transaction:
    with manager.transaction() as transaction:
        transaction.delete_document("n", "one")
        raise RuntimeError("changed my mind")


def test_a_transaction_is_all_or_nothing(manager: SyncManager) -> None:
    with manager.transaction() as both:
        both.save_document("n", "one", {"n": 1})
        both.crdt_increment("n", "one", "count", 2)
        assert both.get_document("n", "one") == {"_key": "one", "_id": "n/one", "n": 1, "count": 2}
        assert manager.get_document("n", "one") is None
    assert both.has_changed
    with pytest.raises(RuntimeError, match="changed my mind"):
        delete_and_change_ones_mind(manager)
    assert manager.get_document("n", "one") is not None
    with pytest.raises(SyncError, match="not open"):
        both.save_document("n", "two", {})


def test_an_attachment_is_put_and_read_piece_by_piece(manager: SyncManager, tmp_path: Path) -> None:
    content = bytes(range(256)) * 5_000
    (tmp_path / "photo").write_bytes(content)
    manager.save_document("n", "one", {})
    manager.put_attachment("n", "one", "photo", tmp_path / "photo")
    with manager.open_attachment("n", "one", "photo") as photo:
        assert photo.attachment.length == len(content)
        assert b"".join(photo) == content
        photo.seek(1_000_000)
        assert (photo.read(3), photo.tell()) == (content[1_000_000:1_000_003], 1_000_003)
        photo.save_to(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content


def test_it_works_inside_a_running_event_loop_as_a_notebook_has_one(device: Callable[..., SyncManager]) -> None:
    async def cell() -> list[object]:
        with device("phone") as phone:
            phone.save_document("n", "one", {"n": 1})
            assert phone.sync_now().success
            return phone.query("FOR d IN n RETURN d.n")

    assert asyncio.run(cell()) == [1]


def test_a_conflict_is_decided_by_a_plain_function_that_uses_the_manager(device: Callable[..., SyncManager]) -> None:
    phone, laptop = device("phone"), device("laptop")
    phone.save_document("n", "one", {"text": "begin"})
    for each in (phone, laptop):
        each.sync_now()
    shown: list[object] = []

    @laptop.on_conflict
    def both_texts(conflict: object) -> dict[str, str]:
        shown.append((laptop.get_document("n", "one") or {})["text"])
        return {"text": "phone and laptop"}

    phone.save_document("n", "one", {"text": "phone"})
    laptop.save_document("n", "one", {"text": "laptop"})
    phone.sync_now()
    laptop.sync_now()
    laptop.conflicts_handled()
    assert shown == ["laptop"]
    assert (laptop.get_document("n", "one") or {})["text"] == "phone and laptop"
