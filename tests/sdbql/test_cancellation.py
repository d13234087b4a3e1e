"""A query stops when another thread says so."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import sdbql

WAIT_SECONDS_MAX = 20.0


class Endless:
    """A source that reports when it is read and has more documents than anybody waits for."""

    def __init__(self) -> None:
        self.is_read = threading.Event()

    def collections(self) -> list[str]:
        """Return the one collection."""
        return ["all"]

    def has_collection(self, name: str) -> bool:
        """Tell whether it is that one."""
        return name == "all"

    def scan(self, name: str) -> Iterator[dict[str, Any]]:
        """Yield a few documents."""
        self.is_read.set()
        return iter([{"n": n} for n in range(100)])


LONG = [
    "FOR a IN all FOR b IN all FOR c IN all FOR d IN all FOR e IN all FOR f IN all FILTER a.n + f.n < 0 RETURN 1",
    "RETURN MAP(all, a -> MAP(all, b -> MAP(all, c -> LENGTH(FILTER(all, d -> d.n < 0 AND 1..100 == 5)))))",
    "FOR a IN all LET x = (FOR b IN all FOR c IN all SORT b.n + c.n RETURN (FOR d IN all RETURN d)[0].n) RETURN 1",
]


@pytest.mark.parametrize("text", LONG)
def test_a_running_query_is_cancelled_from_another_thread(text: str) -> None:
    """Wherever it is: in a loop, in a lambda, in a subquery."""
    source, cancellation = Endless(), sdbql.Cancellation()
    limits = sdbql.Limits(steps_max=10**15, time_ms_max=10**9, rows_held_max=10**9)
    raised: list[BaseException] = []

    def work() -> None:
        try:
            sdbql.run(text, None, source, limits=limits, cancellation=cancellation)
        except sdbql.QueryError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    assert source.is_read.wait(WAIT_SECONDS_MAX)
    cancellation.cancel()
    thread.join(WAIT_SECONDS_MAX)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [sdbql.QueryCancelledError]
    assert str(raised[0]).startswith("Execution error: the query was cancelled")


def test_a_query_that_was_cancelled_before_does_not_begin() -> None:
    """Not even its data source is asked."""
    source, cancellation = Endless(), sdbql.Cancellation()
    cancellation.cancel()
    with pytest.raises(sdbql.QueryCancelledError):
        sdbql.run("FOR a IN all RETURN a", None, source, cancellation=cancellation)
    assert not source.is_read.is_set()


def test_a_cancellation_that_is_not_used_changes_nothing() -> None:
    """And the same one serves many queries."""
    cancellation = sdbql.Cancellation()
    query = sdbql.parse("FOR a IN 1..10000 FILTER a > 9998 RETURN a")
    assert query.run(cancellation=cancellation) == query.run(cancellation=cancellation) == [9999, 10000]


def test_callbacks_are_called_once_in_the_thread_that_cancels() -> None:
    """However often it cancels; one that was forgotten is not called, one that comes late at once."""
    cancellation, called = sdbql.Cancellation(), list[str]()

    def note(name: str) -> Callable[[], None]:
        return lambda: called.append(f"{name} in {threading.current_thread().name}")

    cancellation.on_cancel(note("first"))
    forget = cancellation.on_cancel(note("second"))
    forget()
    forget()
    thread = threading.Thread(target=cancellation.cancel, name="canceller")
    thread.start()
    thread.join(WAIT_SECONDS_MAX)
    cancellation.cancel()
    cancellation.on_cancel(note("late"))
    assert called == ["first in canceller", f"late in {threading.current_thread().name}"]


def test_forgetting_waits_for_a_callback_that_runs() -> None:
    """After it, what the callback interrupts may be used for something else."""
    cancellation = sdbql.Cancellation()
    is_inside, may_leave, has_left = threading.Event(), threading.Event(), threading.Event()

    def interrupt() -> None:
        is_inside.set()
        assert may_leave.wait(WAIT_SECONDS_MAX)
        has_left.set()

    forget = cancellation.on_cancel(interrupt)
    canceller = threading.Thread(target=cancellation.cancel)
    canceller.start()
    assert is_inside.wait(WAIT_SECONDS_MAX)
    was_over: list[bool] = []
    forgetter = threading.Thread(target=lambda: (forget(), was_over.append(has_left.is_set())))
    forgetter.start()
    may_leave.set()
    for thread in (canceller, forgetter):
        thread.join(WAIT_SECONDS_MAX)
    assert was_over == [True]
