"""How much a query returns, counted while it is collected, for `Limits.result_bytes_max`."""

from sdbql.errors import QueryLimitError
from sdbql.execution_context import ExecutionContext
from sdbql.value_size import json_size
from sdbql.values import Value

SAMPLE_EVERY = 16


class ResultSize:
    """The size of the results so far, as `json_size` estimates it.

    Results that a query computes are all measured, since a single one may be large. Whole
    elements, such as documents, are in memory anyway and many: of them one in `SAMPLE_EVERY`
    is measured, until that estimate reaches the bound; then all are.
    """

    def __init__(self, context: ExecutionContext, *, are_whole_elements: bool) -> None:
        self._context = context
        self._most = context.limits.result_bytes_max
        self._is_sampling = are_whole_elements
        self._size = 0

    def add(self, chunk: list[Value], results: list[Value]) -> None:
        """Count a chunk, the last of the results so far. Raises QueryLimitError past the bound."""
        if self._is_sampling:
            sample = chunk[::SAMPLE_EVERY]
            if sample:
                self._size += self._measure(sample) * len(chunk) // len(sample)
            if self._size <= self._most:
                return
            self._is_sampling, self._size = False, self._measure(results)
        else:
            self._size += self._measure(chunk)
        if self._size > self._most:
            raise QueryLimitError.reached("result_bytes_max", self._most, "the size of the results in bytes")

    def _measure(self, values: list[Value]) -> int:
        return json_size(values, most=self._most, visit=self._visit)

    def _visit(self, values: int) -> None:
        if values > SAMPLE_EVERY:
            self._context.check()
