"""A SORT key as SQL.

Rows are ordered by the rank of the key's type and then by its value as SQLite compares it, which is right for everything
but two arrays or two objects. Those are rare, and ordering them exactly means calling Python for each: so the ranks come
back with the rows, and only if an array or object is among them is the same asked again, exactly. (If none is among the
rows that came back, none could have changed which rows those are, nor their order.)
"""

from dataclasses import dataclass

from sdbql.sqlite_comparisons import CONTAINERS
from sdbql.sqlite_operands import Operand

SORT_KEYS_MAX = 100
"""How many keys a SORT in SQL may have; SQLite bounds the columns of a statement."""


@dataclass(frozen=True, slots=True)
class SortTerm:
    """One key: the columns to order by, those of the exact order, and a column with the rank; none for keys and ids.

    `value` is the bare value, where sorting by it alone may be enough (see `sqlite_top`).
    """

    columns: tuple[str, ...]
    exactly: tuple[str, ...]
    rank: str | None
    value: str | None = None
    descending: bool = False


def sort_term(stored: Operand | None, *, descending: bool) -> SortTerm | None:
    """Return the SQL of a sort key, None when it is no stored value."""
    if stored is None:
        return None
    if stored.is_text:
        columns = _directed([stored.value if stored.id_prefix else "k"], descending)
        return SortTerm(columns, columns, None)
    blob = f"CASE WHEN {stored.kind} IN {CONTAINERS} THEN sdb_key({stored.json}) ELSE {stored.value} END"
    exactly = _directed([stored.rank, blob], descending)
    if stored.index_key is not None and stored.index_rank is not None:
        rank = f"CASE WHEN typeof({stored.index_key}) = 'blob' THEN 3 ELSE 0 END"
        return SortTerm(_directed([stored.index_key, stored.index_rank], descending), exactly, rank)
    columns = _directed([stored.rank, stored.value], descending)
    return SortTerm(columns, exactly, stored.rank, stored.value, descending)


def _directed(columns: list[str], descending: bool) -> tuple[str, ...]:
    return tuple([f"{column} DESC" if descending else column for column in columns])
