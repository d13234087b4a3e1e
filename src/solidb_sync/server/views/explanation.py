"""Count what a filter would let through of a collection, without any effect: is it too narrow?"""

from __future__ import annotations

from collections import Counter
from functools import partial

import msgspec

from solidb_sync.errors import FilterError
from solidb_sync.filters.row_filter import RowFilter, Verdict, row_filter
from solidb_sync.json_value import decode
from solidb_sync.protocol.messages import ExplainRequest, FilterCounts
from solidb_sync.server.databases import Database
from solidb_sync.server.refusals import bad_request, filter_refused
from solidb_sync.server.storage.backend import ReadSession

DOCUMENTS_COUNTED_MAX = 200_000
"""Counting ends here, and says so."""
CHUNK_DOCUMENTS = 1_000
"""How many documents are read at a time, so that other long reads come in between."""

_decoder = msgspec.json.Decoder(ExplainRequest)


def read_explain_request(body: bytes) -> RowFilter:
    """Return the filter a request asks about, or raise `RequestRefused` saying what is wrong."""
    try:
        request = _decoder.decode(body)
    except msgspec.MsgspecError as problem:
        raise bad_request(f"body: {problem}") from problem
    try:
        return row_filter(request.query, request.bind_vars, collection=request.collection)
    except FilterError as problem:
        raise filter_refused(str(problem)) from problem


async def explain(database: Database, asked: RowFilter) -> FilterCounts:
    """Return how many documents of its collection a filter matches, leaves out, and fails on."""
    counts: Counter[Verdict] = Counter()
    after, has_more = "", True
    while has_more and counts.total() < DOCUMENTS_COUNTED_MAX:
        more, after, has_more = await database.read(partial(_count, asked=asked, after=after), is_small=False)
        counts.update(more)
    return FilterCounts(
        collection=asked.collection,
        matching=counts[Verdict.MATCHES],
        not_matching=counts[Verdict.DIFFERS],
        failing=counts[Verdict.FAILED],
        is_complete=not has_more,
    )


def _count(session: ReadSession, asked: RowFilter, after: str) -> tuple[Counter[Verdict], str, bool]:
    found = session.live_documents(asked.collection, after=after, limit=CHUNK_DOCUMENTS)
    counts = Counter(asked.verdict(stored.key, decode(stored.body or "{}")) for stored in found)
    return counts, found[-1].key if found else after, len(found) == CHUNK_DOCUMENTS
