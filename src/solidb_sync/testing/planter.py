"""Puts a bug into the real code for as long as a block lasts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Planter:
    """Sets attributes of modules and classes, and puts back what was there."""

    def __init__(self) -> None:
        self._dug_up: list[tuple[Any, str, Any]] = []

    def setattr(self, owner: Any, name: str, planted: Any) -> None:
        """Put something in the place of an attribute that exists."""
        self._dug_up.append((owner, name, getattr(owner, name)))
        setattr(owner, name, planted)

    def put_back(self) -> None:
        """Undo everything, last first."""
        while self._dug_up:
            setattr(*self._dug_up.pop())


Mutant = Callable[[Planter], None]
