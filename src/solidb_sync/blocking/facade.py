"""One method without `await` for each that has one: `save_document = blocking(AsyncManager.save_document)`.

The signature, the types and the documentation of such a method are those of the method it is made from, for type checkers
as for `help()`; so there is nothing here that could come to differ.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import partial, wraps
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

from solidb_sync.blocking.loop_thread import LoopThread

Core = TypeVar("Core", covariant=True)
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Facade(Generic[Core]):
    """Something asynchronous, and the thread where it lives."""

    def __init__(self, core: Core, thread: LoopThread, *, seconds_max: float | None = None) -> None:
        self._core = core
        self._thread = thread
        self._seconds_max = seconds_max

    def _now(self, function: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        """Call what does not wait, where it belongs."""
        return self._thread.call_now(partial(function, *args, **kwargs), what=_name(function))


def blocking(
    method: Callable[Concatenate[Any, Arguments], Coroutine[Any, Any, Result]],
) -> Callable[Concatenate[Facade[Any], Arguments], Result]:
    """Return the method that does the same on the facade's thread, and waits for it."""

    @wraps(method)
    def call(self: Facade[Any], /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        work = partial(method, self._core, *args, **kwargs)
        return self._thread.call(work, what=_name(method), seconds_max=self._seconds_max)

    return call


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__name__", "the call")
