"""A FILTER as SQL: comparisons, membership and truth of stored values, joined by AND, OR and NOT.

A condition becomes SQL only if it can never raise, because SQLite evaluates terms in an order of its own. NOT goes
inwards until it disappears into operators, so a condition never stands below one, and NULL may stand for false.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sdbql.conditions import is_total
from sdbql.sqlite_comparisons import (
    BOOLEANS,
    BOUND,
    CONTAINERS,
    FALSE,
    MIRRORED,
    OPPOSITE,
    RANKS,
    STRINGS,
    TRUE,
    IdView,
    compare_stored,
    compare_with_constant,
    truth,
)
from sdbql.sqlite_constants import ConstantKind, Constants, Kind
from sdbql.sqlite_operands import Operand, Reading, operand, path_of
from sdbql.sqlite_select import Parameters, SqlValue
from sdbql.syntax_tree import Binary, Expression, Logical, Node, Unary
from sdbql.values import INTEGER_MAX, INTEGER_MIN, display, is_number

ATOMS_MAX = 200
"""How many comparisons one WHERE may have; SQLite bounds the depth of what they are joined to."""


@dataclass
class Conditions:
    """Writes the conditions on the rows of one reading."""

    reading: Reading
    constants: Constants
    kinds: Sequence[ConstantKind]
    parameters: Parameters
    atoms: int = 0

    def condition(self, node: Expression, *, negated: bool = False) -> str | None:
        """Return SQL that is true for the rows for which the condition is true (or false, if negated), or None."""
        number = self.constants.number(node)
        if number is not None:
            return self.parameters.constant(number, _is_false if negated else _is_true)
        match node:
            case Logical():
                return self._logical(node, negated=negated)
            case Unary(operator="NOT", operand=operand_node):
                return self.condition(operand_node, negated=not negated)
            case Binary(operator=operator) if operator in OPPOSITE:
                return self._atom(self._comparison(node, OPPOSITE[operator] if negated else operator))
            case Binary(operator=("IN" | "NOT IN") as operator):
                return self._atom(self._membership(node, negated=negated != (operator == "NOT IN")))
            case Binary(operator=("LIKE" | "NOT LIKE") as operator):
                return self._atom(self._like(node, negated=negated != (operator == "NOT LIKE")))
            case _:
                stored = self.operand(node)
                return None if stored is None else self._atom(truth(stored, negated=negated))

    def operand(self, node: Node) -> Operand | None:
        """Return the stored value that a node reads, None when it is none or has no SQL."""
        found = path_of(node)
        if found is None or found[0] != self.reading.variable or not found[1]:
            return None
        return operand(self.reading, found[1], self.parameters)

    def _atom(self, condition: str | None) -> str | None:
        self.atoms += 1
        return condition if self.atoms <= ATOMS_MAX else None

    def _logical(self, node: Logical, *, negated: bool) -> str | None:
        joining = "OR" if (node.operator == "OR") is not negated else "AND"
        parts = [self.condition(part, negated=negated) for part in node.operands]
        if None in parts:
            return None
        return f"({f' {joining} '.join([part for part in parts if part is not None])})"

    def _comparison(self, node: Binary, operator: str) -> str | None:
        left, right = self.operand(node.left), self.operand(node.right)
        if left is not None and right is not None:
            return compare_stored(left, operator, right)
        if left is not None:
            return self._with_constant(left, operator, node.right)
        if right is not None:
            return self._with_constant(right, MIRRORED[operator], node.left)
        return None

    def _with_constant(self, stored: Operand, operator: str, node: Expression) -> str | None:
        number = self.constants.number(node)
        if number is None:
            return None
        kind = self.kinds[number]
        if not isinstance(kind, Kind):
            kind = Kind.DEEP
        if stored.id_prefix and operator in ("==", "!=") and kind in STRINGS:
            key = self.parameters.constant(number, IdView(stored.id_prefix))
            return f"k {'IS' if operator == '==' else 'IS NOT'} {key}"
        return compare_with_constant(stored, operator, kind, self.parameters.constant(number) if kind in BOUND else "")

    # --- membership

    def _membership(self, node: Binary, *, negated: bool) -> str | None:
        stored = self.operand(node.left)
        if stored is not None:
            if isinstance(node.right, Binary) and node.right.operator == "..":
                return self._in_range(stored, node.right, negated=negated)
            number = self.constants.number(node.right)
            return None if number is None else self._in_array(stored, number, negated=negated)
        searched, number = self.operand(node.right), self.constants.number(node.left)
        if searched is None or number is None or searched.is_text:
            return None
        return self._contains(searched, number, negated=negated)

    def _in_range(self, stored: Operand, bounds: Binary, *, negated: bool) -> str | None:
        """Test for a whole number between two constants that are numbers."""
        low, high = self.constants.number(bounds.left), self.constants.number(bounds.right)
        if low is None or high is None or stored.is_text:
            return None
        if not {self.kinds[low], self.kinds[high]} <= {Kind.LOW, Kind.NUMBER}:
            return None
        least, most = self.parameters.constant(low, _truncated), self.parameters.constant(high, _truncated)
        # no float from 2^52 on has a fraction; abs() of the least integer would fail
        is_wide = f"{stored.value} NOT BETWEEN -4503599627370496.0 AND 4503599627370496.0"
        is_real = f"{stored.kind} = 'real' AND ({stored.value} = CAST({stored.value} AS INTEGER) OR {is_wide})"
        is_whole = f"({stored.kind} = 'integer' OR {is_real})"
        found = f"{stored.value} >= {least} AND {stored.value} <= {most} AND {is_whole}"
        return f"NOT ifnull({found}, 0)" if negated else f"({found})"

    def _in_array(self, stored: Operand, number: int, *, negated: bool) -> str | None:
        """Test for equality with any element of a constant array."""
        kinds = self.kinds[number]
        if kinds is Kind.UNFIT or kinds is Kind.DEEP:
            return None
        if isinstance(kinds, Kind):
            return TRUE if negated else FALSE
        if Kind.DEEP in kinds or Kind.UNFIT in kinds or stored.id_prefix:
            return None
        operator = "!=" if negated else "=="
        tests = [compare_with_constant(stored, operator, kind, "") for kind in RANKS if kind in kinds]
        if kinds & BOUND:
            tests.append(self._in_bound_elements(stored, number, negated=negated))
        joining = " AND " if negated else " OR "
        return f"({joining.join([test for test in tests if test is not None])})" if tests else TRUE if negated else FALSE

    def _in_bound_elements(self, stored: Operand, number: int, *, negated: bool) -> str:
        """Test for equality with an element that is a number or a string."""
        if stored.is_text or stored.index_key is not None:
            among = f"{stored.index_key or stored.value} IN {self._elements(number, _all_bound)}"
            return f"NOT {among}" if negated else among
        plain = f"{stored.value} IN {self._elements(number, _plain)}"
        doubtful = f"{stored.value} IN {self._elements(number, _doubtful)}"
        is_itself = f"{stored.kind} NOT IN {BOOLEANS} AND {stored.kind} NOT IN {CONTAINERS}"
        found = f"({plain} OR {doubtful} AND {is_itself})"
        return f"NOT ifnull({found}, 0)" if negated else found

    def _elements(self, number: int, view: Callable[[Any], SqlValue]) -> str:
        return f"(SELECT value FROM json_each({self.parameters.constant(number, view)}))"

    def _contains(self, searched: Operand, number: int, *, negated: bool) -> str | None:
        """Test a stored array for an element, or a stored object for a key."""
        kind = self.kinds[number]
        if not isinstance(kind, Kind) or (kind not in BOUND and kind not in RANKS):
            return None
        wanted = self.parameters.constant(number) if kind in BOUND else ""
        element = {
            Kind.NULL: "type = 'null'",
            Kind.FALSE: "type = 'false'",
            Kind.TRUE: "type = 'true'",
        }.get(kind, f"atom = {wanted} AND type NOT IN {BOOLEANS}")
        is_element = f"EXISTS (SELECT 1 FROM json_each({searched.json}) WHERE {element})"
        is_key = f"sdb_has_key({searched.json}, {wanted})" if wanted else FALSE
        found = f"CASE {searched.kind} WHEN 'array' THEN {is_element} WHEN 'object' THEN {is_key} ELSE 0 END"
        return f"NOT {found}" if negated else found

    def _like(self, node: Binary, *, negated: bool) -> str | None:
        stored, number = self.operand(node.left), self.constants.number(node.right)
        if stored is None or number is None or self.kinds[number] in (Kind.UNFIT, Kind.DEEP):
            return None
        if self.kinds[number] not in BOUND:
            return None
        pattern = self.parameters.constant(number, _shown)
        found = f"sdb_like({stored.value}, {pattern})"
        if not stored.is_text:
            found = f"CASE WHEN {stored.kind} IS 'text' THEN {found} ELSE sdb_like_json({stored.json}, {pattern}) END"
        return f"NOT {found}" if negated else found


def taken_terms(terms: Sequence[Expression], conditions: Conditions) -> tuple[list[str], list[Expression]]:
    """Return the terms of a FILTER that SQL takes, and those left to the interpreter.

    What is SQL cannot fail: it compares stored values with constants, and those have been evaluated. A term that is left
    and can fail also leaves the terms behind it, which must not keep rows from it.
    """
    taken: list[str] = []
    left: list[Expression] = []
    for place, term in enumerate(terms):
        found = conditions.condition(term)
        if found is not None:
            taken.append(found)
        elif is_total(term):
            left.append(term)
        else:
            return taken, [*left, *terms[place:]]
    return taken, left


# --- views of constants


def _is_true(constant: Any) -> SqlValue:
    return int(bool(constant))


def _is_false(constant: Any) -> SqlValue:
    return int(not constant)


def _truncated(constant: Any) -> SqlValue:
    whole = int(constant)
    return whole if INTEGER_MIN <= whole <= INTEGER_MAX else float(constant)


def _shown(constant: Any) -> SqlValue:
    return "" if constant is None else display(constant)


def _plain(constant: Any) -> SqlValue:
    """Return the elements that nothing but themselves is shown as, as JSON."""
    return json.dumps([one for one in _bound(constant) if not _is_doubtful(one)])


def _doubtful(constant: Any) -> SqlValue:
    """Return the elements that a stored boolean, array or object could be shown as, as JSON."""
    return json.dumps([one for one in _bound(constant) if _is_doubtful(one)])


def _all_bound(constant: Any) -> SqlValue:
    """Return the elements that are numbers and strings, as JSON."""
    return json.dumps(_bound(constant))


def _bound(constant: Any) -> list[Any]:
    return [one for one in constant if isinstance(one, str) or is_number(one)]


def _is_doubtful(one: int | float | str) -> bool:
    return one[:1] in ("[", "{") if isinstance(one, str) else one in (0, 1)
