"""The bounds of a query. Each has a name, and reaching one is a `QueryLimitError` with that name.

Nothing is ever cut short silently: a query either runs over all its rows or fails.
The bounds on the text are fixed; those on running are a `Limits` that the caller may replace.
"""

from dataclasses import dataclass

QUERY_LENGTH_MAX = 1_000_000
NESTING_DEPTH_MAX = 200
CLAUSES_MAX = 200
PARSED_QUERIES_MAX = 256

ROWS_HELD_MAX = 2_000_000
STEPS_MAX = 200_000_000
REGEX_PATTERN_LENGTH_MAX = 1_000
TEXT_LENGTH_MAX = 16_000_000
ARRAY_LENGTH_MAX = 2_000_000
VALUE_DEPTH_MAX = 200
VALUE_SIZE_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a query may use.

    `rows_held_max` bounds the rows kept at once (sorting, grouping, results), `steps_max` the
    rows and array elements visited, `text_length_max` the characters of one computed string,
    and `array_length_max` the elements of one computed array.
    """

    rows_held_max: int = ROWS_HELD_MAX
    steps_max: int = STEPS_MAX
    text_length_max: int = TEXT_LENGTH_MAX
    array_length_max: int = ARRAY_LENGTH_MAX
