"""What one run of a query has at hand: data, binds, time, randomness, and how much is left.

The clocks and the random numbers are passed in; this module takes neither from the system.
Whatever may take long calls `spend`, which is where a query ends that has used up its steps
or its time, or that was cancelled.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from sdbql.cancellation import Cancellation
from sdbql.data_source import DataSource, Document, IndexedDataSource, KeyedDataSource, Path, ValueRange, implements
from sdbql.errors import CollectionNotFoundError, QueryCancelledError, QueryLimitError
from sdbql.limits import Limits
from sdbql.value_size import require_bounded
from sdbql.values import hash_key

CHECK_EVERY = 4_096
"""After how many steps the clock and the cancellation are looked at again."""
LOOKED_UP_MAX = 2_000
"""So many documents of a collection are looked up by indexes in one run; then a scan, which is kept, is quicker."""
SHORT_TEXT, SHORT_ARRAY = 256, 16
"""What is no longer than this costs no steps of its own; the number of rows bounds it."""
READ_PER_STEP, BUILT_PER_STEP = 16, 4
"""How many characters are read, or built, for one step."""


def _no_clock() -> float:
    """Stand still: a run that is given no clock has all the time."""
    return 0.0


@dataclass(slots=True)
class ExecutionContext:
    """The surroundings of one run. `now_ms` is the same for the whole run.

    `monotonic` tells the seconds since some moment, for `Limits.time_ms_max`.
    """

    source: DataSource
    bind_vars: Mapping[str, Any]
    now_ms: int
    random: Callable[[], float]
    limits: Limits
    monotonic: Callable[[], float] = _no_clock
    cancellation: Cancellation | None = None
    steps: int = 0
    get: Callable[[str, str], Document | None] | None = field(init=False)
    """Finds a document by collection and key, when the source can."""
    indexes: IndexedDataSource | None = field(init=False)
    """The source, when it has indexes."""
    _documents: dict[str, list[Document]] = field(default_factory=dict)
    _looked_up: dict[str, int] = field(default_factory=dict)
    _deadline: float = field(init=False)
    _check_at: int = 0

    def __post_init__(self) -> None:
        self.get = cast(KeyedDataSource, self.source).get if implements(type(self.source), KeyedDataSource) else None
        self.indexes = cast(Any, self.source) if implements(type(self.source), IndexedDataSource) else None
        self._deadline = self.monotonic() + self.limits.time_ms_max / 1_000

    def documents(self, collection: str) -> list[Document]:
        """Return all documents of a collection, read once per run."""
        found = self._documents.get(collection)
        if found is None:
            if not self.source.has_collection(collection):
                raise CollectionNotFoundError(collection)
            found = self._read(self.source.scan(collection))
            self._documents[collection] = found
        return found

    def indexed(self, collection: str) -> frozenset[Path]:
        """Return the paths by which documents can be looked up; none once all of them have been read anyway."""
        if self.indexes is None or collection in self._documents:
            return frozenset()
        return self.indexes.indexed(collection)

    def candidates(self, collection: str, path: Path, ranges: Sequence[ValueRange]) -> list[Document] | None:
        """Return the documents with a value in the ranges, and maybe others; None where a scan has to tell."""
        looked_up = self._looked_up.get(collection, 0)
        if self.indexes is None or looked_up + len(ranges) > LOOKED_UP_MAX:
            return None
        found = self.indexes.candidates(collection, path, ranges, LOOKED_UP_MAX - looked_up)
        self._looked_up[collection] = looked_up + len(ranges) + len(found or ())
        self.check()
        return found

    def _read(self, documents: Iterable[Document]) -> list[Document]:
        """Return the documents of a scan, which may be a long read from a disk."""
        if isinstance(documents, list):
            self.hold(len(documents))
            return documents.copy()
        found: list[Document] = []
        remaining = iter(documents)
        while block := list(islice(remaining, CHECK_EVERY)):
            found += block
            self.hold(len(found))
            self.check()
        return found

    def spend(self, steps: int) -> None:
        """Count rows or elements visited; cheap enough to be called for every block of rows.

        Raises QueryLimitError past `steps_max` or `time_ms_max`, and QueryCancelledError.
        """
        self.steps += steps
        if self.steps >= self._check_at:
            self.check()

    def check(self) -> None:
        """End the run if it has no steps or no time left, or was cancelled."""
        if self.cancellation is not None and self.cancellation.is_cancelled:
            raise QueryCancelledError("the query was cancelled")
        if self.steps > self.limits.steps_max:
            raise QueryLimitError.reached("steps_max", self.limits.steps_max, "the number of steps")
        if self.monotonic() > self._deadline:
            raise QueryLimitError.reached("time_ms_max", self.limits.time_ms_max, "the time in milliseconds")
        self._check_at = min(self.steps + CHECK_EVERY, self.limits.steps_max + 1)

    def spend_on(self, values: Iterable[Any]) -> None:
        """Count what a function has to work through: the length of long texts and arrays."""
        for value in values:
            if isinstance(value, str):
                if len(value) > SHORT_TEXT:
                    self.spend(len(value) // READ_PER_STEP)
            elif isinstance(value, list | dict) and len(value) > SHORT_ARRAY:
                self.spend(len(value))

    def spend_walk(self, values: list[Any]) -> None:
        """Count everything inside values that are going to be walked as a whole.

        Raises QueryLimitError also for an element that is too deep or too large for that.
        """
        try:
            inside = require_bounded(values)
        except QueryLimitError:
            inside = 0
            for value in values:
                for element in value if isinstance(value, list) else [value]:
                    if isinstance(element, list | dict):
                        self.spend(require_bounded(element))
        self.spend(inside)

    def key(self, value: Any) -> Any:
        """Return the hash key of a value, having counted what is inside it."""
        if isinstance(value, list | dict):
            self.spend(require_bounded(value))
        return hash_key(value)

    def hold(self, rows: int) -> None:
        """Check the number of rows held at once. Raises QueryLimitError past `rows_held_max`."""
        if rows > self.limits.rows_held_max:
            raise QueryLimitError.reached("rows_held_max", self.limits.rows_held_max, "the number of rows held")

    def allow_text(self, length: int) -> None:
        """Check and count the length of a text about to be built."""
        if length > self.limits.text_length_max:
            raise QueryLimitError.reached("text_length_max", self.limits.text_length_max, "the length of a text")
        if length > SHORT_TEXT:
            self.spend(length // BUILT_PER_STEP)

    def allow_array(self, length: int) -> None:
        """Check and count the length of an array about to be built."""
        if length > self.limits.array_length_max:
            raise QueryLimitError.reached("array_length_max", self.limits.array_length_max, "the length of an array")
        if length > SHORT_ARRAY:
            self.spend(length)
