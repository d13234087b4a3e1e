"""`serve`: run the server in this process."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

import click

from solidb_sync.cli.options import data_option, examples, json_option
from solidb_sync.cli.output import EXIT_DONE, Output
from solidb_sync.cli.settings import Settings, server_settings
from solidb_sync.clock import SystemClock
from solidb_sync.errors import ConfigError, SoliDBError
from solidb_sync.model.attachment import LENGTH_MAX
from solidb_sync.protocol.addresses import PORT_DEFAULT
from solidb_sync.protocol.attachments import ATTACHMENT_BYTES_DEFAULT
from solidb_sync.server.config import (
    ATTACHMENTS_TOTAL_BYTES_DEFAULT,
    RETENTION_DAYS_DEFAULT,
    RETENTION_DAYS_MAX,
    ServerConfig,
)
from solidb_sync.server.storage.sqlite.server_backend import open_key_store

PORT_MAX = 65_535
LOG_LEVELS = ("debug", "info", "warning")
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
SERVER_PACKAGES = ("starlette", "uvicorn")


@click.command(epilog=examples("solidb-sync serve --data ./server", "solidb-sync serve --data ./server --port 0"))
@data_option
@click.option(
    "--host", metavar="ADDRESS", help="Where to listen (SOLIDB_HOST); 127.0.0.1 is this machine only, the default."
)
@click.option("--port", type=click.IntRange(0, PORT_MAX), help="The port (SOLIDB_PORT), default 6745; 0 picks a free one.")
@click.option(
    "--backend", type=click.Choice(["sqlite", "postgres"]), default="sqlite", show_default=True, help="Where data is kept."
)
@click.option("--database-url", metavar="URL", help="For --backend postgres.")
@click.option(
    "--retention-days",
    type=click.FloatRange(0, RETENTION_DAYS_MAX),
    help="How long deletions are remembered (SOLIDB_RETENTION_DAYS), default 30; devices away for longer fetch anew.",
)
@click.option(
    "--attachment-bytes-max",
    type=click.IntRange(0, LENGTH_MAX),
    metavar="BYTES",
    help="The most bytes of one attachment (SOLIDB_ATTACHMENT_BYTES_MAX), default 1 GiB; 0 takes only empty ones.",
)
@click.option(
    "--attachments-total-bytes-max",
    type=click.IntRange(0, LENGTH_MAX),
    metavar="BYTES",
    help="The most bytes of all attachments of a database (SOLIDB_ATTACHMENTS_TOTAL_BYTES_MAX), default 64 GiB.",
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    help="What is written to standard error (SOLIDB_LOG_LEVEL): `warning`, the default, is failures; `info` also refusals; "
    "`debug` every request.",
)
@json_option
def serve(*, backend: str, database_url: str | None, as_json: bool, **flags: Any) -> int:
    """Run the server until SIGTERM or SIGINT. Prints `listening on http://HOST:PORT` when it answers.

    SOLIDB_API_KEY (or SOLIDB_API_KEY_FILE), at least 32 characters, is the administrator's key: it opens all databases
    and creates them. Other keys are made with `solidb-sync token create`.
    """
    if backend == "postgres":
        raise ConfigError("backend: postgres is not available in this version; leave --backend out, or use sqlite")
    if database_url is not None:
        raise ConfigError("database_url: belongs to --backend postgres, which is not available in this version")
    _serve(server_settings(flags), Output(as_json=as_json))
    return EXIT_DONE


def _serve(settings: Settings, output: Output) -> None:
    try:
        from solidb_sync.server.run import serve as run_server
    except ModuleNotFoundError as problem:
        if problem.name not in SERVER_PACKAGES:
            raise
        raise SoliDBError(f"{problem.name} is missing; install the server with: pip install 'solidb-sync[server]'") from None
    config = ServerConfig(
        data_dir=Path(settings.need("data")),
        host=settings.find("host") or "127.0.0.1",
        port=settings.whole_number("port", PORT_DEFAULT),
        admin_key=settings.secret("api_key") or "",
        retention_days=settings.number("retention_days", RETENTION_DAYS_DEFAULT),
        attachment_bytes_max=settings.whole_number("attachment_bytes_max", ATTACHMENT_BYTES_DEFAULT),
        attachments_total_bytes_max=settings.whole_number("attachments_total_bytes_max", ATTACHMENTS_TOTAL_BYTES_DEFAULT),
    )

    def announce(url: str) -> None:
        output.result({"listening": url}, f"listening on {url}")
        if not config.admin_key and not _has_keys(config.data_dir):
            output.note(
                "there is no API key yet, so nobody can use this server; make one, which it takes at once: "
                f"solidb-sync token create --data {config.data_dir} --database NAME --name LABEL"
            )

    _log_to_standard_error(settings.find("log_level") or LOG_LEVELS[-1])
    run_server(config, clock=SystemClock(), announce=announce)


def _log_to_standard_error(level: str) -> None:
    if level not in LOG_LEVELS:
        raise ConfigError(f"log_level: expected one of {', '.join(LOG_LEVELS)}, found {level!r}")
    logging.basicConfig(format=LOG_FORMAT)
    logging.getLogger("solidb_sync.server").setLevel(level.upper())


def _has_keys(data_dir: Path) -> bool:
    store = open_key_store(data_dir, clock=SystemClock(), random_bytes=os.urandom)
    try:
        return bool(store.api_keys())
    finally:
        store.close()
