"""The virtual loop: asyncio as written, time as a number, and an error where a real loop would hang."""

import asyncio
import random
import threading
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request as HttpRequest
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from solidb_sync.testing.faulty_network import Answer, Request, asgi_send
from solidb_sync.testing.virtual_loop import DeadlockError, LivelockError, VirtualClock, VirtualClockLoop, run


def test_a_day_of_sleep_takes_no_real_time() -> None:
    """Time jumps to the next timer instead of waiting for it."""

    async def main() -> float:
        await asyncio.sleep(86_400)
        return asyncio.get_running_loop().time()

    started = time.perf_counter()
    assert run(main()) == 86_400
    assert time.perf_counter() - started < 1


def test_timers_run_by_time_and_then_in_the_order_they_were_set() -> None:
    """Equal times are no reason for a different order."""

    async def main() -> list[str]:
        order: list[str] = []
        loop = asyncio.get_running_loop()
        for name, delay in [("c", 2), ("a", 1), ("d", 2), ("b", 1), ("first", 0)]:
            loop.call_later(delay, order.append, name)
        loop.call_later(1, order.append, "cancelled").cancel()
        loop.call_soon(order.append, "soon")
        await asyncio.sleep(3)
        return order

    assert run(main()) == ["soon", "first", "a", "b", "c", "d"]


async def _work_and_pass_on(rng: random.Random, trace: list[tuple[float, str, int]]) -> None:
    """Let five tasks with random pauses share a lock, an event and a queue, and write down what happens when."""
    loop, lock, started = asyncio.get_running_loop(), asyncio.Lock(), asyncio.Event()
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)

    async def produce(worker: int) -> None:
        await started.wait()
        for number in range(10):
            async with lock:
                await asyncio.sleep(rng.random())
            await queue.put(worker * 100 + number)
            task = asyncio.current_task()
            trace.append((loop.time(), task.get_name() if task else "", number))

    async def consume() -> None:
        for _ in range(40):
            trace.append((loop.time(), "got", await queue.get()))
            await asyncio.sleep(rng.random() / 2)

    loop.call_later(5, started.set)
    await asyncio.gather(*(produce(worker) for worker in range(4)), consume())


def test_one_seed_gives_the_same_trace_twice() -> None:
    """Times, names of tasks and the order of everything repeat; another seed gives another trace."""
    traces: list[list[tuple[float, str, int]]] = []
    for seed in (1, 1, 2):
        traces.append([])
        run(_work_and_pass_on(random.Random(seed), traces[-1]))
    assert len(traces[0]) == 80
    assert traces[0] == traces[1]
    assert traces[0] != traces[2]


def test_tasks_of_a_group_are_cancelled_in_the_same_order_each_time() -> None:
    """A task group keeps its tasks in a set, whose order would otherwise be that of their addresses."""

    async def main(noise: int) -> list[int]:
        order: list[int] = []

        async def wait_for_ever(number: int) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                order.append(number)

        kept = []

        async def wait_together() -> None:
            async with asyncio.TaskGroup() as group:
                for number in range(100):
                    group.create_task(wait_for_ever(number))
                    kept.append(bytes(noise * number))

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait_together(), 1)
        return order

    assert run(main(noise=0)) == run(main(noise=7))


def test_timeouts_and_cancellation_work_in_virtual_time() -> None:
    """A timeout cancels what is inside at its virtual time, and the inside can clean up."""

    async def main() -> list[object]:
        loop = asyncio.get_running_loop()
        events: list[object] = []

        async def work() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                await asyncio.sleep(2)
                events.append(("cleaned up", loop.time()))
                raise

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(work(), 10)
        events.append(("wait_for", loop.time()))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        events.append(("timeout", loop.time()))
        in_time = await asyncio.wait_for(asyncio.sleep(1, "in time"), 10)
        events.append(in_time)
        return events

    assert run(main()) == [("cleaned up", 12.0), ("wait_for", 12.0), ("timeout", 17.0), "in time"]


def test_waiting_for_what_cannot_come_is_a_deadlock() -> None:
    """The error says when, and which task waits in which coroutine."""

    async def wait_for_nobody() -> None:
        await asyncio.sleep(3)
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(wait_for_nobody(), name="device-1")

    with pytest.raises(DeadlockError, match=r"at 3\.0 s.*device-1 in .*wait_for_nobody"):
        run(main())


