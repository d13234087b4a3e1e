"""The documents of a manager: save, read, delete. None of it touches the network."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any

from solidb_sync.client.document_view import shown_document
from solidb_sync.client.evicted_documents import fetch_evicted
from solidb_sync.client.local_edits import LocalEdits, Transaction
from solidb_sync.client.manager.parts import ManagerParts
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.retention import is_evicted
from solidb_sync.storage.sqlite.sqlite_data_source import data_source


class DocumentMethods(ManagerParts):
    """Local edits and reads."""

    async def save_document(self, col: str, key: str, doc: dict[str, Any], *, merge: bool = True) -> None:
        """Insert or update a document; durable when it returns, sent later.

        An update merges top-level fields; `merge=False` replaces the document. Document and pending change are one
        transaction. Raises `InvalidDocumentError` for what is not JSON or too large, `StorageFullError` when nothing
        more may wait; nothing is changed then.
        """
        if await self._edits.save(col, key, doc, merge=merge):
            self._something_was_saved()

    async def get_document(self, col: str, key: str, *, meta: bool = False) -> dict[str, Any] | None:
        """Return a document with `_key` and `_id`, None when it is not there.

        `meta=True` adds `_version`, `_timestamp` and `_sync` (`state`: synced, pending, conflict or rejected).

        One that was evicted is fetched from the server, and comes without `meta` when it has moved on there; raises
        `DocumentEvictedError` when the server can't be asked.
        """
        shown = self._view(lambda reader: shown_document(reader, col, key, meta=meta))
        if shown is not None:
            self._read_times.note(col, key, self._store.clock.now_ms())
            return shown
        if not self._view(lambda reader: is_evicted(reader, col, key)):
            return None
        fetched = await fetch_evicted(self._store, self._server, self._connectivity, (col, key))
        return self._view(lambda reader: shown_document(reader, col, key, meta=meta)) or fetched

    async def delete_document(self, col: str, key: str) -> None:
        """Delete a document: gone at once, the tombstone is sent later; nothing happens when it is not there."""
        if await self._edits.delete(col, key):
            self._something_was_saved()

    async def query_documents(self, col: str) -> list[tuple[str, dict[str, Any]]]:
        """Return `(key, document)` of a whole collection, by key."""
        return await self._scan(lambda reader: [(document["_key"], document) for document in data_source(reader).scan(col)])

    def transaction(self) -> Transaction:
        """Return a transaction for `async with`: its edits are all recorded or none, here and on the server."""
        return _WakingTransaction(self._store, self._edits, self._something_was_saved)


class _WakingTransaction(Transaction):
    """A transaction that wakes the sync when it has recorded something."""

    def __init__(self, store: LocalStore, edits: LocalEdits, wake: Callable[[], None]) -> None:
        super().__init__(store, edits)
        self._wake = wake

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await super().__aexit__(kind, problem, trace)
        if self.has_changed:
            self._wake()
