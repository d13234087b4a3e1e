"""The filters of simulated devices, and which documents each of them means: a table, not an engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FILTER_FIELD = "f"
FILTER_VALUES = (0, 1, 2)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """A filter as an app writes it, `{collection}` standing for the collection's name, and what it selects."""

    text: str
    matches: Callable[[Body], bool]
    bind_vars: dict[str, Any] = field(default_factory=dict)


SELECTIONS: dict[str, Selection] = {
    "ones": Selection("f == 1", lambda body: body.get(FILTER_FIELD) == 1),
    "ends": Selection("f IN [0, 2]", lambda body: body.get(FILTER_FIELD) in (0, 2)),
    "some": Selection("f >= 1", lambda body: (body.get(FILTER_FIELD) or 0) >= 1),
    "twos": Selection(
        "FOR doc IN {collection} FILTER doc.f == @wanted RETURN doc",
        lambda body: body.get(FILTER_FIELD) == 2,
        {"wanted": 2},
    ),
}
