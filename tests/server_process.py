"""A real server for tests: a process of its own on a free port of 127.0.0.1, ended by the test that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from solidb_sync import HttpClient

ADMIN_KEY = "an-administrators-key-for-tests-only-0123456789"
STOP_SECONDS_MAX = 60
"""A server that tests shared has a hundred databases to close, on a disk that may be slow."""


class ServerProcess:
    """One server process over a data directory; can be killed and started again on the same port."""

    def __init__(self, data: Path, port: int = 0, *, options: tuple[str, ...] = ()) -> None:
        self.data = data
        self.options = options
        self.port = port
        self.process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        """Start the process and wait for the line that says it answers."""
        command = Path(sys.executable).with_name("solidb-sync")
        self.process = subprocess.Popen(
            [str(command), "serve", "--data", str(self.data), "--port", str(self.port), *self.options],
            env={**os.environ, "SOLIDB_API_KEY": ADMIN_KEY},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), line
        self.port = int(line.rsplit(":", 1)[1])

    @property
    def address(self) -> str:
        """Where it listens, as `host:port`."""
        return f"127.0.0.1:{self.port}"

    def client(self, database: str, timeout_ms: int = 10_000) -> HttpClient:
        """Return a client of one database."""
        return HttpClient(self.address, timeout_ms, database=database, api_key=ADMIN_KEY)

    def kill(self) -> None:
        """End the process as a power cut would, for it: SIGKILL."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self._reap()

    def stop(self) -> None:
        """End the process in order; harmless when it has ended."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        self._reap()

    def _reap(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.wait(STOP_SECONDS_MAX)
        self.process.stdout.close()
