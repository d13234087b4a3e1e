"""Which documents of a collection this device has: its filters, and what they let through."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from solidb_sync.client.filter_explanation import FilterExplanation, count_here
from solidb_sync.client.manager.syncing import OFFLINE_BY_HAND, SyncMethods
from solidb_sync.errors import AuthError, ConnectionError, ServerError
from solidb_sync.filters.row_filter import row_filter
from solidb_sync.protocol.messages import ExplainRequest
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

    async def explain_filter(
        self, query: str, bind_vars: dict[str, Any] | None = None, *, collection: str | None = None
    ) -> FilterExplanation:
        """Count what a filter matches, leaves out and fails on, here and on the server; nothing is set.

        A bare predicate needs the name of its `collection`. Being offline is not an exception: `server` is None then.
        """
        asked = row_filter(query, bind_vars, collection=collection)
        here = await self._scan(lambda reader: count_here(reader, asked))
        if not self._connectivity.is_on:
            return FilterExplanation(asked.collection, here, problem=OFFLINE_BY_HAND)
        request = ExplainRequest(asked.text, asked.bind_vars, asked.collection)
        try:
            return FilterExplanation(asked.collection, here, await self._server.explain_filter(request))
        except (AuthError, ConnectionError, ServerError) as problem:
            return FilterExplanation(asked.collection, here, problem=str(problem))
