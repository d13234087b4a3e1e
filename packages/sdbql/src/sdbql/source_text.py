"""Where in a query something stands: offsets, line and column, and the excerpt an error shows.

Every token, tree node and error carries a `Span` of character offsets. Lines and
columns are worked out only when somebody reads them.

>>> print(excerpt("RETURN 1 +", Span(9, 10)))
RETURN 1 +
         ^
"""

from dataclasses import dataclass

EXCERPT_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of character offsets in a query text."""

    start: int
    end: int

    def to(self, last: "Span") -> "Span":
        """Return the span from the start of this one to the end of `last`."""
        return Span(self.start, max(self.end, last.end))


NOWHERE = Span(0, 0)


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return the line and column of an offset, both counted from 1."""
    line_start = text.rfind("\n", 0, offset) + 1
    return text.count("\n", 0, offset) + 1, offset - line_start + 1


def excerpt(text: str, span: Span) -> str:
    """Return the line where `span` starts, with carets under the part that `span` covers."""
    line_start = text.rfind("\n", 0, span.start) + 1
    line_end = text.find("\n", line_start)
    line_end = len(text) if line_end < 0 else line_end
    first = max(line_start, span.start - EXCERPT_WIDTH // 2)
    last = min(line_end, first + EXCERPT_WIDTH)
    shown = "".join(char if char.isprintable() else " " for char in text[first:last])
    width = max(1, min(span.end, last) - span.start)
    return f"{shown}\n{' ' * (span.start - first)}{'^' * width}"
