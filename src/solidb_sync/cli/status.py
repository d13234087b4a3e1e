"""`status`: how this device stands, and what the server knows of it when it can be asked."""

from __future__ import annotations

import asyncio
from typing import Any

import click
import msgspec

from solidb_sync.cli.device import http_client, opened
from solidb_sync.cli.options import examples, server_options
from solidb_sync.cli.output import EXIT_DONE, Output
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import SoliDBError
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.codec import decode_error, decode_message
from solidb_sync.protocol.messages import StatusAnswer


@click.command(epilog=examples("solidb-sync status", "solidb-sync status --json"))
@server_options
def status(*, as_json: bool, **flags: Any) -> int:
    """Show how this device stands and, when the server can be reached, what it knows of this device."""
    told = asyncio.run(_status(client_settings(flags)))
    Output(as_json=as_json).result(told, *_lines(told))
    return EXIT_DONE


async def _status(settings: Settings) -> dict[str, Any]:
    has_server = settings.find("url") is not None
    client = http_client(settings) if has_server else None
    async with opened(settings, client) as manager:
        now = await manager.status()
        local = {name: getattr(now, name) for name in ("pending", "held", "rejected", "conflicts", "cursor", "filters")}
        local["open_conflicts"] = len(await manager.get_conflicts())
        local["collections"] = list(now.collections)
        device_id = settings.need("device_id")
        told: dict[str, Any] = {"device_id": device_id, "store": settings.need("store"), "local": local}
        told["server"] = None if client is None else await _ask_server(client, device_id)
        return told


async def _ask_server(client: Transport, device_id: str) -> dict[str, Any]:
    """Return what the server says of a device; an unreachable one is a finding, not an error."""
    assert client.database is not None
    path = endpoints.path_for(endpoints.STATUS, client.database)
    try:
        answer = await client.exchange("GET", path, query={"client_id": device_id})
        if answer.status != 200:
            return {"reachable": True, "error": decode_error(answer.body, answer.status).error}
        known = decode_message(answer.body, StatusAnswer)
    except SoliDBError as problem:
        return {"reachable": False, "error": str(problem)}
    return {"reachable": True, **msgspec.structs.asdict(known)}


def _lines(told: dict[str, Any]) -> list[str]:
    local, server = told["local"], told["server"]
    lines = [
        f"device {told['device_id']}, store {told['store']}",
        f"here:   {local['pending']} pending, {local['held']} held, {local['rejected']} rejected, "
        f"{local['conflicts']} in the conflict log, synced up to {local['cursor']}",
        f"synced: {', '.join(local['collections']) or 'all collections'}",
        *(f"        of {collection} where {text}" for collection, text in local["filters"].items()),
    ]
    if local["open_conflicts"]:
        lines.append(f"{local['open_conflicts']} conflicts wait for somebody to decide")
    if server is None:
        return [*lines, "server: no address set (SOLIDB_URL)"]
    if "error" in server:
        return [*lines, f"server: {'' if server['reachable'] else 'not reachable: '}{server['error']}"]
    last = f"last sync {server['last_sync']}" if server["last_sync"] else "never synced"
    return [
        *lines,
        f"server: newest is {server['server_version']['server']}, {last}, {server['pending_for_client']} to fetch",
    ]
