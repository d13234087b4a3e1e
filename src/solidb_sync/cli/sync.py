"""`sync`: one round with the server, or with `--watch` one after another for as long as it runs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
from collections.abc import AsyncIterator
from typing import Any

import click

from solidb_sync.cli.conflicts import conflict_line, conflict_value
from solidb_sync.cli.device import http_client, opened
from solidb_sync.cli.options import examples, server_options
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, Output, json_text
from solidb_sync.cli.settings import Settings, client_settings
from solidb_sync.client.events import ChangeEvent
from solidb_sync.client.results import SyncProblem, SyncResult
from solidb_sync.client.sync_manager import SyncManager

LOOK_SECONDS = 0.5


@click.command(epilog=examples("solidb-sync sync", "solidb-sync sync --watch"))
@click.option("--watch", is_flag=True, help="Go on until stopped, printing each change from elsewhere as a line.")
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 86_400),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="With --watch: the time between rounds that nothing else causes.",
)
@server_options
def sync(*, watch: bool, interval: float, as_json: bool, **flags: Any) -> int:
    """Send what waits and fetch what is new. Exit status 1 when anything is left."""
    output, settings = Output(as_json=as_json), client_settings(flags)
    if watch:
        return asyncio.run(_watch(settings, output, interval))
    result = asyncio.run(_one_round(settings))
    output.result(result_value(result), *_result_lines(result))
    if not result.success:
        output.error("; ".join(map(_problem_text, result.error_details)), type="NotSynced", exit_code=EXIT_NOT_DONE)
    return EXIT_DONE if result.success else EXIT_NOT_DONE


async def _one_round(settings: Settings) -> SyncResult:
    async with opened(settings, http_client(settings), creates=True) as manager:
        result = await manager.sync_now()
        if not result.success:
            return result
        moved = await manager.sync_attachments()
        problems = [SyncProblem("AttachmentNotMoved", error, is_retryable=True) for error in moved.errors]
        return dataclasses.replace(result, success=moved.success, errors=moved.errors, error_details=problems)


async def _watch(settings: Settings, output: Output, interval: float) -> int:
    """Sync until SIGINT or SIGTERM. What no waiting can mend (a wrong key) ends it at once."""
    stopping = asyncio.Event()
    with contextlib.suppress(NotImplementedError):  # a platform whose event loop knows no signals: Ctrl-C still ends it
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    client = http_client(settings)
    async with opened(settings, client, creates=True, interval_seconds=interval) as manager:
        printing = asyncio.create_task(_print_changes(manager.changes(source="remote"), output))
        printing.add_done_callback(lambda _: stopping.set())  # nobody reads any more
        first = await manager.sync_now()
        hopeless = [problem for problem in first.error_details if not problem.is_retryable and not problem.collection]
        if hopeless:
            output.error(hopeless[0].message, type=hopeless[0].type, exit_code=EXIT_NOT_DONE)
        else:
            output.note(f"watching {client.database} at {client.base_url}; SIGINT (Ctrl-C) or SIGTERM stops it")
            await manager.start()
            await _tell_states(manager, output, stopping)
    await printing
    return EXIT_NOT_DONE if hopeless else EXIT_DONE


async def _print_changes(changes: AsyncIterator[ChangeEvent], output: Output) -> None:
    async for event in changes:
        output.result(_event_value(event), _event_line(event))


async def _tell_states(manager: SyncManager, output: Output, stopping: asyncio.Event) -> None:
    """Tell whenever the sync begins to fail or to work again, until it is to stop."""
    told = "idle"
    while not stopping.is_set():
        now = await manager.status()
        if now.state != told:
            told = now.state
            output.note("working again" if told == "idle" else f"{told}: {now.last_error}")
        try:
            await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)
        except TimeoutError:
            continue


def result_value(result: SyncResult) -> dict[str, Any]:
    """Return what a round did, for a program."""
    return {
        "success": result.success,
        "pushed": result.pushed,
        "pulled": result.pulled,
        "conflicts": [conflict_value(conflict) for conflict in result.conflicts],
        "errors": [
            {"error": problem.message, "type": problem.type, "retryable": problem.is_retryable}
            | ({"request_id": problem.request_id} if problem.request_id else {})
            for problem in result.error_details
        ],
    }


def _problem_text(problem: SyncProblem) -> str:
    """Return what went wrong, with the name it has in the server's log."""
    return f"{problem.message} (request {problem.request_id})" if problem.request_id else problem.message


def _result_lines(result: SyncResult) -> list[str]:
    lines = [f"pushed {result.pushed}, pulled {result.pulled}, conflicts {result.conflict_count}"]
    for conflict in result.conflicts:
        lines.append(f"conflict: {conflict_line(conflict)}")
    return lines


def _event_value(event: ChangeEvent) -> dict[str, Any]:
    return {"type": event.type, "collection": event.collection, "key": event.key, "document": event.document}


def _event_line(event: ChangeEvent) -> str:
    document = "" if event.document is None else f"  {json_text(event.document)}"
    return f"{event.type:<6}  {event.collection}/{event.key}{document}"
