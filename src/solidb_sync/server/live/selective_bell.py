"""Which listeners with filters a commit concerns: those whose filter may match a document, and those that hold it.

A listener without a filter on a changed collection hears every change of it. For the others the new versions are looked up
in an index of their filters, and whoever held an old version is known from the views. So the cost of a commit follows the
listeners it concerns, not those that listen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from solidb_sync.filters.row_filter import RowFilter
from solidb_sync.server.live.filter_index import FilterIndex

CHANGES_LOOKED_UP_MAX = 200
"""A commit of more documents than this concerns everybody."""


class Hearer(Protocol):
    """Who listens: a device, and by itself a key of a table."""

    client_id: str

    def __hash__(self) -> int:
        """Return the same for the same listener."""


Listener = TypeVar("Listener", bound=Hearer)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit changed: the new rows by collection (tombstones are left out), and which devices hold any of them."""

    collections: frozenset[str]
    rows: Sequence[tuple[str, Mapping[str, Any]]]
    holders: frozenset[str]


class SelectiveListeners(Generic[Listener]):
    """The listeners of one database that have filters."""

    def __init__(self) -> None:
        self._filters: dict[Listener, Mapping[str, RowFilter]] = {}
        self._groups: dict[frozenset[str], dict[Listener, None]] = {}
        self._indexes: dict[str, FilterIndex[Listener]] = {}
        self._of_client: dict[str, dict[Listener, None]] = {}

    def __len__(self) -> int:
        return len(self._filters)

    def __contains__(self, listener: Listener) -> bool:
        return listener in self._filters

    def put(self, listener: Listener, filters: Mapping[str, RowFilter]) -> None:
        """Add a listener, or give it other filters."""
        self.discard(listener)
        self._filters[listener] = filters
        self._groups.setdefault(frozenset(filters), {})[listener] = None
        self._of_client.setdefault(listener.client_id, {})[listener] = None
        for collection, row_filter in filters.items():
            self._indexes.setdefault(collection, FilterIndex()).add(listener, row_filter.index)

    def discard(self, listener: Listener) -> None:
        """Take a listener out."""
        filters = self._filters.pop(listener, None)
        if filters is None:
            return
        _take_out(self._groups, frozenset(filters), listener)
        _take_out(self._of_client, listener.client_id, listener)
        for collection in filters:
            self._indexes[collection].discard(listener)

    def everybody(self) -> Iterable[Listener]:
        """Return all of them."""
        return self._filters

    def concerned(self, commit: Commit) -> Iterator[Listener]:
        """Yield the listeners that a commit concerns, some maybe more than once."""
        for filtered, listeners in self._groups.items():
            if not commit.collections <= filtered:
                yield from listeners
        for collection, row in commit.rows:
            index = self._indexes.get(collection)
            if index is not None:
                yield from index.candidates(row)
        for client_id in commit.holders:
            yield from self._of_client.get(client_id, ())


def _take_out(groups: dict[Any, dict[Any, None]], key: object, listener: object) -> None:
    group = groups[key]
    group.pop(listener, None)
    if not group:
        del groups[key]
