"""`conflicts list`, `show`, `resolve` and `undo`: the conflict log of this device. None of them touches the network."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from solidb_sync.cli.device import opened
from solidb_sync.cli.documents import read_document
from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output, json_text
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.client.conflicts import Conflict, ConflictResolution, DocumentVersion

CHOICES = {
    "local": ConflictResolution.ACCEPT_LOCAL,
    "remote": ConflictResolution.ACCEPT_REMOTE,
    "delete": ConflictResolution.DELETE,
}


@click.group(epilog=examples("solidb-sync conflicts list", "solidb-sync conflicts resolve users user-1 --local"))
def conflicts() -> None:
    """Edits that overlapped: those that wait for a decision, and how the others were decided."""


@conflicts.command("list", epilog=examples("solidb-sync conflicts list", "solidb-sync conflicts list users --all"))
@click.argument("collection", required=False)
@click.option("--all", "everything", is_flag=True, help="The whole log; otherwise only those that are open.")
@store_options
def list_conflicts(collection: str | None, *, everything: bool, as_json: bool, **flags: Any) -> int:
    """Print the conflicts of a collection, or of all, oldest first."""
    found = asyncio.run(_list(client_settings(flags), collection, everything=everything))
    none = "there are no conflicts" if everything else "no conflict is open"
    told = {"conflicts": [conflict_value(conflict) for conflict in found]}
    Output(as_json=as_json).result(told, *([conflict_line(conflict) for conflict in found] or [none]))
    return EXIT_DONE


async def _list(settings: Settings, collection: str | None, *, everything: bool) -> list[Conflict]:
    async with opened(settings) as manager:
        return await (manager.conflict_log(collection) if everything else manager.get_conflicts(collection))


@conflicts.command(epilog=examples("solidb-sync conflicts show conflict-0198c1de-5f2a-7000-8000-000000000000"))
@click.argument("id")
@store_options
def show(id: str, *, as_json: bool, **flags: Any) -> int:
    """Print both sides of a conflict, and what they began with."""
    output = Output(as_json=as_json)
    found = [one for one in asyncio.run(_list(client_settings(flags), None, everything=True)) if one.id == id]
    if not found:
        output.error(f"{id}: there is no such conflict", type="NotFound", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    conflict = found[0]
    sides = {"local": conflict.local_version, "remote": conflict.remote_version, "base": conflict.base_version}
    lines = [f"{name:<6}  {_document_text(version)}" for name, version in sides.items()]
    output.result(conflict_value(conflict), conflict_line(conflict), *lines)
    return EXIT_DONE


@conflicts.command(
    epilog=examples(
        "solidb-sync conflicts resolve users user-1 --local",
        """solidb-sync conflicts resolve users user-1 '{"name": "Alice"}'""",
    )
)
@click.argument("collection")
@click.argument("key")
@click.argument("document", required=False, metavar="[JSON|-]")
@click.option("--local", "choice", flag_value="local", help="Take this device's side.")
@click.option("--remote", "choice", flag_value="remote", help="Take the server's side.")
@click.option("--delete", "choice", flag_value="delete", help="Delete the document.")
@store_options
def resolve(collection: str, key: str, document: str | None, *, choice: str | None, as_json: bool, **flags: Any) -> int:
    """Decide the open conflict of a document: take a side, delete it, or give the document to keep."""
    if (document is None) == (choice is None):
        raise click.UsageError("say one of --local, --remote, --delete, or give the document to keep")
    resolution = CHOICES[choice] if choice is not None else read_document(document or "")
    asyncio.run(_resolve(client_settings(flags), (collection, key), resolution))
    told = {"collection": collection, "key": key, "resolved": True}
    Output(as_json=as_json).result(told, f"resolved {collection}/{key}; the decision is sent with the next sync")
    return EXIT_DONE


async def _resolve(settings: Settings, place: tuple[str, str], resolution: dict[str, Any] | ConflictResolution) -> None:
    async with opened(settings) as manager:
        await manager.resolve_conflict(*place, resolution)


@conflicts.command(epilog=examples("solidb-sync conflicts undo conflict-0198c1de-5f2a-7000-8000-000000000000"))
@click.argument("id")
@store_options
def undo(id: str, *, as_json: bool, **flags: Any) -> int:
    """Take back how a conflict was decided: the overruled values come back."""
    asyncio.run(_undo(client_settings(flags), id))
    Output(as_json=as_json).result({"id": id, "undone": True}, f"undone {id}; it is sent with the next sync")
    return EXIT_DONE


async def _undo(settings: Settings, conflict_id: str) -> None:
    async with opened(settings) as manager:
        await manager.undo_resolution(conflict_id)


def conflict_value(conflict: Conflict) -> dict[str, Any]:
    """Return a conflict, for a program."""
    return {
        "id": conflict.id,
        "collection": conflict.collection,
        "key": conflict.document_key,
        "fields": list(conflict.fields),
        "strategy": conflict.strategy.name,
        "winner": conflict.winner,
        "status": conflict.status.value,
        "at": conflict.at,
        "local": conflict.local_version.document,
        "remote": conflict.remote_version.document,
        "base": None if conflict.base_version is None else conflict.base_version.document,
    }


def conflict_line(conflict: Conflict) -> str:
    """Return a conflict, for people."""
    fields = ", ".join(conflict.fields) or "the whole document"
    outcome = f"{conflict.winner} won" if conflict.winner in ("local", "remote") else "each side won some"
    outcome = outcome if conflict.winner else "open"
    return f"{conflict.id}  {conflict.collection}/{conflict.document_key} ({fields}): {conflict.status.value}, {outcome}"


def _document_text(version: DocumentVersion | None) -> str:
    return "nothing" if version is None or version.document is None else json_text(version.document)
