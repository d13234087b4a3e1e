"""The bounds of a query. Each has a name, and reaching one is a `QueryLimitError` with that name.

Nothing is ever cut short silently: a query either runs over all its rows or fails.
The bounds on the text are fixed; those on running are a `Limits` that the caller may replace.
"""

from dataclasses import dataclass

QUERY_LENGTH_MAX = 1_000_000
NESTING_DEPTH_MAX = 200
CLAUSES_MAX = 200
PARSED_QUERIES_MAX = 256

TIME_MS_MAX = 60_000
STEPS_MAX = 200_000_000
ROWS_HELD_MAX = 2_000_000
RESULT_BYTES_MAX = 512_000_000
REGEX_PATTERN_LENGTH_MAX = 1_000
REGEX_WORK_MAX = 50_000_000
LIKE_PATTERN_LENGTH_MAX = 10_000
EDIT_CELLS_MAX = 4_000_000
TEXT_LENGTH_MAX = 16_000_000
ARRAY_LENGTH_MAX = 2_000_000
VALUE_DEPTH_MAX = 200
VALUE_SIZE_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What one run of a query may use.

    * `time_ms_max`: milliseconds from its start; looked at every few thousand steps.
    * `steps_max`: rows and array elements visited. Long texts and arrays that a function works
      through, texts and arrays that are built, and the work of a pattern count as well.
    * `rows_held_max`: rows kept at once by one clause (sorting, grouping, results).
    * `result_bytes_max`: the size of the results as JSON text, as `value_size.json_size`
      estimates it: a character counts 1, a number 8, each quote, comma and bracket 1. It is
      counted while results are collected, at first from a sample of them, and from all of them
      as soon as that estimate reaches the bound.
    * `text_length_max`: characters of one computed string.
    * `array_length_max`: elements of one computed array.
    """

    time_ms_max: int = TIME_MS_MAX
    steps_max: int = STEPS_MAX
    rows_held_max: int = ROWS_HELD_MAX
    result_bytes_max: int = RESULT_BYTES_MAX
    text_length_max: int = TEXT_LENGTH_MAX
    array_length_max: int = ARRAY_LENGTH_MAX
