"""A sync filter as a checked value: a text and its bind parameters in, a test for documents out.

Both ends make it from the same text, so both mean the same by it. A document about which the condition raises an error
is outside (it *fails closed*), and is counted by `explain_filter`. The work on one document is bounded in steps, not in
time, so that the answer does not depend on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec

from sdbql import Limits, QueryError
from sdbql.engine import Filter
from solidb_sync.errors import FilterError, InvalidDocumentError
from solidb_sync.filters.filter_text import bind_names_of, read_filter
from solidb_sync.filters.index_condition import IndexCondition, index_condition
from solidb_sync.json_value import JsonDocument, canonical

BIND_BYTES_MAX = 64 * 1024
STEPS_PER_DOCUMENT_MAX = 1_000_000
LIMITS = Limits(steps_max=STEPS_PER_DOCUMENT_MAX)


class Verdict(Enum):
    """What a filter says of a document."""

    MATCHES = "matches"
    DIFFERS = "differs"
    FAILED = "failed"
    """The condition raised an error: the document is outside."""


@dataclass(frozen=True, slots=True)
class RowFilter:
    """A condition on the documents of one collection. Two of them with the same `identity` mean the same."""

    collection: str
    text: str
    bind_vars: dict[str, Any]
    identity: str
    index: IndexCondition | None
    condition: Filter

    def verdict(self, key: str, document: JsonDocument) -> Verdict:
        """Return what the filter says of a document, which it sees with `_key` and `_id` as every read shows them."""
        row = shown_row(self.collection, key, document)
        try:
            does_match = self.condition.matches(row, self.bind_vars, limits=LIMITS, now_ms=0, monotonic=_no_time)
        except QueryError:
            return Verdict.FAILED
        return Verdict.MATCHES if does_match else Verdict.DIFFERS

    def matches(self, key: str, document: JsonDocument) -> bool:
        """Return whether a document is wanted."""
        return self.verdict(key, document) is Verdict.MATCHES


def row_filter(text: str, bind_vars: Mapping[str, Any] | None = None, *, collection: str | None = None) -> RowFilter:
    """Return a checked filter; raises `FilterError` saying what is wrong.

    `collection` is required for a bare predicate; a query names its own, which must be the same.
    """
    if not isinstance(text, str):
        raise FilterError(f"filter: expected a string, found {type(text).__name__}")
    read = read_filter(text.strip())
    if read.collection is None and collection is None:
        raise FilterError(f"filter: {text.strip()!r} names no collection; write FOR x IN collection FILTER ... RETURN x")
    if None not in (read.collection, collection) and read.collection != collection:
        raise FilterError(f"filter: reads {read.collection!r}, and is given for the collection {collection!r}")
    binds = _checked_binds(bind_vars)
    missing = [name for name in bind_names_of(read.filter) if name not in binds]
    if missing:
        raise FilterError(f"bind_vars: {', '.join(f'@{name}' for name in missing)} not given")
    return RowFilter(
        collection=str(read.collection or collection),
        text=text.strip(),
        bind_vars=binds,
        identity=filter_identity(text.strip(), binds),
        index=index_condition(read.filter.condition, binds),
        condition=read.filter,
    )


def filter_identity(text: str, bind_vars: Mapping[str, Any]) -> str:
    """Return what is equal for the same text with the same bind parameters."""
    return msgspec.json.encode([text, bind_vars], order="deterministic").decode()


def _checked_binds(bind_vars: Mapping[str, Any] | None) -> dict[str, Any]:
    try:
        checked = canonical(dict(bind_vars or {}), where="bind_vars")
    except (InvalidDocumentError, TypeError, ValueError) as problem:
        raise FilterError(f"bind_vars: {problem}") from problem
    if len(checked.text) > BIND_BYTES_MAX:
        raise FilterError(f"bind_vars: at most {BIND_BYTES_MAX} bytes as JSON, found {len(checked.text)}")
    value: dict[str, Any] = checked.value
    return value


def shown_row(collection: str, key: str, document: JsonDocument) -> JsonDocument:
    """Return a document as a query sees it."""
    return {**document, "_key": key, "_id": f"{collection}/{key}"}


def _no_time() -> float:
    return 0.0