@pytest.mark.parametrize("pause_seconds", [0, 1])
def test_going_round_without_end_is_a_livelock(pause_seconds: float) -> None:
    """Busy in one instant, or polling for ever: both are stopped by the limit."""

    async def poll() -> None:
        while True:
            await asyncio.sleep(pause_seconds)

    loop = VirtualClockLoop(iterations_max=1000)
    with pytest.raises(LivelockError, match="no end after 1000 iterations"):
        run(poll(), loop=loop)
    assert loop.is_closed()


def test_an_error_that_nobody_awaited_is_raised_at_the_end() -> None:
    """A background task or a callback that fails cannot pass unnoticed."""

    async def fail() -> None:
        raise ValueError("in a task")

    def fail_at_once() -> None:
        raise KeyError("in a callback")

    async def main() -> str:
        asyncio.get_running_loop().call_soon(fail_at_once)
        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(1)
        return "unseen"

    with pytest.raises(ExceptionGroup) as raised:
        run(main())
    assert {type(error) for error in raised.value.exceptions} == {ValueError, KeyError}


def test_what_is_left_at_the_end_is_cancelled_and_may_clean_up() -> None:
    """Tasks end and generators close before the loop does."""
    cleaned_up: list[str] = []

    async def linger() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)
            cleaned_up.append("task")

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(1)
            cleaned_up.append("generator")

    async def main() -> list[AsyncIterator[int]]:
        kept = [numbers()]
        await anext(kept[0])
        kept.append(asyncio.create_task(linger()))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        return kept

    kept = run(main())
    assert len(kept) == 2
    assert cleaned_up == ["task", "generator"]


def test_a_task_that_refuses_to_end_is_reported() -> None:
    """Cleaning up is bounded too."""

    async def refuse() -> None:
        while True:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                continue

    async def main() -> None:
        asyncio.create_task(refuse())  # noqa: RUF006
        await asyncio.sleep(0)

    with pytest.raises(ExceptionGroup) as raised:
        run(main())
    assert [type(error) for error in raised.value.exceptions] == [LivelockError]


def test_an_executor_is_a_plain_call() -> None:
    """Blocking work runs in place, on the one thread there is, and its errors go to who awaits it."""

    async def main() -> int:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(lambda: 1 // 0)
        return await asyncio.to_thread(sum, [1, 2])

    assert run(main()) == 3


def test_a_real_thread_is_refused() -> None:
    """Its timing would differ from run to run."""
    loop = VirtualClockLoop()
    refusals: list[str] = []

    def call() -> None:
        try:
            loop.call_soon_threadsafe(print)
        except RuntimeError as error:
            refusals.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert refusals == ["a thread called into the virtual loop: its timing would differ from run to run"]


def test_a_clock_follows_the_loop_with_its_own_skew() -> None:
    """Wall clocks disagree and jump; monotonic ones do not."""

    async def main(loop: VirtualClockLoop) -> None:
        late = VirtualClock(loop, offset_seconds=-60)
        assert loop.clock.now() == datetime(2026, 1, 1, tzinfo=UTC)
        await asyncio.sleep(1.5)
        assert loop.clock.now_ms() - late.now_ms() == 60_000
        assert loop.clock.now_ms() == int(loop.clock.now().timestamp() * 1000)
        late.jump(3600)
        assert late.now_ms() - loop.clock.now_ms() == 3_540_000
        assert late.monotonic() == loop.clock.monotonic() == 1.5

    loop = VirtualClockLoop()
    run(main(loop), loop=loop)


def test_a_starlette_app_runs_on_it() -> None:
    """With middleware, a streamed answer and a pause, which use task groups of their own."""

    async def stream(request: HttpRequest) -> Response:
        body = await request.body()

        async def parts() -> AsyncIterator[bytes]:
            for part in (request.path_params["key"].encode(), b"?", request.url.query.encode(), b"=", body):
                await asyncio.sleep(10)
                yield part

        return StreamingResponse(parts(), headers={"X-Host": request.headers["host"]})

    async def mark(request: HttpRequest, call_next: RequestResponseEndpoint) -> Response:
        answer = await call_next(request)
        answer.headers["X-Marked"] = "yes"
        return answer

    app = Starlette(
        routes=[
            Route("/notes/{key}", stream, methods=["POST"]),
        ],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=mark)],
    )

    async def main() -> tuple[Answer, float]:
        request = Request("POST", "/notes/a%20b", "x=1", headers=(("Host", "test"),), body=b"body")
        return await asgi_send(app)(request), asyncio.get_running_loop().time()

    answer, seconds = run(main())
    assert (answer.status, answer.body) == (200, b"a b?x=1=body")
    assert {("x-host", "test"), ("x-marked", "yes")} <= set(answer.headers)
    assert seconds == 50
