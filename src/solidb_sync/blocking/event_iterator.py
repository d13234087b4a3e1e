"""An ordinary iterator over what a manager's asynchronous one gives: events, or the results of a query that is watched."""

from __future__ import annotations

import concurrent.futures
import threading
import weakref
from collections.abc import Iterator
from functools import partial
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

from solidb_sync.blocking.loop_thread import LoopThread
from solidb_sync.errors import ConfigError

Event = TypeVar("Event")
Given = TypeVar("Given", covariant=True)


class Source(Protocol[Given]):
    """An asynchronous iterator that can be told to end."""

    async def __anext__(self) -> Given:
        """Return the next event."""

    def end(self) -> None:
        """End the iteration."""


class _End:
    """Stands for the end of an iteration on its way from one thread to another."""


_END = _End()


class EventIterator(Iterator[Event], Generic[Event]):
    """An iterator that waits for the next event, listening from the moment it is made.

    It ends with the manager's `stop`, with `close` (from any thread, or at the end of a `with` block), when nobody refers to
    it any more, and when nothing comes for `timeout` seconds. Several threads may read it; each event goes to one of them.
    An interrupted wait (Ctrl-C) loses nothing.
    """

    def __init__(self, thread: LoopThread, source: Source[Event], *, timeout: float | None = None) -> None:
        self._thread = thread
        self._source = source
        self._timeout = timeout
        self._reading = threading.Lock()
        self._coming: concurrent.futures.Future[Event | _End] | None = None
        self._has_ended = False
        weakref.finalize(self, thread.call_soon, source.end).atexit = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Event:
        self._thread.check_may_wait("next")
        with self._reading:
            found = _END if self._has_ended else self._wait()
        if isinstance(found, _End):
            self._has_ended = True
            raise StopIteration
        return found

    def _wait(self) -> Event | _End:
        coming = self._coming = self._coming or self._thread.submit(partial(_next_of, self._source))
        concurrent.futures.wait([coming], self._timeout)  # whoever is interrupted here finds `_coming` the next time
        if not coming.done():
            self.close()  # then it is the end, or what came at the last moment
        self._coming = None
        try:
            return coming.result()
        except concurrent.futures.CancelledError:
            return _END  # the thread has ended

    def close(self) -> None:
        """Stop listening: what has come is still given, then the iteration ends, also for a thread that waits for it."""
        self._thread.call_now(self._source.end, what="close")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


async def _next_of(source: Source[Event]) -> Event | _End:
    try:
        return await source.__anext__()
    except StopAsyncIteration:
        return _END


def checked_timeout(timeout: Any) -> float | None:
    """Return a number of seconds or None; raises `ConfigError` for anything else."""
    is_number = isinstance(timeout, (int, float)) and not isinstance(timeout, bool)
    if timeout is not None and not (is_number and 0 <= timeout <= threading.TIMEOUT_MAX):
        raise ConfigError(f"timeout: expected seconds from 0 up, or None to wait as long as it takes, found {timeout!r}")
    return timeout if timeout is None else float(timeout)
