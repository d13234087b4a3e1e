"""The command `demo`: starts the processes, lets the story run, and compares what everybody holds at the end."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import tempfile
import time
from pathlib import Path
from typing import Any

import click

from solidb_sync.cli.demo import story
from solidb_sync.cli.demo.comparison import differences, plain, server_contents
from solidb_sync.cli.demo.processes import Device, child
from solidb_sync.cli.options import examples, json_option
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output, json_text
from solidb_sync.client.transport.http_transport import HttpClient
from solidb_sync.errors import SoliDBError

DATABASE = "demo"
READY = "listening on "


@click.command(epilog=examples("solidb-sync demo", "solidb-sync demo --json"))
@json_option
def demo(*, as_json: bool) -> int:
    """Show it: a server and two devices edit, go offline, conflict, crash and converge.

    Everything runs in processes of its own, on this machine, in a directory that is removed at the end. Exit status 1
    when the devices and the server don't hold equal documents.
    """
    output = Output(as_json=as_json)
    begun = time.monotonic()
    summary = asyncio.run(_demo(output))
    summary["seconds"] = round(time.monotonic() - begun, 1)
    exit_code, told = ending(summary)
    output.result(summary, told)
    return exit_code


def ending(summary: dict[str, Any]) -> tuple[int, str]:
    """Return the exit status of a finished demo, and its last words."""
    if summary["converged"]:
        return EXIT_DONE, f"\nBoth devices and the server hold the same {summary['documents']} documents. Done."
    return EXIT_NOT_DONE, "\nThe documents differ:\n  " + "\n  ".join(summary["differences"])


async def _demo(output: Output) -> dict[str, Any]:
    with contextlib.suppress(NotImplementedError):  # a platform without signals in its event loop
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    api_key = secrets.token_hex(32)
    with tempfile.TemporaryDirectory(prefix="solidb-demo-") as name:
        directory = Path(name)
        serving = ("serve", "--data", str(directory / "server"), "--port", "0")
        try:
            async with child("server", directory / "server.log", "solidb_sync.cli", *serving, api_key=api_key) as server:
                url = (await server.next_line()).removeprefix(READY)
                output.say(f"A server at {url}, and two devices: phone and laptop")
                return await _play(output, directory, url, api_key)
        except asyncio.CancelledError:
            raise SoliDBError("the demo was stopped before its end") from None


async def _play(output: Output, directory: Path, url: str, api_key: str) -> dict[str, Any]:
    phone, laptop = (Device(name, directory, url, DATABASE, api_key) for name in ("phone", "laptop"))
    cast = story.Cast(phone, laptop, output.say)
    async with laptop.running():
        async with phone.running() as process:
            for scene in (story.meet, story.edit_apart, story.reconnect, story.delete, story.transact):
                await scene(cast)
            await story.save_and_crash(cast, process)
        async with phone.running():
            await story.come_back(cast)
            return {**await _compare(cast, HttpClient(url, database=DATABASE, api_key=api_key)), **cast.found}


async def _compare(cast: story.Cast, client: HttpClient) -> dict[str, Any]:
    cast.scene("7. What everybody holds")
    places = {
        device.name: {name: plain(await device.documents(name)) for name in story.COLLECTIONS}
        for device in (cast.phone, cast.laptop)
    }
    try:
        places["server"] = await server_contents(client, story.COLLECTIONS)
    finally:
        await client.close()
    for place, contents in places.items():
        cast.detail(f"{place + ':':<7} {json_text({name: sorted(documents) for name, documents in contents.items()})}")
    found = differences(places)
    count = sum(len(documents) for documents in places["server"].values())
    return {"converged": not found, "documents": count, "differences": found}
