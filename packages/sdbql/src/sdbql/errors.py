"""Everything that can go wrong with a query, as one tree of exceptions.

    QueryError
    ├── ParseError                 the text is not SDBQL
    ├── ExecutionError             a value, name or argument is wrong
    ├── CollectionNotFoundError    the data source has no such collection
    ├── UnsupportedOfflineError    the construct needs a server, or is not available yet
    ├── QueryCancelledError        somebody cancelled the query while it ran
    └── QueryLimitError            a named bound was reached; `limit` says which
        └── ParseLimitError        the same while reading the text (also a ParseError)

`message` is one line and starts with a fixed prefix for each kind. `str(error)` adds the
place in the query and, where there is some, advice.
"""

from collections.abc import Sequence
from typing import ClassVar, Self

from sdbql.source_text import Span, excerpt, line_and_column

ALSO_SHOWN_MAX = 20
"""How many further errors an error notes."""


class QueryError(Exception):
    """The root of all errors a query can raise.

    `detail` says what is wrong, `span` where (None when it concerns no single place),
    `advice` what would be right, and `also` lists further errors found in the same pass.
    """

    prefix: ClassVar[str] = "Query error"

    def __init__(self, detail: str, span: Span | None = None, advice: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.span = span
        self.advice = advice
        self.text: str | None = None
        self.also: tuple[QueryError, ...] = ()

    @property
    def message(self) -> str:
        """The first line: prefix and detail."""
        return f"{self.prefix}: {self.detail}"

    @property
    def line(self) -> int | None:
        """The line in the query, counted from 1, or None when the place is unknown."""
        return None if self._place is None else self._place[0]

    @property
    def column(self) -> int | None:
        """The column in the query, counted from 1, or None when the place is unknown."""
        return None if self._place is None else self._place[1]

    def locate(self, span: Span) -> Self:
        """Set the place, unless a more exact one is known already; returns itself."""
        if self.span is None:
            self.span = span
        return self

    def within(self, text: str) -> Self:
        """Set the query text that the excerpt is taken from, once; returns itself."""
        if self.text is None:
            self.text = text
            for other in self.also:
                other.within(text)
        return self

    def __str__(self) -> str:
        lines = [self.message]
        if self.text is not None and self.span is not None:
            lines.append(f"  line {self.line}, column {self.column}")
            lines.extend(f"    {line}" for line in excerpt(self.text, self.span).split("\n"))
        if self.advice:
            lines.append(f"  {self.advice}")
        for other in self.also:
            place = "" if other.line is None else f" (line {other.line}, column {other.column})"
            advice = f"; {other.advice}" if other.advice else ""
            lines.append(f"also: {other.message}{place}{advice}")
        return "\n".join(lines)

    @property
    def _place(self) -> tuple[int, int] | None:
        if self.text is None or self.span is None:
            return None
        return line_and_column(self.text, self.span.start)


def together(errors: Sequence[QueryError]) -> QueryError:
    """Return the first of some errors, which notes the others; those that say the same are one."""
    different: dict[str, QueryError] = {}
    for error in errors:
        different.setdefault(error.message, error)
    first, *others = different.values()
    first.also = tuple(others[:ALSO_SHOWN_MAX])
    return first


class ParseError(QueryError):
    """The text is not a query of the language."""

    prefix = "Parse error"


class ExecutionError(QueryError):
    """A value, name or argument in the query is wrong; running it again will not help."""

    prefix = "Execution error"


class CollectionNotFoundError(QueryError):
    """The query reads a collection that the data source does not have."""

    prefix = "Collection not found"


class UnsupportedOfflineError(QueryError):
    """The query uses something that needs a server, or that is not available yet."""

    prefix = "Operation not supported"


class QueryCancelledError(QueryError):
    """The query was stopped through its `Cancellation`; it may be run again."""

    prefix = "Execution error"


class QueryLimitError(QueryError):
    """The query reached one of its bounds; `limit` is the bound's name in `Limits`."""

    prefix = "Execution error"
    limit: str = ""

    @classmethod
    def reached(cls, limit: str, maximum: int, subject: str, span: Span | None = None) -> Self:
        """Build the error for `subject` (such as "the text") passing the bound `limit`."""
        error = cls(f"{subject} exceeds the limit {limit} ({maximum:,})", span)
        error.limit = limit
        return error


class ParseLimitError(ParseError, QueryLimitError):
    """A bound was reached while reading the query text."""

    prefix = "Parse error"
