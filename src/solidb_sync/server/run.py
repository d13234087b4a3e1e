"""Run the server in this process until it is told to stop.

One process serves: the files belong to it alone. SIGTERM and SIGINT end open event streams first, let running requests
finish for a moment, write what is in memory and close the files.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from solidb_sync.clock import Clock, SystemClock
from solidb_sync.errors import ConfigError
from solidb_sync.server.application import build_app, shut_down
from solidb_sync.server.config import ServerConfig, check_may_listen
from solidb_sync.server.http.context import ServerContext
from solidb_sync.server.maintenance_schedule import maintained
from solidb_sync.server.open_files import ask_for_open_files
from solidb_sync.server.storage.sqlite.server_backend import open_sqlite_backend

GRACE_SECONDS = 3
KEEP_ALIVE_SECONDS = 75
"""How long an idle connection stays open: longer than a device's usual pause between two rounds."""

BACKLOG_CONNECTIONS = 2_048
COLLECTOR_THRESHOLDS = (50_000, 20, 50)


def announce_on_stdout(url: str) -> None:
    """Print the one line that says the server is ready."""
    sys.stdout.write(f"listening on {url}\n")
    sys.stdout.flush()


def serve(
    config: ServerConfig,
    *,
    clock: Clock | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
    announce: Callable[[str], None] = announce_on_stdout,
) -> None:
    """Serve until SIGTERM or SIGINT; `announce` gets the URL when requests are answered.

    Raises `ConfigError` when it may not or cannot listen there, `StorageError` when the files can't be opened.
    """
    clock = clock or SystemClock()
    ask_for_open_files()
    backend = open_sqlite_backend(config.data_dir, clock=clock, random_bytes=random_bytes)
    try:
        check_may_listen(config, has_keys=bool(backend.api_keys()))
        app = build_app(config, backend, clock, random_bytes=random_bytes)
        with contextlib.closing(_listening_socket(config)) as listening:
            port = listening.getsockname()[1]
            host = f"[{config.host}]" if ":" in config.host else config.host
            _calm_the_collector()
            _Server(app, lambda: announce(f"http://{host}:{port}")).run(sockets=[listening])
    finally:
        backend.close()


def _calm_the_collector() -> None:
    """Look for reference cycles less often: a batch of a thousand changes makes many objects and no cycles.

    With Python's own thresholds the search costs a fifth of the time of a large push.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)


class _Server(uvicorn.Server):
    """Uvicorn with our start and end."""

    def __init__(self, app: Starlette, started: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=GRACE_SECONDS,
                timeout_keep_alive=KEEP_ALIVE_SECONDS,
            )
        )
        self._app = app
        self._started = started
        self._maintained = contextlib.AsyncExitStack()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        if self.started:
            await self._maintained.enter_async_context(maintained(self._app.state.context))
            self._started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the event streams, wait for running requests, write what is left."""
        context: ServerContext = self._app.state.context
        context.doorbell.close()
        await self._maintained.aclose()
        await super().shutdown(sockets)
        await shut_down(self._app)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGTERM and SIGINT and return; the process is the caller's to end."""
        before = {}
        for number in (signal.SIGTERM, signal.SIGINT):
            with contextlib.suppress(ValueError):  # not on the main thread: somebody else has the signals
                before[number] = signal.signal(number, self._stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.handle_exit(number, frame)


def _listening_socket(config: ServerConfig) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(address)
        listening.listen(BACKLOG_CONNECTIONS)
    except OSError as problem:
        raise ConfigError(f"host, port: cannot listen on {config.host}:{config.port}: {problem.strerror}") from problem
    listening.setblocking(False)
    return listening
