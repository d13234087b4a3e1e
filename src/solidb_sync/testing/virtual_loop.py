"""An asyncio event loop on which time is a number: it never waits, it jumps to the next timer.

One rule: the order of everything is the order in which it was asked for. Callbacks run first in, first out; timers
run by time and, at the same time, by the order they were set; tasks take their names, and their places in a set, from
a counter of the loop. There is no selector, no socket and no thread, so one coroutine does the same things twice.

A program that can never go on is an error, not a hang: `DeadlockError` when nothing is ready and no timer is set,
`LivelockError` when the loop has gone round more often than it was allowed to.

    >>> async def sleep_for_a_day() -> float:
    ...     await asyncio.sleep(86_400)
    ...     return asyncio.get_running_loop().time()
    >>> run(sleep_for_a_day())
    86400.0
"""

# ruff: noqa: D102 - what the methods of an event loop do is asyncio's to say

import asyncio
import heapq
import sys
import threading
import weakref
from asyncio import events
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from contextlib import contextmanager
from contextvars import Context, copy_context
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    # The same methods, but typed as written, so that a loop without sockets and processes may be made.
    from asyncio import BaseEventLoop as EventLoop
else:
    from asyncio import AbstractEventLoop as EventLoop

Result = TypeVar("Result")

ITERATIONS_MAX = 1_000_000
"""How often a loop may go round before it is taken for one that will never end."""

CLEANUP_ITERATIONS_MAX = 10_000
"""How often it may go round once more for cancelled tasks to end."""

WALL_CLOCK_START = datetime(2026, 1, 1, tzinfo=UTC)
"""What an unskewed clock says when the loop's time is zero."""


class DeadlockError(RuntimeError):
    """Nothing is ready and no timer is set, but the main task is unfinished."""


class LivelockError(RuntimeError):
    """The loop went round more often than its limit."""


