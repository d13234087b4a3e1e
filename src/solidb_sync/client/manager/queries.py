"""Queries over the local documents, and the indexes they use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import sdbql
from solidb_sync.client.manager.parts import ManagerParts, check_collection
from solidb_sync.client.watching import Watch
from solidb_sync.storage.engine import EngineReader, IndexProgress, StorageEngine
from solidb_sync.storage.local_indexes import create_index, index_definition
from solidb_sync.storage.records import IndexDefinition
from solidb_sync.storage.sqlite.sqlite_data_source import data_source


class QueryMethods(ManagerParts):
    """SDBQL here, with or without a network."""

    async def query(
        self, sdbql_text: str, bind_vars: dict[str, Any] | None = None, *, limits: sdbql.Limits | None = None
    ) -> list[Any]:
        """Run an SDBQL query over the local documents and return its results; raises `sdbql.QueryError`.

        `limits` bounds what it may use, such as `sdbql.Limits(time_ms_max=500)`. Cancelling the task that waits for it
        also ends the query.
        """
        parsed = sdbql.parse(sdbql_text)
        now_ms, monotonic = self._store.clock.now_ms(), self._store.clock.monotonic
        known, cancellation = self._known_collections(), sdbql.Cancellation()

        def run(reader: EngineReader) -> list[Any]:
            return parsed.run(
                bind_vars,
                data_source(reader, known),
                limits=limits,
                cancellation=cancellation,
                now_ms=now_ms,
                monotonic=monotonic,
            )

        try:
            return await self._scan(run)
        except asyncio.CancelledError:
            cancellation.cancel()
            raise

    def watch(
        self, sdbql_text: str, bind_vars: dict[str, Any] | None = None, *, limits: sdbql.Limits | None = None
    ) -> Watch:
        """Return an async iterator of the query's results: those of now at once, then each time a change altered them.

        The query runs again only after a change, local or remote, that can alter its result, and only while somebody waits
        for the next one: changes that come in between are seen together. Results that are the same are not given twice.
        What the query raises is raised by the iterator, which may be asked on. `aclose`, or the manager's `stop`, ends it.
        Raises `sdbql.QueryError` for a query that can't be run, `SyncError` past 1,000 listeners.
        """
        relevance = sdbql.parse(sdbql_text).relevance(bind_vars, limits=limits)
        return self._notifications.watch(lambda: self.query(sdbql_text, bind_vars, limits=limits), relevance)

    async def explain(self, sdbql_text: str, bind_vars: dict[str, Any] | None = None) -> str:
        """Return the steps of a query, which of them run inside SQLite, and the indexes they use; nothing is run.

        Which steps can run there depends on the values of the bind parameters, so give all of them.
        """
        parsed, known = sdbql.parse(sdbql_text), self._known_collections()
        return await self._scan(lambda reader: parsed.explain(bind_vars, data_source(reader, known)))

    async def create_index(
        self, col: str, field: str, *, unique: bool = False, progress: Callable[[int, int], Any] | None = None
    ) -> IndexDefinition:
        """Make a local index over a field (`city`, `address.city`, `` `a.b`.c ``), which `query` uses; harmless to repeat.

        A `unique` one binds this device's edits only: one that would give a document a value another has is refused with
        `UniqueIndexError`; documents that arrive by sync are always taken. Values are equal as in SDBQL; null and missing
        ones never collide. Reads and the event loop go on while it is built (but not over a store in memory), writes wait.
        `progress` is called on the event loop with the documents done and how many there are, from (0, n) to (n, n).
        Whoever is cancelled no longer waits; the index is made all the same. Raises as `LocalStore.create_index` does.
        """
        check_collection(col)
        index = index_definition(col, field, unique=unique)
        report = None if progress is None else _told_on(asyncio.get_running_loop(), progress)
        is_configured = col in self._config.collections
        await self._store.commit(lambda engine: _create_index(engine, index, report, is_configured=is_configured))
        if progress is not None:
            await asyncio.sleep(0)  # what was told last is heard before this returns
        return index

    async def list_indexes(self, col: str | None = None) -> list[IndexDefinition]:
        """Return the local indexes of a collection, or of all, by collection and field."""
        return self._store.list_indexes(col)

    async def drop_index(self, col: str, field: str) -> bool:
        """Forget a local index; False when there was none."""
        check_collection(col)
        index = index_definition(col, field, unique=False)
        return await self._store.commit(lambda engine: engine.drop_index(col, index.field))


def _told_on(loop: asyncio.AbstractEventLoop, progress: Callable[[int, int], Any]) -> IndexProgress:
    """Return what tells `progress` on its loop, from any thread; when the loop is closed nobody listens any more."""

    def tell(done: int, count: int) -> None:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(progress, done, count)

    return tell


def _create_index(
    engine: StorageEngine, index: IndexDefinition, report: IndexProgress | None, *, is_configured: bool
) -> None:
    if is_configured:
        engine.add_collection(index.collection)  # it is this app's, though nothing of it may have come yet
    create_index(engine, index, report)
