"""`get`, `put`, `delete` and `pending`: this device's documents. None of them touches the network."""

from __future__ import annotations

import asyncio
import dataclasses
import sys
from typing import Any

import click

from solidb_sync.cli.device import opened
from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output, json_text
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import DOCUMENT_BYTES_MAX, JsonDocument, type_name
from solidb_sync.storage.local_store import check_place
from solidb_sync.storage.pending_change import PendingChange
from solidb_sync.strict_json import JsonTextError, strict_json

INPUT_BYTES_MAX = 2 * DOCUMENT_BYTES_MAX


@click.command(epilog=examples("solidb-sync get users", "solidb-sync get users user-1 --meta"))
@click.argument("collection")
@click.argument("key", required=False)
@click.option("--meta", is_flag=True, help="With its version, time and sync state.")
@store_options
def get(collection: str, key: str | None, *, meta: bool, as_json: bool, **flags: Any) -> int:
    """Print one document, or all documents of a collection, a line each."""
    output, settings = Output(as_json=as_json), client_settings(flags)
    check_place(collection, key or "any")
    if key is None:
        documents = asyncio.run(_read_all(settings, collection, meta=meta))
        output.result(documents, *(json_text(document) for document in documents))
        return EXIT_DONE
    document = asyncio.run(_read(settings, collection, key, meta=meta))
    if document is None:
        output.error(f"{collection}/{key}: there is no such document", type="NotFound", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    output.result(document, json_text(document))
    return EXIT_DONE


async def _read(settings: Settings, collection: str, key: str, *, meta: bool) -> JsonDocument | None:
    async with opened(settings) as manager:
        return await manager.get_document(collection, key, meta=meta)


async def _read_all(settings: Settings, collection: str, *, meta: bool) -> list[JsonDocument]:
    async with opened(settings) as manager:
        rows = await manager.query_documents(collection)
        if not meta:
            return [document for _, document in rows]
        shown = [await manager.get_document(collection, key, meta=True) for key, _ in rows]
        return [document for document in shown if document is not None]


@click.command(
    epilog=examples("""solidb-sync put users user-1 '{"name": "Alice"}'""", "solidb-sync put users user-1 - < alice.json")
)
@click.argument("collection")
@click.argument("key")
@click.argument("document", default="-", metavar="[JSON|-]")
@click.option("--replace", is_flag=True, help="Replace the document; otherwise its other fields stay.")
@store_options
def put(collection: str, key: str, document: str, *, replace: bool, as_json: bool, **flags: Any) -> int:
    """Save a document on this device; it is sent with the next sync. JSON is an object; `-` reads standard input."""
    settings = client_settings(flags)
    check_place(collection, key)
    value = read_document(document)
    waiting = asyncio.run(_save(settings, (collection, key), value, merge=not replace))
    told = {"collection": collection, "key": key, "pending": waiting}
    Output(as_json=as_json).result(told, f"saved {collection}/{key}; {_waiting_text(waiting)}")
    return EXIT_DONE


async def _save(settings: Settings, place: tuple[str, str], document: JsonDocument, *, merge: bool) -> int:
    async with opened(settings, creates=True) as manager:
        await manager.save_document(*place, document, merge=merge)
        return len(await manager.pending_changes())


def read_document(text: str) -> JsonDocument:
    """Return the document that an argument holds, or standard input for `-`; raises `InvalidDocumentError`."""
    raw = sys.stdin.buffer.read(INPUT_BYTES_MAX + 1) if text == "-" else text.encode("utf-8", "surrogateescape")
    if len(raw) > INPUT_BYTES_MAX:
        raise InvalidDocumentError(f"document: more than {INPUT_BYTES_MAX} bytes of text")
    try:
        _, value = strict_json(raw)
    except JsonTextError as problem:
        raise InvalidDocumentError(f'document: {problem}; write an object, such as {{"name": "Alice"}}') from None
    if not isinstance(value, dict):
        raise InvalidDocumentError(f'document: expected an object such as {{"name": "Alice"}}, found {type_name(value)}')
    return value


@click.command(epilog=examples("solidb-sync delete users user-1"))
@click.argument("collection")
@click.argument("key")
@store_options
def delete(collection: str, key: str, *, as_json: bool, **flags: Any) -> int:
    """Delete a document on this device; the deletion is sent with the next sync. One that is not there is no error."""
    settings = client_settings(flags)
    check_place(collection, key)
    was_there, waiting = asyncio.run(_delete(settings, collection, key))
    told = {"collection": collection, "key": key, "deleted": was_there, "pending": waiting}
    what = f"deleted {collection}/{key}" if was_there else f"{collection}/{key} is not there"
    Output(as_json=as_json).result(told, f"{what}; {_waiting_text(waiting)}")
    return EXIT_DONE


async def _delete(settings: Settings, collection: str, key: str) -> tuple[bool, int]:
    async with opened(settings, creates=True) as manager:
        was_there = await manager.get_document(collection, key) is not None
        await manager.delete_document(collection, key)
        return was_there, len(await manager.pending_changes())


@click.command(epilog=examples("solidb-sync pending"))
@store_options
def pending(*, as_json: bool, **flags: Any) -> int:
    """Print the changes that wait for the server, oldest first, and those it refused, with the reason."""
    waiting, refused = asyncio.run(_changes(client_settings(flags)))
    told = {
        "pending": [dataclasses.asdict(change) | _vector(change) for change in waiting],
        "rejected": [dataclasses.asdict(change) | _vector(change) for change in refused],
    }
    lines = [change_line(change) for change in [*waiting, *refused]]
    Output(as_json=as_json).result(told, *(lines or ["nothing waits for the server"]))
    return EXIT_DONE


async def _changes(settings: Settings) -> tuple[list[PendingChange], list[PendingChange]]:
    async with opened(settings) as manager:
        return await manager.pending_changes(), await manager.rejected_changes()


def _vector(change: PendingChange) -> dict[str, Any]:
    return {"version_vector": dict(change.version_vector)}


def change_line(change: PendingChange) -> str:
    """Return a change as one line for a person."""
    fields = "" if change.data is None else f"  {json_text(change.data)}"
    reason = f"  rejected: {change.reason}" if change.reason else ""
    return f"{change.operation:<6}  {change.collection}/{change.key}{fields}{reason}"


def _waiting_text(count: int) -> str:
    return f"{count} {'change waits' if count == 1 else 'changes wait'} for the server"
