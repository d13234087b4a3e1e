"""What a filter lets through, counted here and on the server: is it too narrow, or does it fail on some documents?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from solidb_sync.filters.row_filter import RowFilter, Verdict
from solidb_sync.json_value import decode
from solidb_sync.protocol.messages import FilterCounts
from solidb_sync.storage.engine import EngineReader


@dataclass(frozen=True, slots=True)
class FilterExplanation:
    """Counts of one filter: `here` over the documents of this device, `server` over all of the collection there.

    Documents about which the condition raises an error are `failing`: they are outside. `server` is None when the server
    could not be asked; `problem` says why.
    """

    collection: str
    here: FilterCounts
    server: FilterCounts | None = None
    problem: str = ""


def count_here(reader: EngineReader, asked: RowFilter) -> FilterCounts:
    """Return the counts over the documents of this device."""
    rows = reader.live_rows(asked.collection)
    counts = Counter(asked.verdict(key, decode(row.body or "{}")) for key, row in rows)
    return FilterCounts(
        asked.collection, counts[Verdict.MATCHES], counts[Verdict.DIFFERS], counts[Verdict.FAILED], is_complete=True
    )
