"""Attachments as edits: bytes go into the store piece by piece, and become visible with the edit that names them."""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from functools import partial

from solidb_sync.client.attachment_source import Source, pieces_of
from solidb_sync.client.local_edits import LocalEdits
from solidb_sync.errors import AttachmentNotFoundError, InvalidDocumentError, StorageError
from solidb_sync.json_value import Canonical, JsonDocument, canonical, decode
from solidb_sync.model.attachment import (
    FIELD_PREFIX,
    LENGTH_MAX,
    Attachment,
    attachment_name_problem,
    content_type_problem,
    field_for,
)
from solidb_sync.storage.attachments import add_chunks, begin_put, collect, finish_put, forget
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore, check_place
from solidb_sync.storage.records import StoredRow

PIECES_AT_ONCE = 4
"""How many chunks one transaction takes: a megabyte, so that saves need not wait long for it."""

Place = tuple[str, str]


class AttachmentEdits:
    """Puts and deletes attachments of documents in one store."""

    def __init__(self, store: LocalStore, edits: LocalEdits) -> None:
        self._store = store
        self._edits = edits
        self._being_put: set[str] = set()

    async def put(self, place: Place, name: str, file: Source, content_type: str) -> Attachment:
        """Stream a file into the store, then name it in the document; nothing is to be seen before, or when it fails."""
        check_place(*place)
        _check(attachment_name_problem(name), "name")
        _check(content_type_problem(content_type), "content_type")
        self._store.view(lambda reader: _document(reader.row(*place), place))
        chunks = self._store.mint_id()
        put_name = await self._store.commit(lambda engine: begin_put(engine, chunks))
        self._being_put.add(put_name)
        try:
            attachment = await self._take_in(put_name, name, file, content_type)

            def rewrite(engine: StorageEngine) -> Canonical:
                finish_put(engine, put_name, attachment)
                return canonical({**_document(engine.row(*place), place), **field_for(attachment)})

            await self._edits.rewrite(*place, rewrite)
        except BaseException:
            await self._give_up(put_name)
            raise
        finally:
            self._being_put.discard(put_name)
        return attachment

    async def _take_in(self, put_name: str, name: str, file: Source, content_type: str) -> Attachment:
        whole, length, first = hashlib.sha256(), 0, 0
        waiting: list[bytes] = []
        async with aclosing(pieces_of(file)) as pieces:
            async for piece in pieces:
                length += len(piece)
                if length > LENGTH_MAX:
                    raise InvalidDocumentError(f"attachment {name!r}: more than {LENGTH_MAX} bytes, the most one may have")
                whole.update(piece)
                waiting.append(piece)
                if len(waiting) == PIECES_AT_ONCE:
                    await self._store.commit(partial(add_chunks, name=put_name, first=first, pieces=waiting))
                    first, waiting = first + len(waiting), []
        if waiting:
            await self._store.commit(partial(add_chunks, name=put_name, first=first, pieces=waiting))
        return Attachment(name, whole.hexdigest(), length, content_type)

    async def _give_up(self, put_name: str) -> None:
        try:
            await self._store.commit(lambda engine: forget(engine, put_name))
        except StorageError:
            return  # what is left of it is collected later

    async def delete(self, place: Place, name: str) -> bool:
        """Take an attachment out of its document; False when it has none of this name."""
        check_place(*place)
        row = self._store.view(lambda reader: reader.row(*place))
        if row is None or row.body is None or FIELD_PREFIX + name not in decode(row.body):
            return False

        def rewrite(engine: StorageEngine) -> Canonical:
            document = _document(engine.row(*place), place)
            return canonical({field: value for field, value in document.items() if field != FIELD_PREFIX + name})

        return await self._edits.rewrite(*place, rewrite)

    async def collect(self) -> int:
        """Forget bytes that nothing names any more; return how many files that were."""
        if not self._store.view(lambda reader: reader.blobs()):
            return 0
        being_put, total = frozenset(self._being_put), 0
        while did := await self._store.commit(partial(collect, being_put=being_put)):
            total += did
        return total


def _document(row: StoredRow | None, place: Place) -> JsonDocument:
    body = None if row is None else row.body
    if body is None:
        raise AttachmentNotFoundError(f"{place[0]}/{place[1]}: there is no such document; save it before its attachments")
    document: JsonDocument = decode(body)
    return document


def _check(problem: str | None, what: str) -> None:
    if problem:
        raise InvalidDocumentError(f"{what}: {problem}")
