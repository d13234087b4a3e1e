"""The only module that prints. Results go to standard output, everything else to standard error.

With `--json` a result is one line of JSON on standard output (a command that goes on prints one line for each thing that
happens), and an error is one line on standard error: `{"error": message, "type": name, "code": exit code}`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Self, TextIO

from solidb_sync.json_value import encode

EXIT_DONE = 0
EXIT_NOT_DONE = 1
EXIT_WRONG_USAGE = 2
PROGRESS_AFTER_SECONDS = 1.0
BAR_WIDTH = 20


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

    def line(self, text: str) -> None:
        """Print a line of a result as it is, for a person and for a program."""
        _write(sys.stdout, text)

    def note(self, text: str) -> None:
        """Tell something that is no part of the result."""
        _write(sys.stderr, json_text({"note": text}) if self.as_json else text)

    def error(self, message: str, *, type: str, exit_code: int) -> None:
        """Tell what went wrong."""
        told = {"error": message, "type": type, "code": exit_code}
        _write(sys.stderr, json_text(told) if self.as_json else f"error: {message}")


class ProgressBar:
    """Shows on a terminal how far something is that takes longer than a second; a context manager, gone when it ends."""

    def __init__(self, subject: str, output: Output, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._subject = subject
        self._monotonic = monotonic
        self._is_wanted = not output.as_json and sys.stderr.isatty()
        self._shown = ""

    def __enter__(self) -> Self:
        self._begun = self._monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._draw(" " * len(self._shown), end="\r")

    def update(self, done: int, count: int) -> None:
        """Tell how much is done."""
        if self._is_wanted and self._monotonic() - self._begun > PROGRESS_AFTER_SECONDS:
            text = bar_text(self._subject, done, count)
            if text != self._shown:
                self._draw(text, end="")

    def _draw(self, text: str, *, end: str) -> None:
        sys.stderr.write(f"\r{printable(text):<{len(self._shown)}}{end}")
        sys.stderr.flush()
        self._shown = text


def bar_text(subject: str, done: int, count: int) -> str:
    """Return a bar.

    >>> bar_text("indexing users.city", 250, 1000)
    'indexing users.city [#####               ]  25% 250 of 1000'
    """
    share = done / count if count else 1.0
    filled = "#" * int(share * BAR_WIDTH)
    return f"{subject} [{filled:<{BAR_WIDTH}}] {int(share * 100):3}% {done} of {count}"


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
