"""From the first prompt to the last: read, submit, until there is no more."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from sdbql.shell.completion import KnownNames
from sdbql.shell.history_file import history_path, prepare_history
from sdbql.shell.line_reader import PipedReader, PlainReader, Reader
from sdbql.shell.session import Shell

EXIT_DONE, EXIT_FAILED = 0, 1


def run_shell(shell: Shell, *, program: str, tell: Callable[[str], None]) -> int:
    """Serve the standard input until it ends; returns the exit status.

    That is 0 after a conversation, and 1 when nobody could answer an error because the input came from no terminal.
    `program` names the place of the history.
    """
    if sys.stdin.isatty():
        tell("SDBQL: .help shows what there is, .quit leaves")
    history = history_path(program, os.environ, Path.home())
    reader = best_reader(shell.known_names, lambda: prepare_history(history))
    if not sys.stdin.isatty():
        serve(shell, reader)
        return EXIT_FAILED if shell.has_failed else EXIT_DONE
    while True:
        try:
            serve(shell, reader)
            return EXIT_DONE
        except KeyboardInterrupt:
            tell("cancelled")


def serve(shell: Shell, reader: Reader) -> None:
    """Submit what a reader gives until it ends, or until a command says so."""
    goes_on = True
    while goes_on:
        try:
            text = reader.read()
        except EOFError:
            return
        goes_on = shell.submit(text)


def best_reader(names: Callable[[], KnownNames], history: Callable[[], Path | None]) -> Reader:
    """Return the best reader for this process's standard input: `prompt_toolkit` on a terminal, where it is installed."""
    if not sys.stdin.isatty():
        return PipedReader(iter(sys.stdin))
    try:
        from sdbql.shell.terminal_reader import TerminalReader
    except ModuleNotFoundError as problem:
        if (problem.name or "").partition(".")[0] != "prompt_toolkit":
            raise
        return PlainReader()
    return TerminalReader(names, history())


def table_width() -> int | None:
    """Return how wide a table may be: as the terminal, or as wide as it likes where there is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
