"""What a store must offer to be queried, and the simplest store: a dict of lists.

A `DataSource` gives documents; the query does the rest. A store that can do better than a
scan may also offer `get`, the document with a given key.
"""

from collections.abc import Iterable, Mapping, Sequence
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
