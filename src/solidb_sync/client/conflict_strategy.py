"""How an app chooses to have its conflicts decided.

A strategy is a name that the server knows, and for `custom` a function of this process besides: the server leaves such a
conflict open, and the function decides it here. What each strategy does is in docs/conflicts.md.

>>> ConflictStrategy.merge_fields(on_overlap="manual")
ConflictStrategy(name='merge_fields:manual')
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from solidb_sync.errors import ConfigError
from solidb_sync.json_value import JsonDocument
from solidb_sync.reconcile.strategy import STRATEGY_NAMES, Strategy

CustomFunction = Callable[[JsonDocument | None, JsonDocument | None, JsonDocument | None], Any]
"""Gets this device's document, the server's, and the one both began with (None: absent or deleted)."""


@dataclass(frozen=True, slots=True)
class ConflictStrategy:
    """One way to decide. `LAST_WRITE_WINS`: the edit that reaches the server later."""

    name: str
    function: CustomFunction | None = field(default=None, repr=False)

    LAST_WRITE_WINS: ClassVar[ConflictStrategy]
    FIRST_WRITE_WINS: ClassVar[ConflictStrategy]
    MERGE_FIELDS: ClassVar[ConflictStrategy]
    MANUAL: ClassVar[ConflictStrategy]

    def __post_init__(self) -> None:
        if self.name not in STRATEGY_NAMES:
            raise ConfigError(f"conflict_strategy: expected one of {', '.join(STRATEGY_NAMES)}, found {self.name!r}")

    @classmethod
    def last_write_wins(cls, clock: Literal["server", "hlc"] = "server") -> ConflictStrategy:
        """Return the strategy by which the later edit wins: later at the server, or by the devices' hybrid clocks."""
        return cls(_chosen("clock", clock, {"server": Strategy.LAST_WRITE_WINS, "hlc": Strategy.LAST_STAMP_WINS}))

    @classmethod
    def merge_fields(cls, on_overlap: Literal["lww", "manual"] = "lww") -> ConflictStrategy:
        """Return the strategy that keeps every field's edit; fields both wrote go to the later one, or are left open."""
        return cls(_chosen("on_overlap", on_overlap, {"lww": Strategy.MERGE_FIELDS, "manual": Strategy.MERGE_FIELDS_MANUAL}))

    @classmethod
    def custom(cls, function: CustomFunction) -> ConflictStrategy:
        """Return the strategy that has `function(local, remote, base)` decide, here on the device.

        It gets three documents (None: absent or deleted) and returns the one to keep, or a `ConflictResolution`; None leaves
        the conflict open, as do an exception and a call that takes too long. It runs on a thread of its own.
        """
        if not callable(function):
            raise ConfigError(f"conflict_strategy: expected a function of (local, remote, base), found {function!r}")
        return cls(Strategy.CUSTOM.value, function)


def _chosen(option: str, choice: str, choices: dict[str, Strategy]) -> str:
    if choice not in choices:
        raise ConfigError(f"{option}: expected {' or '.join(map(repr, choices))}, found {choice!r}")
    return choices[choice].value


ConflictStrategy.LAST_WRITE_WINS = ConflictStrategy(Strategy.LAST_WRITE_WINS.value)
ConflictStrategy.FIRST_WRITE_WINS = ConflictStrategy(Strategy.FIRST_WRITE_WINS.value)
ConflictStrategy.MERGE_FIELDS = ConflictStrategy(Strategy.MERGE_FIELDS.value)
ConflictStrategy.MANUAL = ConflictStrategy(Strategy.MANUAL.value)
