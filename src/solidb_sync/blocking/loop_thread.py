"""The thread of one manager, with an event loop of its own, and how other threads have work done there.

It starts with the first work and ends with `end`, or with the program. The loop outlives its thread: a manager that is used
again after it was stopped gets a new thread for the same loop, since what was made on a loop belongs to that loop.

Three ways of waiting for ever are errors instead: waiting on the thread itself, waiting in a forked process (which has no
such thread), and waiting for work that was under way when the thread ended.
"""

from __future__ import annotations

import asyncio
import atexit
import concurrent.futures
import logging
import os
import sys
import threading
import weakref
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from solidb_sync.blocking.daemon_threads import DaemonThreads
from solidb_sync.client.sync_manager import STOP_SECONDS_MAX
from solidb_sync.errors import SyncError, SyncStoppedError

THREAD_NAME = "solidb sync"
END_SECONDS_MAX = 2 * STOP_SECONDS_MAX + 1
"""How long each step of ending may take: the last work, the calls under way, the thread."""

Result = TypeVar("Result")
Work = Callable[[], Coroutine[Any, Any, Result]]

_logger = logging.getLogger("solidb_sync")


class _LoopUse:
    """Who may use a loop: its thread, or whoever closes it. Outlives the `LoopThread` in what closes the loop."""

    def __init__(self) -> None:
        self.changing = threading.Lock()
        self.has_thread = False
        self.is_over = False


class LoopThread:
    """Runs coroutines for other threads. `last` is what it does before it ends."""

    def __init__(self, last: Work[None]) -> None:
        self._last = last
        self._process = os.getpid()
        self._use = _LoopUse()
        self._thread: threading.Thread | None = None
        self._is_ending = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._under_way: set[asyncio.Task[Any]] = set()

    @property
    def is_current(self) -> bool:
        """True for code that runs on this thread."""
        return threading.current_thread() is self._thread

    def call(self, work: Work[Result], *, what: str, seconds_max: float | None = None) -> Result:
        """Have work done and return its result, or raise what it raises; `TimeoutError` when it takes too long.

        Work that nobody waits for any more, because the time is up or the waiting was interrupted, is cancelled.
        """
        self.check_may_wait(what)
        future = self.submit(work)
        try:
            return future.result(seconds_max)
        except concurrent.futures.CancelledError:
            raise SyncStoppedError(f"{what}: the manager was stopped before this was done") from None
        except TimeoutError:
            if future.done():
                return future.result()
            raise TimeoutError(f"{what}: not done within {seconds_max} s") from None
        finally:
            future.cancel()

    def call_now(self, function: Callable[[], Result], *, what: str) -> Result:
        """Call a function that does not wait, on this thread; from this thread too."""
        if self.is_current:
            return function()

        async def work() -> Result:
            return function()

        return self.call(work, what=what)

    def submit(self, work: Work[Result]) -> concurrent.futures.Future[Result]:
        """Have work begun, without waiting for it. At the very end of the program it is cancelled at once."""
        self._check_process()
        with self._use.changing:
            if self._use.is_over:
                return _cancelled()
            loop = self._begun()
            return asyncio.run_coroutine_threadsafe(self._counted(work), loop)

    def call_soon(self, function: Callable[[], object]) -> None:
        """Have a function called if the thread runs; for the garbage collector, which may interrupt anything."""
        loop = self._loop
        if loop is not None and self._process == os.getpid():
            with suppress(RuntimeError):  # it is closed, and what was on it is gone
                loop.call_soon_threadsafe(function)

    def check_may_wait(self, what: str) -> None:
        """Raise `SyncError` on the thread itself: what waits for the thread would keep it from ever doing the work."""
        if self.is_current:
            raise SyncError(
                f"{what}: called from a callback, on the manager's own thread, where it would wait for itself; "
                "hand the event to another thread (a queue, a signal), or send a command with send_nowait"
            )

    def end(self) -> None:
        """Do the last work, wait for what is under way, and end the thread; harmless to repeat.

        In a forked process it does nothing: nothing of it runs there. Raises `TimeoutError` when the thread is held up.
        """
        if self._process != os.getpid():
            return
        self.call(self._last, what="stop", seconds_max=END_SECONDS_MAX)
        with self._use.changing:
            thread, loop = self._thread, self._loop
            if thread is None or loop is None:
                return  # somebody else has ended it meanwhile
            asyncio.run_coroutine_threadsafe(self._finish(), loop).result(END_SECONDS_MAX)
            self._is_ending = True
            loop.call_soon_threadsafe(loop.stop)
            self._join(thread)

    def _join(self, thread: threading.Thread) -> None:
        thread.join(END_SECONDS_MAX)
        if thread.is_alive():
            raise TimeoutError("stop: the manager's thread is held up by a callback that does not return")
        self._thread, self._is_ending = None, False
        self._use.has_thread = False
        atexit.unregister(self._at_exit)

    def _check_process(self) -> None:
        if self._process != os.getpid():
            raise SyncError(
                f"this manager was made in process {self._process}, and process {os.getpid()} is a fork without its thread; "
                "open a store and make a manager in each process, after the fork"
            )

    def _begun(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = _new_loop()
            weakref.finalize(self, _close, self._loop, self._process, self._use)
        if self._thread is not None and self._is_ending:
            self._join(self._thread)  # whoever asked for its end was interrupted
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, args=(self._loop,), name=THREAD_NAME, daemon=True)
            self._use.has_thread = True
            self._thread.start()
            atexit.register(self._at_exit)  # after `finalize`, so that it comes before it
        return self._loop

    def _serve(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            try:
                loop.run_forever()
            except (KeyboardInterrupt, SystemExit):  # the loop lets them through; here they would end everybody's thread
                _logger.exception("a callback asked for the end of the program on the sync thread, which goes on")
            else:
                return

    async def _counted(self, work: Work[Result]) -> Result:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        try:
            return await work()
        finally:
            self._under_way.discard(task)

    async def _finish(self) -> None:
        """Let the calls under way come to their end; those that don't in time are cancelled."""
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=STOP_SECONDS_MAX)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=STOP_SECONDS_MAX)

    def _at_exit(self) -> None:
        """End with the program, which waits for this no longer than the bounds say."""
        try:
            self.end()
        except Exception:
            _logger.exception("the manager could not be stopped in order at the end of the program")


def _new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop of the platform's usual kind, whatever the app's policy makes: that may belong to a window system."""
    loop: asyncio.AbstractEventLoop
    if sys.platform == "win32":
        loop = asyncio.ProactorEventLoop()
    else:
        loop = asyncio.SelectorEventLoop()
    loop.set_default_executor(DaemonThreads())
    return loop


def _cancelled() -> concurrent.futures.Future[Any]:
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()
    future.cancel()
    future.set_running_or_notify_cancel()  # those who wait are told only by this
    return future


def _close(loop: asyncio.AbstractEventLoop, process: int, use: _LoopUse) -> None:
    """Close a loop that nobody can use any more; a fork shares its descriptors and leaves them alone.

    A daemon thread may begin the loop's thread again while the program ends; then both end with the program.
    """
    if process != os.getpid():
        return
    with use.changing:
        if not use.has_thread:
            use.is_over = True
            loop.close()
