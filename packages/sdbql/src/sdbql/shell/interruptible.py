"""Run a query in a thread of its own, so that Ctrl-C stops the query and not the shell."""

import threading
from collections.abc import Callable
from typing import TypeVar

from sdbql.cancellation import Cancellation

Result = TypeVar("Result")

LOOK_SECONDS = 0.5
"""How long a wait lasts at most where the system does not end it on Ctrl-C."""


def run_interruptibly(work: Callable[[Cancellation], Result]) -> Result:
    """Return what `work` returns; on KeyboardInterrupt cancel it, wait until it has stopped, and raise that."""
    cancellation = Cancellation()
    results: list[Result] = []
    problems: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work(cancellation))
        except BaseException as problem:  # noqa: BLE001 - raised again by the thread that waits
            problems.append(problem)

    thread = threading.Thread(target=run, name="query", daemon=True)
    try:
        thread.start()
        while thread.is_alive():
            thread.join(LOOK_SECONDS)
    except KeyboardInterrupt:
        cancellation.cancel()
        if thread.ident is not None:
            thread.join()
        raise
    if problems:
        raise problems[0]
    return results[0]
