"""What an examination finds: one thing that was looked at, how it stands, and what to do when it does not stand well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class Level(Enum):
    """How a thing stands."""

    FINE = "ok"
    NOTICE = "notice"
    """Works, and deserves a look."""
    PROBLEM = "problem"
    """Something does not work, or soon will not."""


@dataclass(frozen=True, slots=True)
class Finding:
    """How one thing stands. `remedy` says what to do; empty when nothing is to be done."""

    check: str
    level: Level
    message: str
    remedy: str = ""


def fine(check: str, message: str) -> Finding:
    """Return that a thing stands well."""
    return Finding(check, Level.FINE, message)


def notice(check: str, message: str, remedy: str) -> Finding:
    """Return that a thing deserves a look."""
    return Finding(check, Level.NOTICE, message, remedy)


def problem(check: str, message: str, remedy: str) -> Finding:
    """Return that something does not work."""
    return Finding(check, Level.PROBLEM, message, remedy)


def is_healthy(findings: Sequence[Finding]) -> bool:
    """Return whether nothing has to be mended."""
    return all(finding.level is not Level.PROBLEM for finding in findings)


def finding_value(finding: Finding) -> dict[str, Any]:
    """Return a finding for a program."""
    return {**asdict(finding), "level": finding.level.value}


def finding_lines(finding: Finding) -> list[str]:
    """Return a finding for a person.

    >>> finding_lines(fine("server", "answers in 3 ms"))
    ['ok       server: answers in 3 ms']
    """
    line = f"{finding.level.value:<8} {finding.check}: {finding.message}"
    return [line, f"         -> {finding.remedy}"] if finding.remedy else [line]
