"""What one run of a query has at hand: data, binds, time, randomness, and how much is left.

The clock and the random numbers are passed in; this module takes neither from the system.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdbql.data_source import DataSource, Document, KeyedDataSource
from sdbql.errors import CollectionNotFoundError, QueryLimitError
from sdbql.limits import Limits


@dataclass(slots=True)
class ExecutionContext:
    """The surroundings of one run. `now_ms` is the same for the whole run."""

    source: DataSource
    bind_vars: Mapping[str, Any]
    now_ms: int
    random: Callable[[], float]
    limits: Limits
    steps: int = 0
    get: Callable[[str, str], Document | None] | None = field(init=False)
    """Finds a document by collection and key, when the source can."""
    _documents: dict[str, list[Document]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.get = self.source.get if isinstance(self.source, KeyedDataSource) else None

    def documents(self, collection: str) -> list[Document]:
        """Return all documents of a collection, read once per run."""
        found = self._documents.get(collection)
        if found is None:
            if not self.source.has_collection(collection):
                raise CollectionNotFoundError(collection)
            found = list(self.source.scan(collection))
            self.hold(len(found))
            self._documents[collection] = found
        return found

    def spend(self, steps: int) -> None:
        """Count rows or elements visited. Raises QueryLimitError past `steps_max`."""
        self.steps += steps
        if self.steps > self.limits.steps_max:
            raise QueryLimitError.reached("steps_max", self.limits.steps_max, "the number of steps")

    def hold(self, rows: int) -> None:
        """Check the number of rows held at once. Raises QueryLimitError past `rows_held_max`."""
        if rows > self.limits.rows_held_max:
            raise QueryLimitError.reached("rows_held_max", self.limits.rows_held_max, "the number of rows held")

    def allow_text(self, length: int) -> None:
        """Check the length of a text about to be built."""
        if length > self.limits.text_length_max:
            raise QueryLimitError.reached("text_length_max", self.limits.text_length_max, "the length of a text")

    def allow_array(self, length: int) -> None:
        """Check the length of an array about to be built."""
        if length > self.limits.array_length_max:
            raise QueryLimitError.reached("array_length_max", self.limits.array_length_max, "the length of an array")
