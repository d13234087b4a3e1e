"""Group commit: many callers, one commit; each is answered for its own work, and only after the disk."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from solidb_sync.errors import StorageError
from solidb_sync.storage import committer as committer_module
from solidb_sync.storage.committer import Committer, InlineCommitter, MemoryCommitter, ThreadCommitter, Transactions
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import open_memory_engine
from solidb_sync.testing.engine_samples import live

WAIT_SECONDS = 2.0
"""How long a caller may be left without an answer: far more than any needs here."""


class Journal:
    """Transactions over a list: what is committed stays. `failing` verbs raise."""

    def __init__(self, *failing: str) -> None:
        self.committed: list[object] = []
        self.commits = 0
        self.failing = set(failing)
        self._working: list[object] = []
        self._mark = 0

    def write(self, entry: object) -> object:
        """Write in the open transaction."""
        self._working.append(entry)
        return entry

    def begin(self) -> None:
        self._fail("begin")
        self._working = []

    def commit(self) -> None:
        self._fail("commit")
        self.committed += self._working
        self.commits += 1
        self._working = []

    def rollback(self) -> None:
        self._working = []
        self._fail("rollback")

    def savepoint(self) -> None:
        self._mark = len(self._working)

    def release(self) -> None:
        """Keep what was done."""

    def rollback_to_savepoint(self) -> bool:
        del self._working[self._mark :]
        return True

    def _fail(self, verb: str) -> None:
        if verb in self.failing:
            raise StorageError(f"{verb} fails")


@pytest.fixture(params=[InlineCommitter, MemoryCommitter, ThreadCommitter])
def kind(request: pytest.FixtureRequest) -> Callable[[Transactions], Committer]:
    """Return each kind of committer."""
    return request.param  # type: ignore[no-any-return]


def finished(work: Callable[[], object]) -> list[object]:
    """Run `work` on a thread; return what it returned or raised, nothing when it has not ended in time."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(work())
        except Exception as problem:  # noqa: BLE001 - the test looks at it
            outcome.append(problem)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(WAIT_SECONDS)
    return outcome


def fails() -> None:
    """Do what work must not."""
    raise KeyError("mine")


def held_up(committer: ThreadCommitter) -> tuple[threading.Event, threading.Thread]:
    """Hold the committer's thread in a piece of work, so that what comes next makes one group; return the way out."""
    entered, leave = threading.Event(), threading.Event()

    def block() -> None:
        entered.set()
        assert leave.wait(WAIT_SECONDS)

    thread = threading.Thread(target=lambda: committer.run_blocking(block))
    thread.start()
    assert entered.wait(WAIT_SECONDS)
    return leave, thread


def test_the_result_of_work_is_returned_after_its_commit(kind: Callable[[Transactions], Committer]) -> None:
    """And what it wrote is there then."""
    journal = Journal()
    with closing(kind(journal)) as committer:
        assert committer.run_blocking(lambda: journal.write("a")) == "a"
        assert journal.committed == ["a"]
        assert asyncio.run(committer.run(lambda: journal.write("b"))) == "b"
        assert journal.committed == ["a", "b"]


def test_work_that_raises_takes_back_only_itself(kind: Callable[[Transactions], Committer]) -> None:
    """The error reaches its caller as it was, and the committer goes on."""
    journal = Journal()

    def half_done() -> None:
        journal.write("half")
        fails()

    with closing(kind(journal)) as committer:
        committer.run_blocking(lambda: journal.write("a"))
        with pytest.raises(KeyError, match="mine"):
            committer.run_blocking(half_done)
        committer.run_blocking(lambda: journal.write("b"))
    assert journal.committed == ["a", "b"]


def test_callers_that_wait_share_a_commit_and_one_failure_is_its_own_callers() -> None:
    """Whatever stands before or after it in the group."""
    journal = Journal()

    async def group(committer: ThreadCommitter) -> list[object]:
        works = [committer.run(lambda number=number: journal.write(number)) for number in range(20)]  # type: ignore[misc]
        works.insert(10, committer.run(lambda: (journal.write("half"), fails())))
        tasks = [asyncio.ensure_future(work) for work in works]
        await asyncio.sleep(0)
        leave.set()
        return list(await asyncio.gather(*tasks, return_exceptions=True))

    with closing(ThreadCommitter(journal)) as committer:
        leave, thread = held_up(committer)
        results = asyncio.run(group(committer))
        thread.join()
    assert [result for result in results if not isinstance(result, KeyError)] == list(range(20))
    assert isinstance(results[10], KeyError)
    assert journal.committed == list(range(20))
    assert journal.commits == 2


