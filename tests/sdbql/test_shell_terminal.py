"""The shell as a process: on a real pseudo-terminal, and behind a pipe."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from terminal import SECONDS_MAX, Terminal, terminal_environment

WITHOUT_TOOLKIT = (
    "import sys; sys.modules['prompt_toolkit'] = None; from sdbql.__main__ import main; sys.exit(main(sys.argv[1:]))"
)
ENDLESS = "FOR a IN 1..3000 FOR b IN 1..3000 FOR c IN 1..3000 FILTER a + b + c < 0 RETURN 1"


@pytest.fixture
def users(tmp_path: Path) -> str:
    """A file that is the collection `users`."""
    path = tmp_path / "users.json"
    path.write_text('[{"name": "Zoë", "age": 30}, {"name": "Bo", "age": 12}]', encoding="utf-8")
    return str(path)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Start a command on a terminal; it is ended with the test."""
    started: list[Terminal] = []

    def make(*command: str) -> Terminal:
        started.append(Terminal([sys.executable, *command], terminal_environment(tmp_path)))
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
    terminal.interrupt_until("cancelled")
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


@pytest.mark.parametrize("arguments", [["FOR i IN 1..100000 RETURN i"], []])
def test_a_reader_that_leaves_early_causes_no_traceback(arguments: list[str]) -> None:
    """As `head` does, after a query and after a shell."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "sdbql", *arguments]
    done = subprocess.run(
        command,
        input=b"FOR i IN 1..100000 RETURN i\n",
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=SECONDS_MAX,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
