"""The strategies by which a conflict is decided: their names on the wire, and what each says, as a table.

A name may carry one option behind a colon. A conflict is one of three: an edit overlaps what others wrote, a deletion meets
an edit, or an edit meets a deletion. For each of them a law says whose side is taken; `decision.py` does what it says.
"""

from __future__ import annotations

from dataclasses import dataclass
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


class Side(Enum):
    """Whose side is taken: the arriving edit's, that of what is there, the one with the later stamp, or nobody's yet."""

    ARRIVING = "arriving"
    PRESENT = "present"
    LATER_STAMP = "later stamp"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Law:
    """What a strategy says. `by_path`: only the overlapping fields are at stake, the rest of the edit is written."""

    overlap: Side
    by_path: bool
    deletion_of_edited: Side
    edit_of_deleted: Side


LAWS = {
    #                                  overlap            by path                deletion of edited  edit of deleted
    Strategy.LAST_WRITE_WINS:     Law(Side.ARRIVING,      True,                  Side.ARRIVING,      Side.ARRIVING),
    Strategy.LAST_STAMP_WINS:     Law(Side.LATER_STAMP,   True,                  Side.LATER_STAMP,   Side.LATER_STAMP),
    Strategy.FIRST_WRITE_WINS:    Law(Side.PRESENT,       False,                 Side.PRESENT,       Side.PRESENT),
    Strategy.MERGE_FIELDS:        Law(Side.ARRIVING,      True,                  Side.PRESENT,       Side.ARRIVING),
    Strategy.MERGE_FIELDS_MANUAL: Law(Side.NOBODY,        True,                  Side.PRESENT,       Side.ARRIVING),
    Strategy.MANUAL:              Law(Side.NOBODY,        False,                 Side.NOBODY,        Side.NOBODY),
    Strategy.CUSTOM:              Law(Side.NOBODY,        False,                 Side.NOBODY,        Side.NOBODY),
}  # fmt: skip
