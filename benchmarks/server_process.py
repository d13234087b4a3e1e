"""A server in a process of its own, on a free port of this machine, for the length of a `with` block."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from solidb_sync import HttpClient


@dataclass(frozen=True)
class RunningServer:
    """Where the server answers, and the key that opens it."""

    url: str
    key: str
    pid: int

    def client(self, database: str) -> HttpClient:
        """Return a client of one database."""
        return HttpClient(self.url, 60_000, database=database, api_key=self.key)


@contextmanager
def running_server(data: Path | None = None) -> Iterator[RunningServer]:
    """Start `solidb-sync serve` over a directory (a new one unless given), yield it, stop it."""
    key = secrets.token_hex(32)
    command = Path(sys.executable).with_name("solidb-sync")
    with tempfile.TemporaryDirectory() as directory:
        process = subprocess.Popen(
            [str(command), "serve", "--data", str(data or directory), "--port", "0"],
            env={**os.environ, "SOLIDB_API_KEY": key},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield RunningServer(line.split()[-1], key, process.pid)
        finally:
            process.terminate()
            process.wait(10)
