"""`token create|list|revoke`: API keys in a server's directory. The server may be running; it takes changes at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from solidb_sync.cli.options import data_option, examples, json_option
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output
from solidb_sync.cli.settings import server_settings
from solidb_sync.clock import SystemClock, iso_text
from solidb_sync.errors import StorageError
from solidb_sync.server.auth.api_keys import create_api_key
from solidb_sync.server.storage.records import ApiKey
from solidb_sync.server.storage.sqlite.server_backend import SqliteServerBackend, open_key_store

KEYS_FILE = "server.sqlite"


@click.group(epilog=examples("solidb-sync token create --data ./server --database mydb --name laptop"))
def token() -> None:
    """Make, list and revoke the API keys of a server."""


@token.command(epilog=examples("solidb-sync token create --data ./server --database mydb --name laptop"))
@data_option
@click.option("--database", required=True, metavar="NAME", help="The database the key opens; made when it is missing.")
@click.option("--name", required=True, metavar="LABEL", help="What to call the key in lists.")
@click.option("--read-only", is_flag=True, help="The key may read and not write.")
@json_option
def create(*, database: str, name: str, read_only: bool, as_json: bool, **flags: Any) -> int:
    """Make a key to one database and print it. It is shown this once; only a digest of it is kept."""
    data_dir = Path(server_settings(flags).need("data"))
    made = create_api_key(
        data_dir, database=database, name=name, read_only=read_only, clock=SystemClock(), random_bytes=os.urandom
    )
    output = Output(as_json=as_json)
    output.result({"id": made.id, "key": made.key}, made.key)
    if not as_json:
        output.note(f"key {made.id} to {database}{', read only' if read_only else ''}; it is not shown again")
    return EXIT_DONE


@token.command("list", epilog=examples("solidb-sync token list --data ./server"))
@data_option
@json_option
def list_keys(*, as_json: bool, **flags: Any) -> int:
    """List the keys, oldest first, without their secrets."""
    with _key_store(Path(server_settings(flags).need("data"))) as store:
        keys = store.api_keys()
    told = {"keys": [_key_value(key) for key in keys]}
    Output(as_json=as_json).result(told, *([_key_line(key) for key in keys] or ["there is no key"]))
    return EXIT_DONE


@token.command(epilog=examples("solidb-sync token revoke 3f2a9c0d11e84b7a --data ./server"))
@click.argument("key_id", metavar="ID")
@data_option
@json_option
def revoke(key_id: str, *, as_json: bool, **flags: Any) -> int:
    """Delete a key by its id; it opens nothing from the next request on."""
    data_dir, output = Path(server_settings(flags).need("data")), Output(as_json=as_json)
    with _key_store(data_dir) as store:
        was_there = store.remove_api_key(key_id)
    if not was_there:
        message = f"there is no key {key_id!r} in {data_dir}; `solidb-sync token list` shows the ids"
        output.error(message, type="NotFound", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    output.result({"id": key_id, "revoked": True}, f"revoked {key_id}")
    return EXIT_DONE


@contextmanager
def _key_store(data_dir: Path) -> Iterator[SqliteServerBackend]:
    """Open the keys of a directory that has some; a mistyped one isn't made into a server's."""
    if not (data_dir / KEYS_FILE).is_file():
        raise StorageError(f"{data_dir}: no server keeps its files there; name the directory given to `serve --data`")
    store = open_key_store(data_dir, clock=SystemClock(), random_bytes=os.urandom)
    try:
        yield store
    finally:
        store.close()


def _key_value(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "database": key.database,
        "read_only": key.read_only,
        "created_at": iso_text(key.created_ms),
    }


def _key_line(key: ApiKey) -> str:
    may = "read only" if key.read_only else "read, write"
    return f"{key.id}  {key.database}  {may}  {iso_text(key.created_ms)}  {key.name}"