def test_many_threads_commit_each_its_own(tmp_path: Path) -> None:
    """On real files: every save that returned is there, every one that raised is not."""
    outcomes: dict[str, bool] = {}

    def save(store: LocalStore, name: str) -> None:
        for number in range(10):
            key = f"{name}{number}"

            def work(engine: object, key: str = key, bad: bool = number % 3 == 1) -> None:
                engine.put_row("notes", key, live())  # type: ignore[attr-defined]
                if bad:
                    fails()

            try:
                store.transact(work)
                outcomes[key] = True
            except KeyError:
                outcomes[key] = False

    with LocalStore.open(tmp_path / "store.db", "phone", durability="normal") as store:
        threads = [threading.Thread(target=save, args=(store, name)) for name in "abcdefgh"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = {key for key, _, _ in store.list_documents("notes")}
    assert len(outcomes) == 80
    assert kept == {key for key, was_saved in outcomes.items() if was_saved}


def left_behind(make: Callable[[Transactions], Committer]) -> list[object]:
    """Run the same works through a committer, some of which fail; return every outcome and what is there."""
    engine = open_memory_engine("phone", bytes)

    def work(number: int) -> int:
        engine.put_row("notes", str(number % 5), live(f'{{"n":{number}}}'))
        engine.next_dot()
        if number % 4 == 3:
            fails()
        return engine.replica().counter

    with closing(make(engine)) as committer:
        outcomes = [finished(lambda number=number: committer.run_blocking(lambda: work(number))) for number in range(12)]  # type: ignore[misc]
    return [repr(outcomes), list(engine.all_rows("notes")), engine.replica()]


def test_both_committers_leave_the_same_behind() -> None:
    """Thread or not is a matter of speed alone."""
    assert left_behind(InlineCommitter) == left_behind(ThreadCommitter)


def test_nothing_is_written_after_a_commit_that_failed(kind: Callable[[Transactions], Committer]) -> None:
    """Nobody knows what is on the disk then: every later caller is told to open the database again."""
    journal = Journal("commit")
    with closing(kind(journal)) as committer:
        assert [str(problem) for problem in finished(lambda: committer.run_blocking(lambda: journal.write("a")))] == [
            "commit fails"
        ]
        journal.failing.clear()
        (problem,) = finished(lambda: committer.run_blocking(lambda: journal.write("b")))
    assert isinstance(problem, StorageError)
    assert "open it again" in str(problem)
    assert journal.committed == []


def test_a_rollback_that_fails_too_leaves_no_caller_waiting(kind: Callable[[Transactions], Committer]) -> None:
    """The disk may fail twice in a row."""
    journal = Journal("commit", "rollback")
    with closing(kind(journal)) as committer:
        for _ in range(2):
            outcomes = finished(lambda: committer.run_blocking(lambda: journal.write("a")))
            assert [type(problem) for problem in outcomes] == [StorageError]
    assert journal.committed == []


def test_a_rollback_that_fails_in_no_way_of_ours_leaves_no_caller_waiting() -> None:
    """The thread outlives it: who asks afterwards is told to open the database again."""

    class Closed(Journal):
        def rollback(self) -> None:
            raise RuntimeError("the connection has been closed")

    with closing(ThreadCommitter(Closed("begin"))) as committer:
        first, later = (finished(lambda: committer.run_blocking(fails)) for _ in range(2))
    assert [type(problem) for problem in (*first, *later)] == [StorageError, StorageError]
    assert "open it again" in str(later[0])


def test_a_begin_that_fails_is_the_callers_error(kind: Callable[[Transactions], Committer]) -> None:
    """And work does not run."""
    journal = Journal("begin")
    with closing(kind(journal)) as committer:
        outcomes = finished(lambda: committer.run_blocking(lambda: journal.write("a")))
    assert [type(problem) for problem in outcomes] == [StorageError]


def test_a_closed_committer_refuses_and_has_done_what_was_queued(kind: Callable[[Transactions], Committer]) -> None:
    """Closing waits for the queue."""
    journal = Journal()
    committer = kind(journal)
    committer.run_blocking(lambda: journal.write("a"))
    committer.close()
    committer.close()
    with pytest.raises(StorageError, match="closed"):
        committer.run_blocking(lambda: journal.write("b"))
    assert journal.committed == ["a"]


def test_what_was_queued_before_closing_is_committed() -> None:
    """Although the thread was busy."""
    journal = Journal()
    committer = ThreadCommitter(journal)
    leave, thread = held_up(committer)

    async def queue_and_close() -> object:
        task = asyncio.ensure_future(committer.run(lambda: journal.write("queued")))
        await asyncio.sleep(0)
        closing_thread = threading.Thread(target=committer.close)
        closing_thread.start()
        leave.set()
        result = await task
        closing_thread.join()
        return result

    assert asyncio.run(queue_and_close()) == "queued"
    thread.join()
    assert journal.committed == ["queued"]


def test_a_write_that_meets_the_closing_half_way_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Committed or refused, but never left waiting."""
    journal = Journal()
    committer = ThreadCommitter(journal)
    check = committer_module._check_usable
    closers: list[threading.Thread] = []

    def check_and_then_close(*arguments: object) -> None:
        check(*arguments)  # type: ignore[arg-type]
        closers.append(threading.Thread(target=committer.close))
        closers[-1].start()
        closers[-1].join(0.2)

    monkeypatch.setattr(committer_module, "_check_usable", check_and_then_close)
    outcomes = finished(lambda: committer.run_blocking(lambda: journal.write("a")))
    assert len(outcomes) == 1
    assert journal.committed == [outcome for outcome in outcomes if outcome == "a"]
    closers[0].join(WAIT_SECONDS)


def test_work_that_writes_through_the_committer_itself_is_refused() -> None:
    """It would wait for itself: a mistake in this package, so an assertion says so."""
    journal = Journal()
    committer = ThreadCommitter(journal)
    outcomes = finished(lambda: committer.run_blocking(lambda: committer.run_blocking(lambda: journal.write("inner"))))
    assert [type(problem) for problem in outcomes] == [AssertionError]
    committer.close()
    assert journal.committed == []


def test_a_cancelled_caller_has_its_work_done_all_the_same() -> None:
    """And the others are answered."""
    journal = Journal()

    async def cancel(committer: ThreadCommitter) -> object:
        first = asyncio.ensure_future(committer.run(lambda: journal.write("first")))
        second = asyncio.ensure_future(committer.run(lambda: journal.write("second")))
        await asyncio.sleep(0)
        first.cancel()
        leave.set()
        return await second

    with closing(ThreadCommitter(journal)) as committer:
        leave, thread = held_up(committer)
        assert asyncio.run(cancel(committer)) == "second"
        thread.join()
    assert journal.committed == ["first", "second"]


def test_one_who_writes_to_memory_without_end_lets_others_have_their_turn() -> None:
    """Commits there never wait for anything, and yet a heartbeat goes on."""
    journal = Journal()
    beats = []

    async def write_until_beaten(committer: Committer) -> None:
        async def beat() -> None:
            beats.append(len(journal.committed))

        beating = asyncio.create_task(beat())
        for _ in range(1_000):
            await committer.run(lambda: journal.write("a"))
        await beating

    asyncio.run(write_until_beaten(MemoryCommitter(journal)))
    assert len(beats) == 1
    assert beats[0] < 100


def test_a_store_in_memory_needs_no_thread() -> None:
    """So that a thousand of them are cheap; and its long reads may be moved to one all the same."""
    before = threading.active_count()
    with LocalStore.open(":memory:", "device", engine="memory") as store:
        store.put_document("notes", "one", {"number": 1}, {"device": 1})
        assert threading.active_count() == before
        assert store.scans_in_threads
