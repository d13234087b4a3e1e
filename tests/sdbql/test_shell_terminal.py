"""The shell as a process: on a real pseudo-terminal, and behind a pipe."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS_MAX = 30.0
WITHOUT_TOOLKIT = (
    "import sys; sys.modules['prompt_toolkit'] = None; from sdbql.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
ENDLESS = "FOR a IN 1..3000 FOR b IN 1..3000 FOR c IN 1..3000 FILTER a + b + c < 0 RETURN 1"


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

    def wait_until(self, holds: Callable[[], bool], wanted: str) -> None:
        """Read until something holds."""
        deadline = time.monotonic() + SECONDS_MAX
        while not holds():
            assert time.monotonic() < deadline, f"waited in vain for {wanted!r} in {self.text!r}"
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


@pytest.fixture
def users(tmp_path: Path) -> str:
    """A file that is the collection `users`."""
    path = tmp_path / "users.json"
    path.write_text('[{"name": "Zoë", "age": 30}, {"name": "Bo", "age": 12}]', encoding="utf-8")
    return str(path)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The environment of a person with an empty home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("XDG_")}
    return {**kept, "HOME": str(tmp_path), "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1", "COLUMNS": "200"}


@pytest.fixture
def start(environment: dict[str, str]) -> Iterator[Callable[..., Terminal]]:
    """Start a command on a terminal; it is ended with the test."""
    started: list[Terminal] = []

    def make(*command: str) -> Terminal:
        started.append(Terminal([sys.executable, *command], environment))
        return started[-1]

    yield make
    for terminal in started:
        terminal.close()


def test_on_a_terminal_names_are_completed_lines_go_on_and_ctrl_c_stops_a_query(
    start: Callable[..., Terminal], users: str, tmp_path: Path
) -> None:
    """And what was typed is remembered, for its owner only."""
    terminal = start("-m", "sdbql", users)
    terminal.expect("sdbql>")
    terminal.type("FOR u IN us\t")
    terminal.expect("us")
    terminal.expect("ers")
    terminal.type("\r")
    terminal.expect("...>")
    terminal.type("FILTER u.age > 18 RETURN u.na\t")
    terminal.expect("u.na")
    terminal.expect("me")
    terminal.type("\r")
    terminal.expect("result")
    terminal.expect("Zoë")
    terminal.expect("(1 row)")
    terminal.expect("sdbql>")
    terminal.type(f"{ENDLESS}\r")
    terminal.wait_until(terminal.takes_signals, "the end of the prompt")
    terminal.type("\x03")
    terminal.expect("cancelled")
    terminal.expect("sdbql>")
    terminal.type("\x04")
    assert terminal.process.wait(SECONDS_MAX) == 0
    history = tmp_path / ".local/state/sdbql/history"
    assert "+FOR u IN users\n+FILTER u.age > 18 RETURN u.name" in history.read_text("utf-8")
    assert stat.S_IMODE(history.stat().st_mode) == 0o600


def test_without_the_extra_lines_are_asked_for_one_by_one(start: Callable[..., Terminal], users: str) -> None:
    """Errors are shown with the place."""
    terminal = start("-c", WITHOUT_TOOLKIT, users)
    terminal.expect("sdbql> ")
    terminal.type("FOR u IN users\n")
    terminal.expect("  ...> ")
    terminal.type("SORT u.age RETURN u\n")
    terminal.expect("Bo     12")
    terminal.expect("sdbql> ")
    terminal.type("RETURN 1 +* 2\n")
    terminal.expect("              ^")
    terminal.expect("sdbql> ")
    terminal.type(".quit\n")
    assert terminal.process.wait(SECONDS_MAX) == 0


def piped(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a text as its input."""
    command = [sys.executable, "-m", "sdbql", *arguments]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=SECONDS_MAX, check=False)


def test_queries_from_a_pipe_are_answered_with_lines_of_json(users: str) -> None:
    """No prompt, no table."""
    done = piped("FOR u IN users\n  SORT u.age\n  RETURN u.age\nRETURN @x\n", users, "--bind", "x=1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "12\n30\n1\n", "")


def test_an_error_in_a_pipe_is_told_and_the_status_says_so() -> None:
    """What follows is run all the same."""
    done = piped("RETURN nobody\nRETURN 2\n")
    assert (done.returncode, done.stdout) == (1, "2\n")
    assert done.stderr.startswith("Execution error: Variable 'nobody' not found")
