"""Filters by the documents they may match, so that a commit need not be held against every one of them.

A filter that compares a field with a value, with some, or with a range is looked up by that field. All others may match
anything, and are found always.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Generic, TypeVar

from sdbql.values import hash_key, sort_key
from solidb_sync.filters.index_condition import Between, IndexCondition, OneOf, Path, value_at
from solidb_sync.server.live.range_index import RangeIndex

Member = TypeVar("Member", bound=Hashable)


class FilterIndex(Generic[Member]):
    """Members, each with what its filter can be looked up by; None when it can't."""

    def __init__(self) -> None:
        self._conditions: dict[Member, IndexCondition | None] = {}
        self._always: dict[Member, None] = {}
        self._by_value: dict[Path, dict[Any, dict[Member, None]]] = {}
        self._by_range: dict[Path, RangeIndex[Member]] = {}

    def __len__(self) -> int:
        return len(self._conditions)

    def add(self, member: Member, condition: IndexCondition | None) -> None:
        """Add a member, in the place of what it had."""
        self.discard(member)
        self._conditions[member] = condition
        match condition:
            case None:
                self._always[member] = None
            case OneOf(path, keys):
                for key in keys:
                    self._by_value.setdefault(path, {}).setdefault(key, {})[member] = None
            case Between(path, low, high):
                self._by_range.setdefault(path, RangeIndex()).add(member, low, high)

    def discard(self, member: Member) -> None:
        """Take a member out."""
        if member not in self._conditions:
            return
        match self._conditions.pop(member):
            case None:
                del self._always[member]
            case OneOf(path, keys):
                for key in keys:
                    members = self._by_value[path][key]
                    members.pop(member, None)
                    if not members:
                        del self._by_value[path][key]
            case Between(path):
                self._by_range[path].discard(member)

    def candidates(self, row: Mapping[str, Any]) -> Iterator[Member]:
        """Yield every member whose filter may match a document, some maybe more than once."""
        yield from self._always
        for path, members in self._by_value.items():
            yield from members.get(hash_key(value_at(row, path)), ())
        for path, ranges in self._by_range.items():
            yield from ranges.containing(sort_key(value_at(row, path)))
