"""What a store must offer to be queried, and the simplest store: a dict of lists.

A `DataSource` gives documents; the query does the rest. A store that can do better than a
scan may also offer `get`, the document with a given key, or `candidates`, the documents an index finds;
one that keeps its documents in SQLite may offer its tables, and then as much of a query as possible runs there.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

Document = dict[str, Any]


@runtime_checkable
class DataSource(Protocol):
    """Named collections of documents.

    One run of a query may scan a collection more than once and expects the same documents
    in the same order each time, so a store gives every run one snapshot. Documents are
    JSON objects; a query never changes them, and its results may share parts with them.
    """

    def collections(self) -> Iterable[str]:
        """Return the names of all collections, also of the empty ones."""
        ...

    def has_collection(self, name: str) -> bool:
        """Tell whether there is a collection of this name; an empty one counts."""
        ...

    def scan(self, name: str) -> Iterable[Document]:
        """Return the documents of a collection, in an order that stays the same."""
        ...


@runtime_checkable
class KeyedDataSource(DataSource, Protocol):
    """A data source that finds a document by its key without a scan."""

    def get(self, name: str, key: str) -> Document | None:
        """Return the document whose `_key` equals `key`, or None."""
        ...


Path = tuple[str, ...]
"""A place in a document: `("address", "city")` is `u.address.city`."""


@dataclass(frozen=True, slots=True)
class ValueRange:
    """The values from `lowest` to `highest`, both included, in SDBQL's order; each is a bool, a number or a string.

    Without `highest` it goes on to the last value there is, through all later types. It never has null in it.
    """

    lowest: bool | float | str
    highest: bool | float | str | None = None


@runtime_checkable
class IndexedDataSource(DataSource, Protocol):
    """A data source that finds documents by what is at a path without a scan."""

    def indexed(self, name: str) -> frozenset[Path]:
        """Return the paths that `candidates` may be asked for; `("_key",)` may be one of them."""
        ...

    def candidates(self, name: str, path: Path, ranges: Sequence[ValueRange], most: int) -> list[Document] | None:
        """Return all documents whose value at a path is in any of the ranges, each once, in the order of `scan`.

        There may be others among them: whoever asks tests each. None means "scan instead", which is always allowed, and
        is the answer when there would be more than `most`.
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredTable:
    """Where a collection is in SQLite: a table with the columns `k` (the key, text) and `body` (JSONB).

    A row whose `body` is NULL is no document, and a body holds neither `_key` nor `_id`: both come from `k`. `name` is
    SQL, of the store's own making. `indexed` are the paths with an index of `sqlite_paths.index_expressions`.
    """

    name: str
    indexed: frozenset[tuple[str, ...]] = frozenset()


@runtime_checkable
class SqlDataSource(DataSource, Protocol):
    """A data source whose documents can be read with SQL, in the snapshot that `scan` sees, and in the order of `k` there.

    The connection must have the functions of `sqlite_functions.SQL_FUNCTIONS`.
    """

    def table(self, name: str) -> StoredTable | None:
        """Return the table of a collection, None when it has none (yet): it is empty then."""
        ...

    def select(self, statement: str, parameters: Mapping[str, Any]) -> Iterator[Sequence[Any]]:
        """Yield the rows of a SELECT; parameters (None, int, float or str) are by name: `:p0` is that of "p0"."""
        ...

    def decode(self, text: str) -> Any:
        """Return the value of a JSON text that came from the store."""
        ...

    def search(self, statement: str) -> list[str]:
        """Return how a SELECT finds its rows, for a person to read: through which index, if any."""
        ...

    def watched(self, check: Callable[[], None]) -> AbstractContextManager[None]:
        """Have `check` called now and then while statements run; what it raises ends them."""
        ...


@lru_cache(maxsize=256)
def implements(kind: Hashable, protocol: type) -> bool:
    """Tell whether a class has the methods of a protocol; asking the protocol costs as much as a small query."""
    return isinstance(kind, type) and issubclass(kind, protocol)


class DictSource:
    """A data source over a plain dict: collection name to list of documents.

    >>> list(DictSource({"users": [{"name": "Ann"}]}).scan("users"))
    [{'name': 'Ann'}]
    """

    def __init__(self, documents: Mapping[str, Sequence[Document]]) -> None:
        self._documents = documents

    def collections(self) -> Iterable[str]:
        """Return the names of all collections."""
        return self._documents.keys()

    def has_collection(self, name: str) -> bool:
        """Tell whether the dict has this key."""
        return name in self._documents

    def scan(self, name: str) -> Iterable[Document]:
        """Return the documents in the order of the list."""
        return self._documents[name]
