"""The strategies by which a conflict is decided, and their names on the wire.

A name may carry one option behind a colon. The table below is all there is: what a strategy does with an edit is in
`decision.py`, who chooses it in `server/client_settings.py`.
"""

from __future__ import annotations

from enum import Enum


class Strategy(Enum):
    """How edits are decided that overlap and did not know each other."""

    LAST_WRITE_WINS = "last_write_wins"
    LAST_STAMP_WINS = "last_write_wins:hlc"
    FIRST_WRITE_WINS = "first_write_wins"
    MERGE_FIELDS = "merge_fields"
    MERGE_FIELDS_MANUAL = "merge_fields:manual"
    MANUAL = "manual"
    CUSTOM = "custom"


STRATEGY_NAMES = tuple(strategy.value for strategy in Strategy)
