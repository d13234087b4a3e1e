"""An executor whose threads hold up no program's end, and which works as long as the program does.

The standard one is of no use to a thread that outlives the main thread: from the moment the main thread ends it refuses new
calls, and the program waits for those that run. Scripts end in just that way, with `Thread(target=work).start()` as their
last line, and their queries have to work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

CALLS_AT_ONCE_MAX = 16

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class DaemonThreads(ThreadPoolExecutor):
    """Runs each call on a daemon thread of its own; past `CALLS_AT_ONCE_MAX` they wait for their turn.

    An event loop takes nothing but a `ThreadPoolExecutor` for its own, hence the base; nothing of it is used.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._room = threading.BoundedSemaphore(CALLS_AT_ONCE_MAX)

    def submit(
        self, function: Callable[Arguments, Result], /, *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Future[Result]:
        """Begin a call."""
        future: Future[Result] = Future()

        def run() -> None:
            with self._room:
                if not future.set_running_or_notify_cancel():
                    return
                try:
                    future.set_result(function(*args, **kwargs))
                except BaseException as problem:  # noqa: BLE001 - it is raised where the result is asked for
                    future.set_exception(problem)

        threading.Thread(target=run, name="sync work", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> Any:
        """Do nothing: there is nothing to wait for, and who waits for a call has its future."""
