"""Where a running query keeps its variables: one list, a slot for each name.

The analyser has given every variable of a query a name of its own, subqueries and lambdas
included, so one list serves the whole run and nothing is ever copied to go into an inner
scope. Steps and closures set slots in place; a step that must hold rows (sorting, grouping)
saves the slots that differ between rows and puts them back. Slot 0 is the context.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sdbql.errors import QueryError
from sdbql.plan import Plan
from sdbql.source_text import Span
from sdbql.syntax_tree import Expression

if TYPE_CHECKING:
    from sdbql.execution_context import ExecutionContext

Frame = list[Any]
Evaluate = Callable[[Frame], Any]
"""A compiled expression: the values of a frame in, a value out."""


@dataclass(slots=True)
class Layout:
    """Which slot each name has, and how to compile what is met on the way."""

    compile_expression: Callable[[Expression, "Layout"], Evaluate]
    compile_plan: Callable[[Plan, "Layout"], Evaluate]
    slots: dict[str, int] = field(default_factory=dict)
    private: int = 0
    _compiled: dict[int, tuple[Expression, Evaluate]] = field(default_factory=dict)

    def expression(self, node: Expression) -> Evaluate:
        """Return an expression as a function from a frame to its value, the same one each time."""
        known = self._compiled.get(id(node))
        if known is None:
            known = self._compiled[id(node)] = (node, self.compile_expression(node, self))
        return known[1]

    def subquery(self, plan: Plan) -> Evaluate:
        """Return a plan as a function from a frame to the list of its results."""
        return self.compile_plan(plan, self)

    def slot(self, name: str) -> int:
        """Return the slot of a variable; binds are known as `@name` and `@@name`."""
        return self.slots.setdefault(name, len(self.slots) + 1)

    def private_slot(self) -> int:
        """Return a slot of its own for something to be remembered during one run."""
        self.private += 1
        return self.slot(f" {self.private}")

    def new_frame(self, context: "ExecutionContext") -> Frame:
        """Return an empty frame for one run."""
        return [context, *[None] * len(self.slots)]


def located(evaluate: Evaluate, span: Span) -> Evaluate:
    """Return the closure with its place added to the errors that do not know theirs."""

    def at_its_place(frame: Frame) -> Any:
        try:
            return evaluate(frame)
        except QueryError as error:
            error.locate(span)
            raise

    return at_its_place
