"""The steps of a plan that SQLite takes: always the first ones, with the interpreter's steps behind them.

StoredRead    rows of one collection: filtered, sorted, limited, projected
StoredGroup   its groups, counted and aggregated column by column
StoredLookup  for each row, documents of another collection with an equal value: joins
"""

from dataclasses import dataclass
from enum import Enum

from sdbql import plan
from sdbql.sqlite_select import Select
from sdbql.syntax_tree import Aggregate, Expression


class Shape(Enum):
    """What the first columns of a SELECT hold."""

    DOCUMENTS = "the key and the JSON text of the document"
    VALUES = "one JSON array with the values of the outputs"
    RESULTS = "the JSON text of a result"
    NOTHING = "nothing: rows are only counted"


@dataclass(frozen=True, slots=True)
class Extent:
    """The bounds of a LIMIT, evaluated when the rows are first asked for."""

    offset: Expression
    count: Expression


@dataclass(frozen=True, slots=True)
class Rows:
    """A SELECT and how its rows are read."""

    select: Select
    collection: str
    shape: Shape
    sort_ranks: int = 0
    """How many of its last columns hold the rank of a sort key; 3 and more is an array or object."""


@dataclass(frozen=True, slots=True)
class First:
    """The same rows by the bare values of their only sort key; the last columns are that value and the rank of its type."""

    select: Select
    descending: bool


@dataclass(frozen=True, slots=True)
class StoredRead(plan.Step):
    """The rows of a collection, each with its outputs set."""

    rows: Rows
    outputs: tuple[str, ...]
    extent: Extent | None
    exactly: Rows | None
    """The same, with arrays and objects in their exact order, for when some are among the sort keys."""
    first: First | None
    """The same at half the cost, for when it can be shown to be enough; only with an extent."""
    preamble: tuple[str, ...]
    """Variables set before the first loop; the run knows their values."""
    replaced: tuple[plan.Step, ...]
    """The steps that this one stands for."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The outputs."""
        return self.outputs


@dataclass(frozen=True, slots=True)
class StoredGroup(plan.Step):
    """One row for each group. The columns are the keys, then the arguments of the aggregates, as JSON text.

    If `is_counted`, the columns are an index key, its rank and the number of rows, one row for each group.
    """

    select: Select
    keys: tuple[str, ...]
    aggregates: tuple[Aggregate, ...]
    constants: tuple[str, ...]
    is_counted: bool
    preamble: tuple[str, ...]
    replaced: tuple[plan.Step, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The keys and the aggregates."""
        return (*self.keys, *[aggregate.variable for aggregate in self.aggregates])


class Access(Enum):
    """How the documents with a given value are found."""

    BY_KEY = "by key"
    BY_INDEX = "by index"
    BY_HASH = "by hash, in one pass"


@dataclass(frozen=True, slots=True)
class Fetch:
    """How joined documents are found and read, many at once.

    `rows` takes the JSON array `:batch` of keys (BY_KEY, BY_HASH) or of values (BY_INDEX). Its columns are the key of the
    document, the text of its outputs and, BY_INDEX, the JSON of the value. `others` finds the documents whose value is
    neither a number nor a string, which an index cannot be asked for one by one. `scan` reads value and key of all.
    """

    access: Access
    rows: Rows
    others: Rows | None
    scan: Select | None
    id_prefix: str
    """What stands before the key in a row's value when documents are joined by their ids."""


@dataclass(frozen=True, slots=True)
class StoredLookup(plan.Following):
    """For each row, the documents whose value equals `row_key`, in the order of their keys.

    Without `variable` it is a loop over them, with the outputs set. With it, the variable is their array, of those that pass
    `condition`, and rows without any are kept only if `keeps_unmatched`.
    """

    fetch: Fetch
    outputs: tuple[str, ...]
    row_key: Expression
    variable: str | None
    condition: Expression | None
    keeps_unmatched: bool
    replaced: tuple[plan.Step, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """Those before, and the outputs, or the array."""
        return (*self.before.variables, *(self.outputs if self.variable is None else (self.variable,)))
