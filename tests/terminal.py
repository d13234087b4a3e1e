"""A process on a pseudo-terminal of its own, for tests of what people type into."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

SECONDS_MAX = 30.0
SECONDS_BETWEEN_KEYS = 3.0


def _take_terminal() -> None:
    """Make the standard input the terminal that sends this process its signals."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A process on a terminal of its own: what it writes is read until something expected comes."""

    def __init__(self, command: list[str], environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
            preexec_fn=_take_terminal,
        )  # fmt: skip
        os.close(slave)
        self.text = ""

    def type(self, text: str) -> None:
        """Type, as fast as a machine."""
        os.write(self.master, text.encode())

    def expect(self, wanted: str) -> None:
        """Read until this comes; what follows is left for the next time."""
        self.wait_until(lambda: wanted in self.text, wanted)
        self.text = self.text.partition(wanted)[2]

    def interrupt_until(self, wanted: str) -> None:
        """Press Ctrl-C until this comes: pressed in the moment in which a prompt ends, it may be lost, as for a person."""
        deadline = time.monotonic() + SECONDS_MAX
        while wanted not in self.text:
            self.type("\x03")
            again = time.monotonic() + SECONDS_BETWEEN_KEYS
            assert again < deadline, f"interrupted in vain: {self.text!r}"
            while wanted not in self.text and time.monotonic() < again:
                self._read()
        self.expect(wanted)

    def wait_until(self, holds: Callable[[], bool], wanted: str) -> None:
        """Read until something holds."""
        deadline = time.monotonic() + SECONDS_MAX
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain for {wanted!r} in {self.text!r}"
            self._read()

    def _read(self) -> None:
        if select.select([self.master], [], [], 0.05)[0]:
            self.text += os.read(self.master, 65536).decode("utf-8", "replace")

    def takes_signals(self) -> bool:
        """Tell whether Ctrl-C is a signal now, and not a key that a prompt reads."""
        return bool(termios.tcgetattr(self.master)[3] & termios.ISIG)

    def close(self) -> None:
        """End the process, if it has not ended."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(SECONDS_MAX)
        os.close(self.master)


def terminal_environment(home: Path) -> dict[str, str]:
    """Return the environment of a person with an empty home, at a wide terminal that answers no questions."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "SOLIDB_"))}
    return {**kept, "HOME": str(home), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "200"}
