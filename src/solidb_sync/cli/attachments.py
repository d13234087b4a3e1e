"""`attach` and `attachments`: files beside documents. None of it touches the network; `sync` moves the bytes."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

import click

from solidb_sync.cli.device import opened
from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, Output
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.client.manager.attachments import AttachmentStatus
from solidb_sync.model.attachment import CONTENT_TYPE_DEFAULT, Attachment

Place = tuple[str, str]


@click.command(epilog=examples("solidb-sync attach users user-1 photo.jpg --type image/jpeg"))
@click.argument("collection")
@click.argument("key")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", metavar="NAME", help="What the attachment is called; the file's own name by default.")
@click.option(
    "--type", "content_type", default=CONTENT_TYPE_DEFAULT, show_default=True, metavar="TYPE", help="Content type."
)
@store_options
def attach(
    collection: str, key: str, file: Path, *, name: str | None, content_type: str, as_json: bool, **flags: Any
) -> int:
    """Attach a file to a document, in the place of any of this name; it is sent with the next sync."""
    settings = client_settings(flags)
    done = asyncio.run(_attach(settings, (collection, key), file, name or file.name, content_type))
    told = {"collection": collection, "key": key, **dataclasses.asdict(done)}
    Output(as_json=as_json).result(told, f"attached {done.name!r} to {collection}/{key}: {done.length} bytes")
    return EXIT_DONE


async def _attach(settings: Settings, place: Place, file: Path, name: str, content_type: str) -> Attachment:
    async with opened(settings) as manager:
        return await manager.put_attachment(*place, name, file, content_type=content_type)


@click.command(
    epilog=examples("solidb-sync attachments users user-1", "solidb-sync attachments users user-1 --save photo.jpg")
)
@click.argument("collection")
@click.argument("key")
@click.option("--save", metavar="NAME", help="Write this one, which must be on this device, to a file.")
@click.option("--to", type=click.Path(dir_okay=False, path_type=Path), help="With --save: the file; NAME by default.")
@store_options
def attachments(collection: str, key: str, *, save: str | None, to: Path | None, as_json: bool, **flags: Any) -> int:
    """Print the attachments of a document, with length, type, and whether their bytes are here and at the server."""
    found = asyncio.run(_list(client_settings(flags), (collection, key), save, to))
    told = [
        {**dataclasses.asdict(status.attachment), "is_here": status.is_here, "is_on_server": status.is_on_server}
        for status in found
    ]
    Output(as_json=as_json).result(told, *([_line(status) for status in found] or ["no attachments"]))
    return EXIT_DONE


async def _list(settings: Settings, place: Place, save: str | None, to: Path | None) -> list[AttachmentStatus]:
    async with opened(settings) as manager:
        if save is not None:
            async with await manager.open_attachment(*place, save) as reader:
                await reader.save_to(to or save)
        return await manager.list_attachments(*place)


def _line(status: AttachmentStatus) -> str:
    where = [place for place, is_there in (("here", status.is_here), ("server", status.is_on_server)) if is_there]
    attachment = status.attachment
    return f"{attachment.name}  {attachment.length}  {attachment.content_type}  {', '.join(where) or 'not here'}"
