"""`index create`, `list` and `drop`: indexes of this device's store."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable
from typing import Any

import click

from solidb_sync.cli.device import opened
from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output, ProgressBar
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.storage.records import IndexDefinition


@click.group(epilog=examples("solidb-sync index create users email"))
def index() -> None:
    """Indexes over a field, on this device only: queries use them."""


@index.command(
    epilog=examples("solidb-sync index create users address.city", "solidb-sync index create users email --unique")
)
@click.argument("collection")
@click.argument("field")
@click.option("--unique", is_flag=True, help="Refuse edits of this device that would give two documents the same value.")
@store_options
def create(collection: str, field: str, *, unique: bool, as_json: bool, **flags: Any) -> int:
    """Make an index over a field, such as `city` or `address.city`; harmless when it is there."""
    output = Output(as_json=as_json)
    with ProgressBar(f"indexing {collection}.{field}", output) as bar:
        made = asyncio.run(_create(client_settings(flags), collection, field, unique=unique, progress=bar.update))
    output.result(dataclasses.asdict(made), f"{_line(made)}: ready")
    return EXIT_DONE


async def _create(
    settings: Settings, collection: str, field: str, *, unique: bool, progress: Callable[[int, int], None]
) -> IndexDefinition:
    async with opened(settings) as manager:
        return await manager.create_index(collection, field, unique=unique, progress=progress)


@index.command("list", epilog=examples("solidb-sync index list", "solidb-sync index list users"))
@click.argument("collection", required=False)
@store_options
def list_indexes(collection: str | None, *, as_json: bool, **flags: Any) -> int:
    """Print the indexes of a collection, or of all."""
    found = asyncio.run(_list(client_settings(flags), collection))
    told = {"indexes": [dataclasses.asdict(one) for one in found]}
    Output(as_json=as_json).result(told, *([_line(one) for one in found] or ["there are no indexes"]))
    return EXIT_DONE


async def _list(settings: Settings, collection: str | None) -> list[IndexDefinition]:
    async with opened(settings) as manager:
        return await manager.list_indexes(collection)


@index.command(epilog=examples("solidb-sync index drop users address.city"))
@click.argument("collection")
@click.argument("field")
@store_options
def drop(collection: str, field: str, *, as_json: bool, **flags: Any) -> int:
    """Forget an index; its documents stay."""
    output = Output(as_json=as_json)
    if not asyncio.run(_drop(client_settings(flags), collection, field)):
        output.error(f"{collection}.{field}: there is no such index", type="NotFound", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    output.result({"collection": collection, "field": field, "dropped": True}, f"dropped {collection}.{field}")
    return EXIT_DONE


async def _drop(settings: Settings, collection: str, field: str) -> bool:
    async with opened(settings) as manager:
        return await manager.drop_index(collection, field)


def _line(index: IndexDefinition) -> str:
    return f"{index.collection}.{index.field}{'  unique' if index.unique else ''}"
