"""`verify`, `backup` and `salvage`: is the store sound, a copy of it, and what is left of a damaged one."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output
from solidb_sync.cli.settings import ENCRYPTION_KEY, client_settings
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.salvage import salvage_store


@click.command(epilog=examples("solidb-sync verify"))
@store_options
def verify(*, as_json: bool, **flags: Any) -> int:
    """Read every record of the store and name what is damaged; exit status 1 when something is."""
    with _reading(flags) as store:
        report = store.verify()
    if report.is_sound:
        text = f"{report.records} records are sound"
    else:
        text = "\n".join([*report.problems, "salvage what can be read: solidb-sync salvage TARGET"])
    Output(as_json=as_json).result({**dataclasses.asdict(report), "is_sound": report.is_sound}, text)
    return EXIT_DONE if report.is_sound else EXIT_NOT_DONE


@click.command(epilog=examples("solidb-sync backup copies/monday.db"))
@click.argument("target")
@store_options
def backup(target: str, *, as_json: bool, **flags: Any) -> int:
    """Write a consistent copy of the store to TARGET, also while another process has it open; under the same key."""
    with _reading(flags) as store:
        store.backup(target)
        path = store.path
    Output(as_json=as_json).result({"source": path, "target": target}, f"{target} is a copy of {path}")
    return EXIT_DONE


@click.command(epilog=examples("solidb-sync salvage solidb-store/salvaged.db"))
@click.argument("target")
@store_options
def salvage(target: str, *, as_json: bool, **flags: Any) -> int:
    """Write what can still be read of the damaged store into a new one at TARGET, and say what can't; the old one stays."""
    settings = client_settings(flags)
    key, device_id = settings.secret(ENCRYPTION_KEY), settings.find("device_id") or ""
    report = salvage_store(settings.need("store"), target, encryption_key=key, device_id=device_id)
    lines = [
        f"{report.documents} documents, {report.changes} unsent edits and {report.attachments} attachments are in {target}",
        *([f"{report.queued_again} unsent documents were queued again"] if report.queued_again else []),
        *(f"lost: {what}" for what in report.lost),
        f"The next sync fetches what the server has. Set the store to {target} now (SOLIDB_STORE, or store in solidb.toml)",
    ]
    Output(as_json=as_json).result(dataclasses.asdict(report), "\n".join(lines))
    return EXIT_DONE


def _reading(flags: dict[str, Any]) -> LocalStore:
    settings = client_settings(flags)
    key = settings.secret(ENCRYPTION_KEY)
    return LocalStore.open_for_reading(settings.need("store"), settings.need("device_id"), encryption_key=key)
