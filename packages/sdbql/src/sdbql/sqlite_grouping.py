"""A COLLECT over stored values: which columns are read, to be counted in Python.

Reading the columns and counting them in a dictionary is faster than GROUP BY in SQLite, and the aggregates are the
interpreter's own. Only where an index has the key, and nothing but the number of rows is asked for, SQLite counts.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sdbql import plan
from sdbql.sqlite_operands import Operand
from sdbql.sqlite_plan import StoredGroup
from sdbql.sqlite_select import Select
from sdbql.syntax_tree import Node

COLUMNS_MAX = 100
"""How many values a COLLECT may read; SQLite bounds columns and the arguments of a function."""

WITHOUT_ORDER = frozenset(
    ["COUNT", "LENGTH", "SUM", "AVG", "AVERAGE", "MIN", "MAX", "COUNT_DISTINCT", "COUNT_UNIQUE", "SORTED_UNIQUE", "MEDIAN"]
)
"""The aggregates that do not depend on the order of rows."""


@dataclass(frozen=True, slots=True)
class GroupColumns:
    """The stored values that a COLLECT reads."""

    group: plan.Group
    keys: tuple[Operand, ...]
    arguments: tuple[Operand, ...]

    def columns(self, *, has_conditions: bool) -> tuple[tuple[str, ...], bool]:
        """Return the columns, and whether SQLite counts."""
        if not self.arguments and not has_conditions and len(self.keys) == 1:
            (key,) = self.keys
            if key.index_key is not None and key.index_rank is not None:
                return (key.index_key, key.index_rank, "count(*)"), True
        if not self.arguments and not self.keys:
            return ("count(*)",), False
        arguments = [f"json_array({', '.join([one.json for one in self.arguments])})"] if self.arguments else []
        return (*[key.json for key in self.keys], *arguments), False

    def step(
        self, select: Select, *, is_counted: bool, preamble: tuple[str, ...], replaced: tuple[plan.Step, ...]
    ) -> StoredGroup:
        """Return the step of the plan."""
        return StoredGroup(
            select,
            tuple([key.variable for key in self.group.keys]),
            self.group.aggregates,
            self.group.constants,
            is_counted,
            preamble,
            replaced,
        )


def group_of(step: plan.Group, operand_of: Callable[[Node], Operand | None]) -> GroupColumns | None:
    """Return what a COLLECT reads, None when it is not only stored values and aggregates without an order."""
    keys = [operand_of(key.value) for key in step.keys]
    arguments = [operand_of(one.value) for one in step.aggregates if one.value is not None]
    if None in keys or None in arguments or len(keys) + len(arguments) > COLUMNS_MAX:
        return None
    if not all(one.value is None or one.function in WITHOUT_ORDER for one in step.aggregates):
        return None
    return GroupColumns(
        step, tuple([key for key in keys if key is not None]), tuple([one for one in arguments if one is not None])
    )
