"""Subscriptions as they are kept: the name checked, the filter read once so that a bad one is refused when it is set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from solidb_sync.errors import FilterError
from solidb_sync.filters.row_filter import row_filter
from solidb_sync.protocol.limits import SETTINGS_ENTRIES_MAX
from solidb_sync.protocol.names import name_problem
from solidb_sync.storage.records import Subscription


def checked_subscription(collection: str, filter_: str | None, bind_vars: Mapping[str, Any] | None) -> Subscription:
    """Return a subscription to a collection; raises `FilterError` saying why its filter can't be one."""
    if filter_ is None:
        if bind_vars:
            raise FilterError(f"bind_vars: {', '.join(bind_vars)} given without a filter")
        return Subscription(collection)
    checked = row_filter(filter_, bind_vars, collection=collection)
    return Subscription(collection, checked.text, checked.bind_vars or None)


def subscription_of_query(query: str, bind_vars: Mapping[str, Any] | None) -> Subscription:
    """Return a subscription to the collection that a query reads."""
    checked = row_filter(query, bind_vars)
    problem = name_problem(checked.collection)
    if problem:
        raise FilterError(f"filter: {problem}")
    return Subscription(checked.collection, checked.text, checked.bind_vars or None)


def subscription_map(entries: Iterable[tuple[Any, ...]]) -> list[Subscription]:
    """Return the subscriptions of `(collection, filter or None[, bind_vars])`, each collection at most once."""
    subscriptions: dict[str, Subscription] = {}
    for at, entry in enumerate(entries):
        if not isinstance(entry, (tuple, list)) or len(entry) not in (2, 3):
            raise FilterError(f"filters[{at}]: expected (collection, filter or None, bind_vars or None), found {entry!r}")
        name, text, *binds = entry
        problem = name_problem(name) if isinstance(name, str) else f"{name!r} is not a string"
        if problem:
            raise FilterError(f"filters[{at}]: {problem}")
        if name in subscriptions:
            raise FilterError(f"filters[{at}]: {name!r} is there twice; a collection has one filter")
        subscriptions[name] = checked_subscription(name, text, binds[0] if binds else None)
    if len(subscriptions) > SETTINGS_ENTRIES_MAX:
        raise FilterError(f"filters: {len(subscriptions)} collections, at most {SETTINGS_ENTRIES_MAX} have one")
    return list(subscriptions.values())
