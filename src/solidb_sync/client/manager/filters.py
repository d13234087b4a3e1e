"""Which documents of a collection this device has: its filters, and what they let through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from solidb_sync.client.manager.syncing import SyncMethods
from solidb_sync.storage.subscriptions import subscription_map, subscription_of_query


class FilterMethods(SyncMethods):
    """Selective sync. A filter is durable; the next round brings what is missing and takes away what no longer matches."""

    async def set_sync_filter(self, query: str, bind_vars: dict[str, Any] | None = None) -> None:
        """Sync of one collection only the documents that `FOR x IN collection FILTER ... RETURN x` returns.

        Takes the place of that collection's filter; others stay. Raises `FilterError` saying why a query can't be a filter.
        """
        await self._subscribe_to([subscription_of_query(query, bind_vars)])

    async def set_collection_sync_filters(self, filters: Iterable[tuple[Any, ...]]) -> None:
        """Set the filters of all collections at once: `(collection, query or None, bind_vars or None)`, None for all rows.

        All or none: when one of them is refused, nothing has changed. A collection that is not named loses its filter.
        """
        await self._subscribe_to(subscription_map(filters), lift_others=True)
