"""Group commit: many small transactions from many callers, one flush to the disk.

All writing to one database goes through one committer. `ThreadCommitter` owns a thread; while it waits for the disk, the
next callers queue up, and all of them share the next commit. A piece of work that raises takes back only itself: the group
is taken back and run again, this time with a savepoint around each piece. So work may run twice, and must do nothing but
read and write the database. Nobody is answered before the commit, so an answer means durable. `InlineCommitter` commits
every piece of work at once, on the caller's thread: for a simulation, or a program that wants no threads; `MemoryCommitter`
does so for an engine without a disk, where there is no flush to share and nothing to wait for.

A commit that failed at the disk leaves no way to know what is there, so the committer refuses everything after it: the
database has to be opened again.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from msgspec import Struct

from solidb_sync.errors import StorageError, StorageFullError

Result = TypeVar("Result")

QUEUE_MAX = 100_000
GROUP_MAX = 1_000
CLOSE_TIMEOUT_SECONDS = 30.0
COMMITS_IN_A_ROW_MAX = 16
"""How many commits in memory follow each other before the other tasks of the event loop have a turn."""


class Transactions(Protocol):
    """What a committer needs of a database."""

    def begin(self) -> None:
        """Begin a write transaction."""

    def commit(self) -> None:
        """Make it durable, or raise `StorageError`."""

    def rollback(self) -> None:
        """Take it back; harmless when there is none."""

    def savepoint(self) -> None:
        """Mark a place inside the transaction."""

    def release(self) -> None:
        """Keep what was done since the mark."""

    def rollback_to_savepoint(self) -> bool:
        """Take back what was done since the mark; False when the whole transaction is gone with it."""


class Committer(Protocol):
    """Runs work inside transactions of one database."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a transaction and return its result after the commit."""

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Do the same for a caller without an event loop."""

    def run_alone(self, work: Callable[[], Result]) -> Result:
        """Run `work` outside of any transaction, between those asked for earlier and later."""

    def close(self) -> None:
        """Finish what is queued and refuse what comes later."""


class _Entry(Struct):
    work: Callable[[], Any]
    future: asyncio.Future[Any] | concurrent.futures.Future[Any]
    loop: asyncio.AbstractEventLoop | None
    result: Any = None
    error: BaseException | None = None
    is_alone: bool = False


class InlineCommitter:
    """One transaction a call, on the caller's thread."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._broken: StorageError | None = None
        self._closed = False

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a transaction of its own."""
        return self.run_blocking(work)

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a transaction of its own."""
        _check_usable(self._closed, self._broken)
        self._transactions.begin()
        try:
            result = work()
        except BaseException:
            self._transactions.rollback()
            raise
        try:
            self._transactions.commit()
        except StorageError as problem:
            self._broken = None if isinstance(problem, StorageFullError) else problem
            self._transactions.rollback()
            raise
        return result

    def run_alone(self, work: Callable[[], Result]) -> Result:
        """Run `work` outside of a transaction."""
        _check_usable(self._closed, self._broken)
        return work()

    def close(self) -> None:
        """Refuse what comes later."""
        self._closed = True


