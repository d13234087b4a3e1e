"""What is typed or piped in, submission by submission, read line by line."""

import contextlib
from collections.abc import Iterator
from typing import Protocol

from sdbql.shell.completeness import goes_on_with, needs_more

PROMPT, CONTINUED = "sdbql> ", "  ...> "


class Reader(Protocol):
    """Gives what is typed."""

    def read(self) -> str:
        """Return the next query or command.

        Raises EOFError at the end, KeyboardInterrupt when what was typed is to be forgotten.
        """
        ...


class PipedReader:
    """Reads queries from lines that nobody types: one ends where the next line could not belong to it."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._ahead: str | None = None

    def read(self) -> str:
        """Return the next query or command."""
        text: str | None = ""
        while text is not None and not text.strip():
            text = self._next_line()
        if text is None:
            raise EOFError
        while True:
            if not needs_more(text) and text.rstrip().endswith(";"):
                return text
            line = self._next_line()
            if line is None:
                return text
            if not needs_more(text) and not goes_on_with(text, line):
                self._ahead = line
                return text
            text = f"{text}\n{line}"

    def _next_line(self) -> str | None:
        if self._ahead is not None:
            line, self._ahead = self._ahead, None
            return line
        found = next(self._lines, None)
        return None if found is None else found.rstrip("\r\n")


class PlainReader:
    """Asks line by line, with whatever editing Python's `input` has."""

    def __init__(self) -> None:
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401 - gives `input` line editing where there is one

    def read(self) -> str:
        """Return the next query or command."""
        text = input(PROMPT)
        while needs_more(text):
            text = f"{text}\n{input(CONTINUED)}"
        return text
