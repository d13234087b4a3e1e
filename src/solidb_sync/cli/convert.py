"""`convert`: move this device's store to another engine."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, Output
from solidb_sync.cli.settings import client_settings
from solidb_sync.storage.convert_store import FILE_ENGINES, convert_store


@click.command(epilog=examples("solidb-sync convert solidb-store/rocks --engine rocksdb"))
@click.argument("target")
@click.option("--engine", type=click.Choice(FILE_ENGINES), required=True, help="The engine of the new store.")
@store_options
def convert(target: str, *, engine: str, as_json: bool, **flags: Any) -> int:
    """Copy the store into a new one of another engine, compare them, and use the old one no more; it stays."""
    converted = convert_store(client_settings(flags).need("store"), target, engine)
    line = (
        f"{converted.records} records are in {target} ({engine}) and are the same; {converted.source} is marked as moved "
        f"and can be deleted. Set the store to {target} now (SOLIDB_STORE, or store in solidb.toml)"
    )
    Output(as_json=as_json).result(dataclasses.asdict(converted), line)
    return EXIT_DONE
