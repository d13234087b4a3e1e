"""The options that several commands share, and the help that every command has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Function = TypeVar("Function", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
_store = click.option("--store", metavar="PATH", help="The file of the local store (SOLIDB_STORE).")
_device_id = click.option("--device-id", metavar="NAME", help="The name of this device (SOLIDB_DEVICE_ID).")
_url = click.option("--url", metavar="URL", help="The server's address (SOLIDB_URL).")
_database = click.option("--database", metavar="NAME", help="The database on the server (SOLIDB_DATABASE).")
_api_key_file = click.option(
    "--api-key-file", metavar="PATH", help="A file with the API key (or SOLIDB_API_KEY, SOLIDB_API_KEY_FILE)."
)
_plain_http = click.option(
    "--allow-plain-http",
    is_flag=True,
    default=None,
    help="Allow http:// to other machines (SOLIDB_ALLOW_PLAIN_HTTP).",
)
data_option = click.option("--data", metavar="DIR", help="The server's directory (SOLIDB_DATA).")


def store_options(function: Function) -> Function:
    """Add what a command needs that works on the local store."""
    return _store(_device_id(json_option(function)))


def server_options(function: Function) -> Function:
    """Add what a command needs that also talks to the server."""
    return _store(_device_id(_url(_database(_api_key_file(_plain_http(json_option(function)))))))


def examples(*lines: str) -> str:
    """Return the end of a command's help: how to call it."""
    return "\b\nExample:\n" + "\n".join(f"  {line}" for line in lines)