class MemoryCommitter(InlineCommitter):
    """The same for an engine in memory, which keeps threads apart by itself.

    Work never waits here, so a caller that goes on and on gives way to the other tasks of its event loop now and then.
    """

    def __init__(self, transactions: Transactions) -> None:
        super().__init__(transactions)
        self._in_a_row = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in a transaction of its own."""
        self._in_a_row += 1
        if self._in_a_row >= COMMITS_IN_A_ROW_MAX:
            self._in_a_row = 0
            await asyncio.sleep(0)
        return self.run_blocking(work)


class ThreadCommitter:
    """A thread that owns the writing connection and commits in groups.

    What the tasks of an event loop ask for in one turn of the loop travels to the thread together, so that the thread does
    not wake for the first of a hundred saves and then compete with the loop that is still preparing the others.
    """

    def __init__(self, transactions: Transactions, *, name: str = "committer") -> None:
        self._transactions = transactions
        self._queue: queue.SimpleQueue[list[_Entry] | None] = queue.SimpleQueue()
        self._gathered: dict[asyncio.AbstractEventLoop, list[_Entry]] = {}
        self._closing = threading.Lock()
        self._waiting = 0
        self._broken: StorageError | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` in the next group and return its result after that group's commit.

        A caller that is cancelled no longer waits, but the work is done all the same.
        """
        _check_usable(self._closed, self._broken)
        loop = asyncio.get_running_loop()
        entry = _Entry(work, loop.create_future(), loop)
        gathered = self._gathered.get(loop)
        if gathered is None:
            self._gathered[loop] = [entry]
            loop.call_soon(self._send_gathered, loop)
        else:
            gathered.append(entry)
        result: Result = await entry.future  # type: ignore[misc]
        return result

    def run_blocking(self, work: Callable[[], Result]) -> Result:
        """Do the same, blocking the calling thread."""
        assert threading.current_thread() is not self._thread, "work must not wait for other work"
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._put([_Entry(work, future, None)])
        return future.result()

    def run_alone(self, work: Callable[[], Result]) -> Result:
        """Run `work` on the thread, between two groups; blocks the calling thread."""
        assert threading.current_thread() is not self._thread, "work must not wait for other work"
        future: concurrent.futures.Future[Result] = concurrent.futures.Future()
        self._put([_Entry(work, future, None, is_alone=True)])
        return future.result()

    def close(self) -> None:
        """Commit what is queued, end the thread, refuse what comes later."""
        for loop in list(self._gathered):
            self._send_gathered(loop)
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._queue.put(None)
        if threading.current_thread() is not self._thread:
            self._thread.join(CLOSE_TIMEOUT_SECONDS)

    def _send_gathered(self, loop: asyncio.AbstractEventLoop) -> None:
        entries = self._gathered.pop(loop, [])
        try:
            if entries:
                self._put(entries)
        except StorageError as problem:
            for entry in entries:
                entry.error = problem
                _settle(entry)

    def _put(self, entries: list[_Entry]) -> None:
        with self._closing:
            _check_usable(self._closed, self._broken)
            if self._waiting >= QUEUE_MAX:
                raise StorageError(f"{QUEUE_MAX} writes are waiting for the disk; try again when it is less busy")
            self._waiting += len(entries)
            self._queue.put(entries)

    def _serve(self) -> None:
        is_last = False
        while not is_last:
            group, is_last = self._next_group()
            for part in _parts(group):
                if part[0].is_alone:
                    self._run_alone(part[0])
                else:
                    self._commit_group(part)
                _answer(part)

    def _next_group(self) -> tuple[list[_Entry], bool]:
        """Wait for work, and take with it whatever else is waiting by now."""
        group: list[_Entry] = []
        entries = self._queue.get()
        while entries is not None:
            group.extend(entries)
            if len(group) >= GROUP_MAX or self._queue.empty():
                break
            entries = self._queue.get()
        with self._closing:
            self._waiting -= len(group)
        return group, entries is None

    def _run_alone(self, entry: _Entry) -> None:
        try:
            _check_usable(False, self._broken)
            entry.result = entry.work()
        except BaseException as problem:  # noqa: BLE001 - the thread must live, and the caller must be answered
            entry.error = problem

    def _commit_group(self, group: list[_Entry]) -> None:
        try:
            if self._broken is not None:
                raise self._broken
            if not self._run_together(group):
                self._run_apart(group)
            self._transactions.commit()
        except BaseException as problem:  # noqa: BLE001 - the thread must live, and every caller must be answered
            self._give_up(group, problem)

    def _give_up(self, group: list[_Entry], problem: BaseException) -> None:
        """Take the group back and tell everybody; what can't be taken back breaks the committer."""
        if isinstance(problem, StorageError) and not isinstance(problem, StorageFullError):
            self._broken = problem
        try:
            self._transactions.rollback()
        except StorageError as worse:
            self._broken = worse
        except BaseException as worse:  # noqa: BLE001 - whatever it is, the thread must live, and every caller must be answered
            self._broken = StorageError(f"a transaction could not be taken back: {worse}")
        for entry in group:
            entry.error = entry.error or problem

    def _run_together(self, group: list[_Entry]) -> bool:
        """Run the group in one transaction; when any piece raises, take everything back and return False."""
        self._transactions.begin()
        try:
            for entry in group:
                entry.result = entry.work()
        except BaseException:  # noqa: BLE001 - it will be raised again, alone, and handed to the caller who asked
            self._transactions.rollback()
            return False
        return True

    def _run_apart(self, group: list[_Entry]) -> None:
        """Run the group in one transaction with a savepoint around each piece."""
        self._transactions.begin()
        for entry in group:
            self._transactions.savepoint()
            try:
                entry.result = entry.work()
            except BaseException as problem:
                entry.error = problem
                if not self._transactions.rollback_to_savepoint():
                    raise _lost(problem) from problem
            self._transactions.release()


def _parts(group: list[_Entry]) -> list[list[_Entry]]:
    """Return what is committed together, in order: no more than a group may have, and alone what wants to be."""
    parts: list[list[_Entry]] = []
    for entry in group:
        if entry.is_alone or not parts or parts[-1][0].is_alone or len(parts[-1]) >= GROUP_MAX:
            parts.append([])
        parts[-1].append(entry)
    return parts


def _lost(problem: BaseException) -> StorageError:
    """Return the error of a transaction that a failure took back whole; of a full disk, it is known what is there."""
    kind = StorageFullError if isinstance(problem, StorageFullError) else StorageError
    return kind(f"the transaction was lost: {problem}")


def _check_usable(closed: bool, broken: StorageError | None) -> None:
    if closed:
        raise StorageError("the database is closed")
    if broken is not None:
        raise StorageError(f"an earlier commit failed; close the database and open it again: {broken}") from broken


def _answer(group: list[_Entry]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Entry]] = {}
    for entry in group:
        if entry.loop is None:
            _settle(entry)
        else:
            by_loop.setdefault(entry.loop, []).append(entry)
    for loop, entries in by_loop.items():
        try:
            loop.call_soon_threadsafe(_settle_all, entries)
        except RuntimeError:
            continue  # that loop is closed: nobody waits any more


def _settle_all(entries: list[_Entry]) -> None:
    for entry in entries:
        _settle(entry)


def _settle(entry: _Entry) -> None:
    if entry.future.done():
        return
    if entry.error is not None:
        entry.future.set_exception(entry.error)
    else:
        entry.future.set_result(entry.result)