class VirtualClock:
    """A device's clock: the loop's time, seen with an offset that can jump as people's clocks do."""

    def __init__(self, loop: "VirtualClockLoop", offset_seconds: float = 0) -> None:
        self._loop = loop
        self.offset_seconds = offset_seconds

    def now(self) -> datetime:
        """Return the wall clock, in UTC."""
        return WALL_CLOCK_START + timedelta(seconds=self._loop.time() + self.offset_seconds)

    def now_ms(self) -> int:
        """Return the wall clock in whole milliseconds since 1970."""
        seconds = self._loop.time() + self.offset_seconds
        return int(WALL_CLOCK_START.timestamp()) * 1000 + round(seconds * 1000)

    def monotonic(self) -> float:
        """Return seconds since the loop began; jumps and offsets do not show."""
        return self._loop.time()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward, or back by a negative number."""
        self.offset_seconds += seconds


class NumberedTask(asyncio.Task[Any]):
    """A task whose place in a set, as in task groups and in what `wait` returns, does not depend on its address.

    It tells its `context`, which `asyncio.Task` does only from Python 3.12 on.
    """

    def __init__(
        self, number: int, coroutine: Coroutine[Any, Any, Any], *, context: Context | None = None, **options: Any
    ) -> None:
        self._number = number
        self.context = copy_context() if context is None else context
        super().__init__(coroutine, context=self.context, **options)

    def __hash__(self) -> int:
        return self._number


def run(main: Coroutine[Any, Any, Result], *, loop: "VirtualClockLoop | None" = None) -> Result:
    """Run a coroutine to its end on a virtual loop, then cancel what is left and close the loop.

    Raises what the coroutine raises, `DeadlockError` or `LivelockError`; and, where it returned, an
    `ExceptionGroup` of the errors in tasks and callbacks that nothing awaited.
    """
    loop = loop or VirtualClockLoop()
    try:
        result: Result = loop.run_until_complete(main)
    finally:
        loop.cancel_everything()
        loop.close()
    if loop.unhandled_errors:
        raise ExceptionGroup("raised where nothing awaited them", loop.unhandled_errors)
    return result


class VirtualClockLoop(EventLoop):
    """The loop: what asyncio's own tasks, futures, locks, queues and timeouts need, and no more."""

    def __init__(self, *, iterations_max: int = ITERATIONS_MAX) -> None:
        self.clock = VirtualClock(self)
        self.iterations_max = iterations_max
        self.iterations = 0
        self.unhandled_errors: list[Exception] = []
        self._time = 0.0
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_numbers = count()
        self._task_numbers = count(1)
        self._generators: weakref.WeakValueDictionary[int, AsyncGenerator[Any, Any]] = weakref.WeakValueDictionary()
        self._generator_numbers = count()
        self._thread_id = threading.get_ident()
        self._is_running = False
        self._is_closed = False

    # Running.

    def run_until_complete(self, future: Any) -> Any:
        """Run until the future or coroutine is done and return its result."""
        main: asyncio.Future[Any] = asyncio.ensure_future(future, loop=self)
        with self._running():
            while not main.done():
                self._go_round()
        return main.result()

    def is_running(self) -> bool:
        return self._is_running

    def is_closed(self) -> bool:
        return self._is_closed

    def close(self) -> None:
        """Forget everything that was scheduled."""
        self._is_closed = True
        self._ready.clear()
        self._timers.clear()

    def cancel_everything(self) -> None:
        """Cancel the tasks and close the asynchronous generators that are left, and let them end."""
        self.iterations_max = self.iterations + CLEANUP_ITERATIONS_MAX
        try:
            self.run_until_complete(self._end_everything(self._unfinished_tasks()))
        except (DeadlockError, LivelockError) as error:
            self.unhandled_errors.append(error)

    async def _end_everything(self, tasks: list[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                self.unhandled_errors.append(outcome)
        await self.shutdown_asyncgens()

    async def shutdown_asyncgens(self) -> None:
        for _, generator in sorted(self._generators.items()):
            await generator.aclose()

    def _go_round(self) -> None:
        """Run what is ready now; if nothing is, move time to the next timer first."""
        self.iterations += 1
        if self.iterations > self.iterations_max:
            raise LivelockError(f"no end after {self.iterations_max} iterations, {self._describe()}")
        self._collect_due_timers()
        if not self._ready:
            raise DeadlockError(f"nothing is ready and no timer is set, {self._describe()}")
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            if not handle.cancelled():
                handle._run()  # as every event loop does: it reports to call_exception_handler
            del handle  # or the traceback of a reported error would keep a failed task from being reported

    def _collect_due_timers(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if timers and not self._ready:
            self._time = max(self._time, timers[0][0])
        while timers and timers[0][0] <= self._time:
            self._ready.append(heapq.heappop(timers)[2])

    @contextmanager
    def _running(self) -> Generator[None]:
        if self._is_closed or self._is_running:
            raise RuntimeError(f"this loop is already {'closed' if self._is_closed else 'running'}")
        former_hooks = sys.get_asyncgen_hooks()
        self._is_running = True
        events._set_running_loop(self)
        sys.set_asyncgen_hooks(firstiter=self._remember_generator, finalizer=self._close_generator)
        try:
            yield
        finally:
            sys.set_asyncgen_hooks(*former_hooks)
            events._set_running_loop(None)
            self._is_running = False

    def _remember_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        self._generators[next(self._generator_numbers)] = generator

    def _close_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if not self._is_closed:
            self.call_soon(self.create_task, generator.aclose())

    def _unfinished_tasks(self) -> list[asyncio.Task[Any]]:
        return sorted(asyncio.all_tasks(self), key=hash)

    def _describe(self) -> str:
        tasks = [f"{task.get_name()} in {_coroutine_name(task)}" for task in self._unfinished_tasks()]
        return f"at {self._time} s; unfinished: {', '.join(tasks) or 'no task'}"

    # Scheduling.

    def time(self) -> float:
        return self._time

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        if self._is_closed:
            raise RuntimeError("this loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() != self._thread_id:
            raise RuntimeError("a thread called into the virtual loop: its timing would differ from run to run")
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._time + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        if self._is_closed:
            raise RuntimeError("this loop is closed")
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._timer_numbers), timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: object = None, **options: Any) -> asyncio.Task[Any]:
        """Start a task; without a name it is called by its number on this loop."""
        number = next(self._task_numbers)
        return NumberedTask(number, coro, loop=self, name=f"task-{number}" if name is None else str(name), **options)

    def run_in_executor(self, executor: object, func: Callable[..., Result], *args: Any) -> asyncio.Future[Result]:  # type: ignore[override]
        """Call the function here and now: there are no threads."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:  # noqa: BLE001 - as a thread does: it belongs to whoever awaits it
            future.set_exception(error)
        return future

    async def shutdown_default_executor(self) -> None:
        return

    # What handles and tasks ask of their loop.

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Leave a cancelled timer where it is; it is skipped when its time comes."""

    def get_debug(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep an error that nothing awaited for `run` to raise."""
        error = context.get("exception")
        self.unhandled_errors.append(error if isinstance(error, Exception) else RuntimeError(context["message"]))


def _coroutine_name(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", "an awaitable")
