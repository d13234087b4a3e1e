"""How much a query returns, counted while it is collected, for `Limits.result_bytes_max`."""

from collections.abc import Iterable

from sdbql.errors import QueryLimitError
from sdbql.execution_context import ExecutionContext
from sdbql.value_size import json_size
from sdbql.values import Value


class MeasuredChunk(list[Value]):
    """Results that were read from JSON text, with the length of that text."""

    __slots__ = ("text_length",)

    def __init__(self, results: Iterable[Value], text_length: int) -> None:
        super().__init__(results)
        self.text_length = text_length


class ResultSize:
    """The size of the results so far, as `json_size` estimates it.

    It is estimated from samples, or from the text that results came as, until that estimate
    reaches the bound. Then everything is measured, so that no query fails because of a sample.
    """

    def __init__(self, context: ExecutionContext) -> None:
        self._context = context
        self._most = context.limits.result_bytes_max
        self._is_sampled = True
        self._size = 0

    def add(self, chunk: list[Value], results: list[Value]) -> None:
        """Count a chunk, the last of the results so far. Raises QueryLimitError past the bound."""
        if self._is_sampled and isinstance(chunk, MeasuredChunk):
            self._size += chunk.text_length
        else:
            self._size += self._measure(chunk)
        if self._size > self._most and self._is_sampled:
            self._is_sampled = False
            self._size = self._measure(results)
        if self._size > self._most:
            raise QueryLimitError.reached("result_bytes_max", self._most, "the size of the results in bytes")

    def _measure(self, values: list[Value]) -> int:
        return json_size(values, most=self._most, visit=self._visit, is_sampled=self._is_sampled)

    def _visit(self, values: int) -> None:
        if values > CHECKED:
            self._context.check()


CHECKED = 1_000
"""From how many values at once on the clock is looked at while measuring."""
