"""The console command as real processes: run to its end, or started, listened to and ended by its id.

Starting Python takes most of a command's time, so steps that only prepare a test run `here`: the same entry point with the
same arguments, settings, directory and streams, in the process of the tests.
"""

from __future__ import annotations

import io
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from solidb_sync.cli.main import main

ADMIN_KEY = "administrator-" + "k" * 32
SECONDS_MAX = 60
COMMAND = (sys.executable, "-m", "solidb_sync.cli")


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def error(self) -> Any:
        return json.loads(self.err.splitlines()[-1])


def clean_environment(home: Path, **settings: str) -> dict[str, str]:
    """Return an environment without settings of the person who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SOLIDB_")}
    return {**kept, "HOME": str(home), **settings}


@dataclass
class Cli:
    """Runs commands in a directory of its own, with these settings in the environment."""

    directory: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, text: str = "", **more: str) -> Done:
        ended = subprocess.run(
            [*COMMAND, *arguments],
            cwd=self.directory,
            env=self.environment(**more),
            input=text.encode(),
            capture_output=True,
            timeout=SECONDS_MAX,
            check=False,
        )
        return Done(ended.returncode, ended.stdout.decode(), ended.stderr.decode())

    def here(self, *arguments: str, text: str = "", **more: str) -> Done:
        """Run a command in this process."""
        streams = {name: io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for name in ("stdin", "stdout", "stderr")}
        streams["stdin"].buffer.write(text.encode())
        streams["stdin"].buffer.seek(0)
        with pytest.MonkeyPatch.context() as patched:
            patched.chdir(self.directory)
            for name in [known for known in os.environ if known.startswith("SOLIDB_")]:
                patched.delenv(name)
            for name, value in {**self.settings, **more}.items():
                patched.setenv(name, value)
            for name, stream in streams.items():
                patched.setattr(sys, name, stream)
            code = main(list(arguments))
        out, err = (streams[name].buffer.getvalue().decode() for name in ("stdout", "stderr"))
        return Done(code, out, err)

    def start(self, *arguments: str, **more: str) -> Running:
        return self.start_command([*COMMAND, *arguments], self.environment(**more))

    def start_command(self, command: list[str], environment: dict[str, str]) -> Running:
        return Running(command, self.directory, environment)

    def environment(self, **more: str) -> dict[str, str]:
        return clean_environment(self.directory, **{**self.settings, **more})


class Running:
    """A process that goes on: its lines come as they are printed; leaving the block ends it."""

    def __init__(self, command: list[str], directory: Path, environment: dict[str, str]) -> None:
        self.process = subprocess.Popen(
            command, cwd=directory, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.out: queue.Queue[str | None] = queue.Queue()
        self.err: queue.Queue[str | None] = queue.Queue()
        pairs = ((self.process.stdout, self.out), (self.process.stderr, self.err))
        self._readers = [threading.Thread(target=self._read, args=pair) for pair in pairs]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: queue.Queue[str | None]) -> None:
        for line in stream:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def line(self, lines: queue.Queue[str | None]) -> str:
        """Return the next line, waiting for it as long as it may take."""
        found = lines.get(timeout=SECONDS_MAX)
        assert found is not None, "the process has ended without another line"
        return found

    def stop(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        return self.process.wait(SECONDS_MAX)

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS_MAX)
        for reader in self._readers:
            reader.join(SECONDS_MAX)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()


@dataclass(frozen=True)
class Server:
    """A running server and the directory it keeps its files in."""

    url: str
    data: Path
    process: Running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    cli = Cli(directory, {"SOLIDB_API_KEY": ADMIN_KEY})
    with cli.start("serve", "--data", "data", "--port", "0") as process:
        url = process.line(process.out).removeprefix("listening on ")
        yield Server(url, directory / "data", process)


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli(tmp_path)


@pytest.fixture
def device(tmp_path: Path, server: Server, request: pytest.FixtureRequest) -> Callable[[str], Cli]:
    """Return a maker of devices; each test has a database of its own."""
    database = request.node.name.replace("[", "-").replace("]", "")[:100]

    def make(name: str) -> Cli:
        directory = tmp_path / name
        directory.mkdir()
        settings = {
            "SOLIDB_URL": server.url,
            "SOLIDB_DATABASE": database,
            "SOLIDB_API_KEY": ADMIN_KEY,
            "SOLIDB_STORE": str(directory / "store.db"),
            "SOLIDB_DEVICE_ID": name,
        }
        return Cli(directory, settings)

    return make
