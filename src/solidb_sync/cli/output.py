"""The only module that prints. Results go to standard output, everything else to standard error.

With `--json` a result is one line of JSON on standard output (a command that goes on prints one line for each thing that
happens), and an error is one line on standard error: `{"error": message, "type": name, "code": exit code}`.
"""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from solidb_sync.json_value import encode

EXIT_DONE = 0
EXIT_NOT_DONE = 1
EXIT_WRONG_USAGE = 2


class Output:
    """Says things to a person, or with `as_json` to a program."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    def result(self, value: Any, *lines: str) -> None:
        """Print a result: `value` for a program, `lines` for a person."""
        shown = [json_text(value)] if self.as_json else lines
        for line in shown:
            _write(sys.stdout, line)

    def say(self, line: str) -> None:
        """Tell a person on standard output; a program isn't told."""
        if not self.as_json:
            _write(sys.stdout, line)

    def note(self, text: str) -> None:
        """Tell something that is no part of the result."""
        _write(sys.stderr, json_text({"note": text}) if self.as_json else text)

    def error(self, message: str, *, type: str, exit_code: int) -> None:
        """Tell what went wrong."""
        told = {"error": message, "type": type, "code": exit_code}
        _write(sys.stderr, json_text(told) if self.as_json else f"error: {message}")


def answer_line(value: Any) -> None:
    """Print one line of JSON for the process that reads this one's output."""
    _write(sys.stdout, json_text(value))


def stop_printing() -> None:
    """Send what is still to be printed nowhere: whoever read the output has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def json_text(value: Any) -> str:
    """Return a value as one line of JSON."""
    return encode(value).decode()


def printable(text: str) -> str:
    """Return a text without what could steer a terminal; line breaks stay.

    >>> printable("red \x1b[31m text")
    'red ?[31m text'
    """
    return "".join(letter if letter == "\n" or letter.isprintable() else "?" for letter in text)


def _write(stream: TextIO, line: str) -> None:
    known = stream.encoding or "utf-8"
    stream.write(printable(line).encode(known, "backslashreplace").decode(known) + "\n")
    stream.flush()
