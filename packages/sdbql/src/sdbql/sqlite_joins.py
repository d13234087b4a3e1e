"""Joins of stored collections: never in SQL, always many lookups at once.

The rows of the first collection come in batches; the documents that go with a batch are asked for by their keys, or through
an index, with one SELECT. Where there is neither, one pass over the other collection reads the compared value and the key
of each document into a hash table, and only documents that match are then read by key. So no join is ever a nested loop,
whatever SQLite's planner thinks, and a value that SQLite cannot compare is compared in Python.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sdbql import plan
from sdbql.conditions import is_total, joined, kept, terms
from sdbql.sqlite_conditions import Conditions, taken_terms
from sdbql.sqlite_operands import Operand, Reading
from sdbql.sqlite_plan import Access, Fetch, Rows, Shape, StoredLookup
from sdbql.sqlite_select import Parameters, Select
from sdbql.sqlite_surroundings import Surroundings
from sdbql.syntax_tree import Expression

BATCH = "(SELECT value FROM json_each(:batch))"


@dataclass
class Join:
    """A loop or JOIN over a stored collection whose documents are looked up."""

    step: plan.HashJoin | plan.GroupJoin
    reading: Reading
    conditions: Conditions
    key: Operand
    row_key: Expression
    condition: Expression | None = None
    where: list[str] = field(default_factory=list)
    taken: list[plan.Step] = field(default_factory=list)

    @classmethod
    def of(cls, step: plan.Step, surroundings: Surroundings) -> "Join | None":
        """Return the join that a step is, None when its documents are not found by a stored value."""
        if not isinstance(step, plan.HashJoin | plan.GroupJoin) or step.element_key is None or step.row_key is None:
            return None
        document = step.variable if isinstance(step, plan.HashJoin) else step.candidate
        reading = surroundings.reading(document, step.source)
        if reading is None or not is_total(step.row_key):
            return None
        conditions = Conditions(reading, surroundings.constants, surroundings.kinds, Parameters())
        key = conditions.operand(step.element_key)
        if key is None:
            return None
        join = cls(step, reading, conditions, key, step.row_key, taken=[step])
        if isinstance(step, plan.GroupJoin) and step.condition is not None:
            left = join._take_terms(terms(step.condition))
            join.condition = joined(left) if left else None
        return join

    def take(self, step: plan.Following) -> plan.Following | None:
        """Take a FILTER behind a loop as far as it concerns only its documents; return what is left of it."""
        left = self._take_terms(terms(step.condition)) if isinstance(step, plan.Keep) else []
        self.taken.append(step)
        remaining = kept(step.before, left)
        return remaining if isinstance(remaining, plan.Keep) and left else None

    def _take_terms(self, all_terms: Sequence[Expression]) -> list[Expression]:
        taken, left = taken_terms(all_terms, self.conditions)
        self.where += taken
        return left

    @property
    def gives_arrays(self) -> bool:
        """Tell whether it is a JOIN, whose variable is an array of documents."""
        return isinstance(self.step, plan.GroupJoin)

    def nodes(self) -> list[Expression]:
        """Return the expressions that are evaluated for each row."""
        return [self.row_key] if self.condition is None else [self.row_key, self.condition]

    def lookup(self, before: plan.Step, shape: Shape, values: str, outputs: tuple[str, ...]) -> StoredLookup:
        """Return the step of the plan; `values` is the SQL of what is read of each document."""
        step = self.step
        return StoredLookup(
            before,
            self._fetch(shape, values),
            outputs,
            self.row_key,
            step.variable if isinstance(step, plan.GroupJoin) else None,
            self.condition,
            isinstance(step, plan.GroupJoin) and step.keeps_unmatched,
            tuple(self.taken),
            span=step.span,
        )

    def _fetch(self, shape: Shape, values: str) -> Fetch:
        if self.key.is_text:
            rows = self._rows(shape, ("k", values), [f"k IN {BATCH}", *self.where])
            return Fetch(Access.BY_KEY, rows, None, None, self.key.id_prefix)
        if self.key.index_key is not None:
            columns = ("k", values, self.key.json)
            rows = self._rows(shape, columns, [f"{self.key.index_key} IN {BATCH}", *self.where])
            is_other = f"({self.key.index_key} = -9e999 OR {self.key.index_key} >= x'')"
            return Fetch(Access.BY_INDEX, rows, self._rows(shape, columns, [is_other, *self.where]), None, "")
        rows = self._rows(shape, ("k", values), [f"k IN {BATCH}"])
        scan = self._select((f"ifnull({self.key.json}, 'null')", "k"), self.where)
        return Fetch(Access.BY_HASH, rows, None, scan, "")

    def _rows(self, shape: Shape, columns: tuple[str, ...], conditions: Sequence[str]) -> Rows:
        return Rows(self._select(columns, conditions), self.reading.collection, shape)

    def _select(self, columns: tuple[str, ...], conditions: Sequence[str]) -> Select:
        parameters = tuple(self.conditions.parameters.all)
        return Select(self.reading.table.name, columns, tuple(conditions), parameters=parameters)


def take_joins(steps: Sequence[plan.Following], surroundings: Surroundings) -> tuple[list[Join], list[plan.Following]]:
    """Return the joins that the steps begin with, and the steps that are left."""
    joins: list[Join] = []
    rest = list(steps)
    while rest:
        join = Join.of(rest[0], surroundings)
        if join is None:
            break
        joins.append(join)
        del rest[0]
        while rest and not join.gives_arrays and isinstance(rest[0], plan.Keep):
            left = join.take(rest[0])
            if left is not None:
                rest[0] = left
                return joins, rest
            del rest[0]
    return joins, rest


def with_expressions(join: Join, change: Any) -> Join:
    """Return the join with its expressions changed."""
    condition = None if join.condition is None else change(join.condition)
    return replace(join, row_key=change(join.row_key), condition=condition)
