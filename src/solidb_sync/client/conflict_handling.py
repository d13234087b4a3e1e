"""Have open conflicts decided by the app: by the function of a `custom` strategy, or by the callbacks of `on_conflict`.

It happens beside the rounds, one conflict after the other, when the other side has been fetched: a decision is made over the
document as the server has it, or it would meet the same conflict again. What raises, takes too long or
returns something else than a decision leaves its conflict open, is logged, and holds up nothing but the conflicts behind it,
for a bounded time. Each conflict is offered once in the life of a manager; open ones are offered again after a restart.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from solidb_sync.client.author import Author
from solidb_sync.client.bounded_calls import BoundedCalls
from solidb_sync.client.conflicts import Conflict, ConflictResolution, ConflictStatus, public_conflict
from solidb_sync.client.notifications import Notifications
from solidb_sync.client.strategies import Strategies
from solidb_sync.client.sync_states import SyncStates
from solidb_sync.errors import InvalidDocumentError, SoliDBError
from solidb_sync.json_value import JsonDocument, canonical, decode, encode
from solidb_sync.reconcile.resolution import MERGE, Choice
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.storage.conflict_log import has_arrived
from solidb_sync.storage.edits import Minted
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.hybrid_stamps import next_device_stamp
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import StoredConflict
from solidb_sync.storage.resolutions import Resolved, record_resolution

CALL_SECONDS_MAX = 10.0
"""How long one function or callback may take over one conflict."""

ConflictCallback = Callable[[Conflict], Any]

_logger = logging.getLogger("solidb_sync")


class ConflictHandling:
    """Offers conflicts to whoever decides them, and records what they say."""

    def __init__(
        self,
        store: LocalStore,
        notifications: Notifications,
        strategies: Strategies,
        *,
        saved: Callable[[], None],
        author: Author,
        states: SyncStates,
        call_seconds_max: float = CALL_SECONDS_MAX,
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._strategies = strategies
        self._saved = saved
        self._author = author
        self._states = states
        self.calls = BoundedCalls(call_seconds_max)
        self._callbacks: list[ConflictCallback] = []
        self._waiting: deque[Conflict] = deque()
        self._offered: set[str] = set()
        self._early: dict[str, StoredConflict] = {}
        self._task: asyncio.Task[None] | None = None

    def add_callback(self, callback: ConflictCallback) -> Callable[[], None]:
        """Offer every conflict to a callback; returns a function that ends it."""
        self._callbacks.append(callback)

        def remove() -> None:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

        return remove

    def offer(self, conflicts: Iterable[StoredConflict]) -> None:
        """Offer conflicts that were just logged, and those that were open before and nobody has been asked about.

        One whose other side has not been fetched waits for a later call; there is one after every answer.
        """
        asked = {**self._early, **{stored.id: stored for stored in conflicts}}
        wanted = [stored for stored in asked.values() if stored.id not in self._offered and self._has_a_judge(stored)]
        self._early = self._store.view(partial(_not_arrived, conflicts=wanted)) if wanted else {}
        for stored in wanted:
            if stored.id not in self._early:
                self._offered.add(stored.id)
                self._waiting.append(public_conflict(stored))
        if self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._handle_all(), name="conflict handling")

    def offer_open(self) -> None:
        """Offer the conflicts that are open."""
        if self._callbacks or self._strategies.has_functions:
            self.offer(self._store.view(lambda reader: reader.open_conflicts()))

    def offer_again(self) -> None:
        """Let the open conflicts be offered once more, because there is somebody new to decide them."""
        self._offered.clear()

    async def finish(self) -> None:
        """Wait until all that were offered have been handled."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    async def stop(self) -> None:
        """Ask nobody any more."""
        self._waiting.clear()
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    def _has_a_judge(self, stored: StoredConflict) -> bool:
        is_custom = stored.status == ConflictStatus.PENDING.value and self._function(stored.collection) is not None
        return is_custom or bool(self._callbacks)

    def _function(self, collection: str) -> Callable[..., Any] | None:
        strategy = self._strategies.of(collection)
        return strategy.function if strategy.name == Strategy.CUSTOM.value else None

    async def _handle_all(self) -> None:
        while self._waiting:
            conflict = self._waiting.popleft()
            try:
                await self._handle(conflict)
            except SoliDBError:
                _logger.exception("the decision of conflict %s can't be recorded; it stays open", conflict.id)

    async def _handle(self, conflict: Conflict) -> None:
        function = self._function(conflict.collection)
        choice: Choice | None = None
        if function is not None and conflict.status is ConflictStatus.PENDING:
            sides = (conflict.local_version.document, conflict.remote_version.document, _base(conflict))
            choice = await self._asked(conflict, function, *map(_copied, sides))
        for callback in list(self._callbacks):
            choice = choice or await self._asked(conflict, callback, conflict)
        if choice is not None:
            await self.decide(conflict.id, choice)

    async def _asked(self, conflict: Conflict, judge: Callable[..., Any], *arguments: Any) -> Choice | None:
        """Return what a judge says, None when it says nothing that could be done."""
        try:
            return _choice(await self.calls.call(judge, *arguments))
        except TimeoutError:
            _logger.error("conflict %s: its judge has not answered in time; it stays open", conflict.id)
        except Exception:
            _logger.exception("conflict %s: its judge failed; it stays open", conflict.id)
        return None

    async def decide(self, conflict_id: str, choice: Choice) -> Resolved | None:
        """Record a decision; None when there is nothing to decide any more."""
        return await self.record(conflict_id, lambda engine, minted: record_resolution(engine, minted, conflict_id, choice))

    async def record(self, conflict_id: str, work: Callable[[StorageEngine, Minted], Resolved | None]) -> Resolved | None:
        """Record an edit about a conflict, tell of it, and wake the sync."""
        minted = Minted(self._store.mint_id(), self._store.stamp())
        now_ms = self._store.clock.now_ms()

        def stamped(engine: StorageEngine) -> Resolved | None:
            self._author.note(engine)
            conflict = engine.conflict(conflict_id)
            if conflict is None or not self._strategies.wants_stamps(conflict.collection):
                return work(engine, minted)
            stamp = next_device_stamp(engine, now_ms=now_ms)
            return work(engine, Minted(minted.change_id, minted.stamp, hlc=stamp))

        resolved = await self._store.commit(stamped)
        if resolved is not None:
            if resolved.fact is not None:
                self._notifications.publish([resolved.fact])
            self._states.look_at([(resolved.conflict.collection, resolved.conflict.key)])
            self._saved()
        return resolved


def _not_arrived(reader: EngineReader, conflicts: list[StoredConflict]) -> dict[str, StoredConflict]:
    return {stored.id: stored for stored in conflicts if not has_arrived(reader, stored)}


def _choice(answer: Any) -> Choice | None:
    """Return a judge's answer as a choice; raises `InvalidDocumentError` for what is none."""
    match answer:
        case None:
            return None
        case ConflictResolution():
            return Choice(answer.choice, answer.document)
        case dict():
            return Choice(MERGE, canonical(answer).value)
    raise InvalidDocumentError(f"expected a document, a ConflictResolution or None, found {type(answer).__name__}")


def _base(conflict: Conflict) -> JsonDocument | None:
    return None if conflict.base_version is None else conflict.base_version.document


def _copied(document: JsonDocument | None) -> JsonDocument | None:
    """Return a copy that the app may change."""
    copy: JsonDocument | None = None if document is None else decode(encode(document))
    return copy
