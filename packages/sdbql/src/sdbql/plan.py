"""A query as a chain of steps, each taking the rows of the one before.

`Start` gives one row that binds nothing; every step says which variables its rows bind.
Expressions inside a plan are those of the syntax tree after analysis, with a
`PlannedSubquery` where a subquery stood.
"""

from dataclasses import dataclass

from sdbql.syntax_tree import Aggregate, Expression, GroupKey, Node, SortKey


@dataclass(frozen=True, slots=True)
class Step(Node):
    """One step of a plan."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that differ between the rows of this step."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Start(Step):
    """The one row that a query begins with."""

    @property
    def variables(self) -> tuple[str, ...]:
        """None: the row binds nothing."""
        return ()


@dataclass(frozen=True, slots=True)
class Following(Step):
    """A step that takes the rows of another one, and by default binds nothing new."""

    before: Step

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables of the step before."""
        return self.before.variables


@dataclass(frozen=True, slots=True)
class Iterate(Following):
    """For each row, one row for each element of `source`: FOR."""

    variable: str
    source: Expression

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the element."""
        return (*self.before.variables, self.variable)


@dataclass(frozen=True, slots=True)
class HashJoin(Following):
    """An Iterate followed by an equality, with the elements looked up by a hash table.

    For each row, one row for each element of `source` whose `element_key` equals the row's
    `row_key`, in the order of `source`.
    """

    variable: str
    source: Expression
    element_key: Expression
    row_key: Expression

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the element."""
        return (*self.before.variables, self.variable)


@dataclass(frozen=True, slots=True)
class GroupJoin(Following):
    """For each row, the array of the documents of `source` that pass: JOIN and LEFT JOIN.

    When there are keys, only documents with equal keys are tested with `condition`.
    """

    variable: str
    candidate: str
    source: Expression
    element_key: Expression | None
    row_key: Expression | None
    condition: Expression | None
    keeps_unmatched: bool

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the array."""
        return (*self.before.variables, self.variable)


@dataclass(frozen=True, slots=True)
class OuterJoin(Following):
    """Rows also for documents without a match: RIGHT JOIN and FULL JOIN.

    In a RIGHT join the variable is the document itself, in a FULL join an array. The variables
    of the step before, but for `constants`, are null where there is no match. When there are
    keys, only rows and documents with equal keys are tested with `condition`.
    """

    kind: str
    variable: str
    candidate: str
    source: Expression
    element_key: Expression | None
    row_key: Expression | None
    condition: Expression | None
    constants: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the document or array."""
        return (*self.before.variables, self.variable)


@dataclass(frozen=True, slots=True)
class Keep(Following):
    """The rows for which the condition is true: FILTER."""

    condition: Expression


@dataclass(frozen=True, slots=True)
class Assign(Following):
    """The same rows with one more variable: LET."""

    variable: str
    value: Expression

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the new one."""
        return (*self.before.variables, self.variable)


@dataclass(frozen=True, slots=True)
class Order(Following):
    """The rows in another order: SORT."""

    keys: tuple[SortKey, ...]


@dataclass(frozen=True, slots=True)
class Slice(Following):
    """The rows from `offset` on, `count` at most: LIMIT."""

    offset: Expression
    count: Expression


@dataclass(frozen=True, slots=True)
class TopRows(Following):
    """An Order followed by a Slice, holding only the rows that the Slice lets through."""

    keys: tuple[SortKey, ...]
    offset: Expression
    count: Expression


@dataclass(frozen=True, slots=True)
class Group(Following):
    """One row for each group of rows: COLLECT. `constants` outlive it without being grouped."""

    keys: tuple[GroupKey, ...]
    aggregates: tuple[Aggregate, ...]
    constants: tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The keys and the aggregates, and nothing from before."""
        return (
            *[key.variable for key in self.keys],
            *[aggregate.variable for aggregate in self.aggregates],
        )


@dataclass(frozen=True, slots=True)
class Plan(Node):
    """The whole: what each row of `rows` returns."""

    rows: Step
    value: Expression
    distinct: bool


@dataclass(frozen=True, slots=True)
class PlannedSubquery(Expression):
    """A subquery inside an expression of a plan."""

    plan: Plan
