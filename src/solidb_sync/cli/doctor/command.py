"""`doctor`: look at everything a device needs, and say of each thing how it stands and what mends it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import click

from solidb_sync.cli.device import http_client
from solidb_sync.cli.doctor.findings import Finding, Level, finding_lines, finding_value, is_healthy, notice
from solidb_sync.cli.doctor.library_checks import check_libraries
from solidb_sync.cli.doctor.server_checks import check_server
from solidb_sync.cli.doctor.store_checks import StorePlace, check_store
from solidb_sync.cli.options import examples, server_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output
from solidb_sync.cli.settings import ENCRYPTION_KEY, Settings, client_settings
from solidb_sync.clock import SystemClock
from solidb_sync.errors import SoliDBError
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.opening import stored_device_id

UNKNOWN_DEVICE = "unknown"


@click.command(epilog=examples("solidb-sync doctor", "solidb-sync doctor --json"))
@server_options
def doctor(*, as_json: bool, **flags: Any) -> int:
    """Examine the store, the disk, the server and the installation, and say what mends what; changes nothing.

    Exit status 1 when something does not work; what only deserves a look leaves it 0.
    """
    settings = client_settings(flags)
    path, key = settings.need("store"), settings.secret(ENCRYPTION_KEY)
    place = StorePlace(path, settings.find("device_id") or _owner(path, key), key)
    findings = [*check_libraries(), *check_store(place), *_server_findings(settings, place)]
    healthy = is_healthy(findings)
    told = {"is_healthy": healthy, "findings": [finding_value(finding) for finding in findings]}
    lines = [line for finding in findings for line in finding_lines(finding)]
    Output(as_json=as_json).result(told, *lines, _summary(findings))
    return EXIT_DONE if healthy else EXIT_NOT_DONE


def _server_findings(settings: Settings, place: StorePlace) -> Iterator[Finding]:
    if settings.find("url") is None:
        yield notice("server", "no address is set, so nothing is synced", "set SOLIDB_URL and SOLIDB_DATABASE")
        return
    yield from asyncio.run(_ask(settings, _client_id(place)))


async def _ask(settings: Settings, client_id: str) -> list[Finding]:
    client = http_client(settings)
    try:
        return [finding async for finding in check_server(client, client_id, SystemClock())]
    finally:
        await client.close()


def _owner(path: str, key: str | None) -> str:
    """Return whose store it is, where nobody said so; what is wrong with one that can't be read, its examination tells."""
    with suppress(SoliDBError):
        return stored_device_id(path, key) or UNKNOWN_DEVICE
    return UNKNOWN_DEVICE


def _client_id(place: StorePlace) -> str:
    """Return the name the store syncs under, which its own record knows; of one that can't be read, the device's."""
    with (
        suppress(SoliDBError),
        LocalStore.open_for_reading(place.path, place.device_id, encryption_key=place.encryption_key) as store,
    ):
        return store.client_id
    return place.device_id


def _summary(findings: list[Finding]) -> str:
    counts = {level: sum(finding.level is level for finding in findings) for level in (Level.PROBLEM, Level.NOTICE)}
    if not any(counts.values()):
        return "everything is as it should be"
    return f"{counts[Level.PROBLEM]} problems, {counts[Level.NOTICE]} notices"
