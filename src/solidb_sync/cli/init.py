"""`init`: make this directory a device, with a store and a `solidb.toml` that names it."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any

import click

from solidb_sync.cli.device import http_client
from solidb_sync.cli.options import examples, server_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output
from solidb_sync.cli.settings import ENCRYPTION_KEY, FILE_NAME, Settings
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.stored_engine import engine_for

URL_DEFAULT = "http://localhost:6745"
STORE_DEFAULT = "solidb-store/store.db"


@click.command(epilog=examples("solidb-sync init --database mydb", "solidb-sync init --database mydb --device-id laptop"))
@click.option("--force", is_flag=True, help=f"Replace a {FILE_NAME} that is there; the store stays.")
@server_options
def init(*, force: bool, as_json: bool, **flags: Any) -> int:
    """Write solidb.toml into the current directory and create the store. The API key is not written anywhere."""
    output = Output(as_json=as_json)
    if Path(FILE_NAME).exists() and not force:
        output.error(f"{FILE_NAME} exists already; --force replaces it", type="AlreadyExists", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    values = _values(Settings(flags, os.environ, {}))
    http_client(Settings(values, {}, {}))  # an address or a database that can't be used is refused now
    key = Settings({}, os.environ, {}).secret(ENCRYPTION_KEY)
    path = values["store"]
    LocalStore.open(path, values["device_id"], engine=engine_for(path), encryption_key=key).close()
    write_private(Path(FILE_NAME), toml_text(values))
    told = {"settings": FILE_NAME, **values}
    output.result(told, f"wrote {FILE_NAME}: device {values['device_id']}, store {values['store']}")
    return EXIT_DONE


def _values(given: Settings) -> dict[str, Any]:
    values: dict[str, Any] = {
        "url": given.find("url") or URL_DEFAULT,
        "database": given.need("database"),
        "store": given.find("store") or STORE_DEFAULT,
        "device_id": given.find("device_id") or f"device-{secrets.token_hex(4)}",
    }
    if given.find("api_key_file"):
        values["api_key_file"] = given.find("api_key_file")
    if given.boolean("allow_plain_http"):
        values["allow_plain_http"] = True
    return values


def toml_text(values: dict[str, Any]) -> str:
    """Return settings as TOML: a JSON string or boolean is one of TOML too, but for the character 0x7f."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in values.items()]
    return "".join(lines).replace("\x7f", "\\u007f")


def write_private(path: Path, text: str) -> None:
    """Write a file only its owner may read, whole or not at all."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
