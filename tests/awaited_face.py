"""The blocking manager behind `await`, so that one suite of tests runs over both faces.

Each call is made on a thread, as a program without an event loop would make it; names that begin with `_` are the core's.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

from solidb_sync import SyncManager, blocking
from solidb_sync.client import attachment_reader, commands, local_edits

CORES: dict[type, type] = {
    blocking.SyncManager: SyncManager,
    blocking.Transaction: local_edits.Transaction,
    blocking.CommandSender: commands.CommandSender,
    blocking.AttachmentReader: attachment_reader.AttachmentReader,
}


class AwaitedFace:
    """A blocking object whose methods are awaited where those of its core are."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._core_type = CORES[type(target)]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return getattr(self._target._core, name)
        method = getattr(self._target, name)
        if inspect.iscoroutinefunction(getattr(self._core_type, name)):
            return lambda *given, **named: self._wait(method, *given, **named)
        return lambda *given, **named: _face(method(*given, **named))

    async def _wait(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return _face(await asyncio.to_thread(method, *given, **named))

    async def __aenter__(self) -> AwaitedFace:
        await asyncio.to_thread(self._target.__enter__)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._target.__exit__, kind, problem, trace)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AwaitedFace) and other._target is self._target

    __hash__ = None  # type: ignore[assignment]


class AwaitedIterator(AsyncIterator[Any]):
    """A blocking iterator that is awaited."""

    def __init__(self, iterator: blocking.EventIterator[Any]) -> None:
        self._iterator = iterator

    async def __anext__(self) -> Any:
        found = await asyncio.to_thread(next, self._iterator, self)
        if found is self:
            raise StopAsyncIteration
        return found

    async def aclose(self) -> None:
        """End the iteration."""
        await asyncio.to_thread(self._iterator.close)


def _face(returned: Any) -> Any:
    if isinstance(returned, blocking.EventIterator):
        return AwaitedIterator(returned)
    return AwaitedFace(returned) if type(returned) in CORES else returned
