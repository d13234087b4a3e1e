"""Call an app's function so that it can harm nobody: on a thread of its own, bounded in time.

A call that takes too long can't be ended, only left behind; its thread goes on and nobody waits for it. The number of such
threads is bounded: when too many hang, further calls are refused.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

HANGING_MAX = 8
"""How many calls may be left behind at a time."""


class BoundedCalls:
    """Calls of functions, each on a thread, each bounded in time."""

    def __init__(self, seconds_max: float) -> None:
        self.seconds_max = seconds_max
        self._hanging = 0

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Return what a function returns, awaiting it if it is a coroutine; raises what it raises, or `TimeoutError`."""
        if self._hanging >= HANGING_MAX:
            raise TimeoutError(f"{self._hanging} calls have not come back; nothing more is called")
        if asyncio.iscoroutinefunction(function):
            async with asyncio.timeout(self.seconds_max):
                return await function(*arguments)
        returned = await self._on_a_thread(function, arguments)
        if asyncio.iscoroutine(returned):
            async with asyncio.timeout(self.seconds_max):
                return await returned
        return returned

    async def _on_a_thread(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(returned: Any, problem: BaseException | None) -> None:
            if answer.done():
                self._hanging -= 1  # it has come back after all
            elif problem is None:
                answer.set_result(returned)
            else:
                answer.set_exception(problem)

        def run() -> None:
            returned, problem = None, None
            try:
                returned = function(*arguments)
            except Exception as raised:  # noqa: BLE001 - it is raised again where the call is awaited
                problem = raised
            with suppress(RuntimeError):  # the loop is gone, and whoever waited with it
                loop.call_soon_threadsafe(settle, returned, problem)

        threading.Thread(target=run, name="conflict function", daemon=True).start()
        try:
            async with asyncio.timeout(self.seconds_max):
                return await answer
        except (TimeoutError, asyncio.CancelledError):
            if answer.cancelled():
                self._hanging += 1
            raise
