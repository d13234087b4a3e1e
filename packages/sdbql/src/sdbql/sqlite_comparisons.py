"""A stored value compared with a constant, as SQL that is true for exactly the rows for which SDBQL says true.

SQLite's order NULL < numbers < text is the order null < number < string, so most comparisons are what one would write by
hand. The exceptions, by kind of constant: a number up to 1 could be a stored boolean (0 or 1), a string from `[` on could
be the text of a stored array or object; there the stored type decides. Where SQL answers NULL it means false: conditions
stand only where the two are the same, and a negation turns the operator round instead (the order is total).

With an index on the path the comparison is with its index key, which needs no second look.
"""

from sdbql.sqlite_constants import Kind
from sdbql.sqlite_operands import Operand
from sdbql.sqlite_select import SqlValue

OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
MIRRORED = {"==": "==", "!=": "!=", "<": ">", ">": "<", "<=": ">=", ">=": "<="}
SQL_OPERATOR = {"==": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

TRUE, FALSE = "1", "0"

NUMBERS = frozenset([Kind.LOW, Kind.NUMBER])
STRINGS = frozenset([Kind.TEXT, Kind.HIGH, Kind.OPENING])
BOUND = NUMBERS | STRINGS
"""The kinds that are compared as a bound parameter."""

RANKS = {Kind.NULL: 0, Kind.FALSE: 1, Kind.TRUE: 2}
"""The index ranks of the kinds that are not bound."""

BOOLEANS, CONTAINERS = "('true', 'false')", "('array', 'object')"

_V, _T, _P = "{value}", "{kind}", "{constant}"
_TEMPLATES: dict[Kind, dict[str, str]] = {
    Kind.NULL: {
        "==": f"{_V} IS NULL",
        "!=": f"{_V} IS NOT NULL",
        "<": FALSE,
        "<=": f"{_V} IS NULL",
        ">": f"{_V} IS NOT NULL",
        ">=": TRUE,
    },
    Kind.FALSE: {
        "==": f"{_T} IS 'false'",
        "!=": f"{_T} IS NOT 'false'",
        "<": f"{_V} IS NULL",
        "<=": f"({_V} IS NULL OR {_T} IS 'false')",
        ">": f"({_V} IS NOT NULL AND {_T} IS NOT 'false')",
        ">=": f"{_V} IS NOT NULL",
    },
    Kind.TRUE: {
        "==": f"{_T} IS 'true'",
        "!=": f"{_T} IS NOT 'true'",
        "<": f"({_V} IS NULL OR {_T} IS 'false')",
        "<=": f"({_V} IS NULL OR {_T} IN {BOOLEANS})",
        ">": f"({_V} IS NOT NULL AND {_T} NOT IN {BOOLEANS})",
        ">=": f"({_V} IS NOT NULL AND {_T} IS NOT 'false')",
    },
    Kind.LOW: {
        "==": f"({_V} = {_P} AND {_T} NOT IN {BOOLEANS})",
        "!=": f"({_V} IS NOT {_P} OR {_T} IN {BOOLEANS})",
        "<": f"({_V} < {_P} OR {_V} IS NULL OR {_T} IN {BOOLEANS})",
        "<=": f"({_V} <= {_P} OR {_V} IS NULL OR {_T} IN {BOOLEANS})",
        ">": f"({_V} > {_P} AND {_T} NOT IN {BOOLEANS})",
        ">=": f"({_V} >= {_P} AND {_T} NOT IN {BOOLEANS})",
    },
    Kind.NUMBER: {
        "==": f"{_V} = {_P}",
        "!=": f"{_V} IS NOT {_P}",
        "<": f"({_V} < {_P} OR {_V} IS NULL)",
        "<=": f"({_V} <= {_P} OR {_V} IS NULL)",
        ">": f"{_V} > {_P}",
        ">=": f"{_V} >= {_P}",
    },
}
_TEMPLATES[Kind.TEXT] = _TEMPLATES[Kind.NUMBER]
_TEMPLATES[Kind.HIGH] = {
    **_TEMPLATES[Kind.TEXT],
    "<": f"({_V} < {_P} AND {_T} NOT IN {CONTAINERS} OR {_V} IS NULL)",
    "<=": f"({_V} <= {_P} AND {_T} NOT IN {CONTAINERS} OR {_V} IS NULL)",
    ">": f"({_V} > {_P} OR {_T} IN {CONTAINERS})",
    ">=": f"({_V} >= {_P} OR {_T} IN {CONTAINERS})",
}
_TEMPLATES[Kind.OPENING] = {
    **_TEMPLATES[Kind.HIGH],
    "==": f"({_V} = {_P} AND {_T} = 'text')",
    "!=": f"({_V} IS NOT {_P} OR {_T} IS NOT 'text')",
}


def compare_with_constant(stored: Operand, operator: str, kind: Kind, constant: str) -> str | None:
    """Return `stored operator constant` as SQL, None when it has none; `constant` is its placeholder."""
    if stored.is_text:
        return _compare_text(stored, operator, kind, constant)
    if stored.index_key is not None and stored.index_rank is not None:
        return _compare_index(stored.index_key, stored.index_rank, operator, kind, constant)
    if kind not in _TEMPLATES:
        return None
    return _TEMPLATES[kind][operator].format(value=stored.value, kind=stored.kind, constant=constant)


def _compare_text(stored: Operand, operator: str, kind: Kind, constant: str) -> str | None:
    """Compare a key or an id, which is always a string."""
    if kind in STRINGS:
        return f"{stored.value} {SQL_OPERATOR[operator]} {constant}"
    if kind is Kind.UNFIT:
        return None
    is_greater = kind is not Kind.DEEP
    return TRUE if operator in (("!=", ">", ">=") if is_greater else ("!=", "<", "<=")) else FALSE


def _compare_index(key: str, rank: str, operator: str, kind: Kind, constant: str) -> str | None:
    """Compare by the index key, in which null, false and true are minus infinity with a rank."""
    if kind in BOUND:
        return f"{key} {SQL_OPERATOR[operator]} {constant}"
    if kind not in RANKS:
        return None
    is_among, is_beyond = f"{key} = -9e999", f"{key} > -9e999"
    by_rank = f"{rank} {SQL_OPERATOR[operator]} {RANKS[kind]}"
    if operator in ("==", "<", "<="):
        return f"({is_among} AND {by_rank})"
    return f"({is_beyond} OR {by_rank})"


def compare_stored(left: Operand, operator: str, right: Operand) -> str:
    """Return the comparison of two stored values as SQL that is 0 or 1."""
    both_deep = f"{left.kind} IN {CONTAINERS} AND {right.kind} IN {CONTAINERS}"
    deep = f"sdb_compare({left.json}, {right.json}) {SQL_OPERATOR[operator]} 0"
    if operator in ("==", "!="):
        same = f"{left.value} IS {right.value} AND {left.rank} = {right.rank}"
        plain = same if operator == "==" else f"NOT ({same})"
        return f"CASE WHEN {both_deep} THEN {deep} ELSE {plain} END"
    if_null = TRUE if operator in ("<=", ">=") else FALSE
    return (
        f"CASE WHEN {both_deep} THEN {deep}"
        f" WHEN {left.rank} <> {right.rank} THEN {left.rank} {operator} {right.rank}"
        f" ELSE ifnull({left.value} {operator} {right.value}, {if_null}) END"
    )


def truth(stored: Operand, *, negated: bool) -> str:
    """Return SQL that is true where the stored value counts as true, or where it does not."""
    if stored.is_text:
        return f"{stored.value} {'=' if negated else '<>'} ''"
    empty = f"CASE WHEN {stored.value} IN ('[]', '{{}}') THEN {stored.kind}"
    if negated:
        return f"{empty} <> 'text' ELSE ifnull({stored.value}, 0) IN (0, '') END"
    return f"{empty} = 'text' ELSE ifnull({stored.value}, 0) NOT IN (0, '') END"


def id_view(prefix: str) -> "IdView":
    """Return how the key is got from an id."""
    return IdView(prefix)


class IdView:
    """From an id to its key; to null, which no key equals, when it is an id of another collection."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, constant: object) -> SqlValue:
        """Return the key."""
        assert isinstance(constant, str)
        return constant[len(self._prefix) :] if constant.startswith(self._prefix) else None
