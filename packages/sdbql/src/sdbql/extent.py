"""The two numbers of a LIMIT."""

from collections.abc import Callable

from sdbql.errors import ExecutionError
from sdbql.frame import Frame, Layout
from sdbql.syntax_tree import Expression
from sdbql.values import Value, is_number, type_name

EXTENT_MAX = 2**61
"""A larger LIMIT means the same: there are not so many rows."""


def compile_extent(offset: Expression, count: Expression, layout: Layout) -> Callable[[Frame], tuple[int, int]]:
    """Return the two numbers of a LIMIT, checked when they are evaluated."""
    offset_value, count_value = layout.expression(offset), layout.expression(count)

    def bounds(frame: Frame) -> tuple[int, int]:
        return _extent(offset_value(frame), offset), _extent(count_value(frame), count)

    return bounds


def _extent(value: Value, node: Expression) -> int:
    if is_number(value) and value == int(value) and value >= 0:
        return min(int(value), EXTENT_MAX)
    found = value if is_number(value) else type_name(value)
    raise ExecutionError(
        f"LIMIT must be an integer of at least 0, found {found}", node.span, "such as: LIMIT 10, or LIMIT 20, 10"
    )
