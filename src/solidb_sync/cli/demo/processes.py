"""The processes of the demo: started, asked and ended by their own id, whatever happens in between."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from solidb_sync.cli.output import json_text
from solidb_sync.errors import SoliDBError
from solidb_sync.json_value import decode

ANSWER_SECONDS_MAX = 15.0
ENDING_SECONDS_MAX = 5.0


class Child:
    """A Python process of ours, with pipes for its input and output; its errors go to a file."""

    def __init__(self, process: asyncio.subprocess.Process, name: str, log: Path) -> None:
        self._process = process
        self._name = name
        self._log = log

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def send_line(self, line: str) -> None:
        """Write one line to its input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")

    async def next_line(self) -> str:
        """Return its next line of output; raises `SoliDBError` when it ends or stays silent instead."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(ANSWER_SECONDS_MAX):
                line = await self._process.stdout.readline()
        except TimeoutError:
            raise SoliDBError(f"{self._name}: no answer within {ANSWER_SECONDS_MAX:g} seconds") from None
        if not line:
            said = self._log.read_text("utf-8", "replace").strip()
            raise SoliDBError(f"{self._name}: the process has ended: {said or 'it said nothing'}")
        return line.decode().rstrip("\n")

    async def kill(self) -> None:
        """End it with SIGKILL: it gets no chance to write anything."""
        self._process.kill()
        await self._process.wait()

    async def end(self) -> None:
        """End it in peace, or without when that takes too long."""
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            async with asyncio.timeout(ENDING_SECONDS_MAX):
                await self._process.wait()
        except TimeoutError:
            await self.kill()


@asynccontextmanager
async def child(name: str, log: Path, module: str, *arguments: str, api_key: str) -> AsyncIterator[Child]:
    """Run a module of this package as a process for as long as the block runs."""
    environment = {known: value for known, value in os.environ.items() if not known.startswith("SOLIDB_")}
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env={**environment, "SOLIDB_API_KEY": api_key},
            cwd=log.parent,
        )
    running = Child(process, name, log)
    try:
        yield running
    finally:
        await running.end()


class Device:
    """One device: asks its process, and can lose it and begin again over the same store."""

    def __init__(self, name: str, directory: Path, url: str, database: str, api_key: str) -> None:
        self.name = name
        self._log = directory / f"{name}.log"
        self._arguments = (str(directory / name / "store.db"), name, url, database)
        self._api_key = api_key
        self._running: Child | None = None

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Child]:
        """Run the device's process; calls are answered inside the block."""
        module = "solidb_sync.cli.demo.device_process"
        async with child(self.name, self._log, module, *self._arguments, api_key=self._api_key) as process:
            await process.next_line()
            self._running = process
            yield process

    async def call(self, name: str, **arguments: Any) -> Any:
        """Ask the process and return its result."""
        assert self._running is not None
        self._running.send_line(json_text({"call": name, **arguments}))
        answer = decode(await self._running.next_line())
        if "error" in answer:
            raise SoliDBError(f"{self.name}: {name}: {answer['error']}")
        return answer["result"]

    async def save(self, collection: str, key: str, **document: Any) -> None:
        """Save fields of a document."""
        await self.call("save", collection=collection, key=key, document=document)

    async def documents(self, collection: str) -> dict[str, Any]:
        """Return a collection as the device sees it."""
        found: dict[str, Any] = await self.call("documents", collection=collection)
        return found
