"""What the rest of a query needs of a stored document, and results that SQLite can write itself.

A row that leaves SQLite carries the few values that the steps behind it read, or the whole document when it is used as
one or when so many of its values are read that decoding it is cheaper. Where nothing stands behind the read but a RETURN
of stored values, SQLite writes the JSON of each result.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from sdbql.sqlite_operands import Operand, path_of
from sdbql.sqlite_paths import Path, json_path
from sdbql.sqlite_select import Parameters
from sdbql.syntax_tree import ArrayLiteral, Expression, Literal, Node, ObjectLiteral, Variable, children, rebuild, walk
from sdbql.values import display

VALUES_MAX = 8
"""Up to how many values are read one by one; the whole document costs about as much as this many."""

PARTS_MAX = 100
"""How many values one result may be made of in SQL; SQLite bounds the arguments of a function."""

OperandOf = Callable[[Node], Operand | None]


def paths_read(variable: str, nodes: Iterable[Node]) -> tuple[Path, ...] | None:
    """Return the paths that nodes read of a document, in order; None when they need all of it."""
    found: dict[Path, None] = {}
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        path = path_of(node)
        if path is None:
            waiting.extend(children(node))
        elif path[0] == variable:
            if json_path(path[1]) is None:
                return None
            found[path[1]] = None
    return tuple(found) if len(found) <= VALUES_MAX else None


def substituted(node: Any, variable: str, outputs: dict[Path, str]) -> Any:
    """Return a node with the paths into a document replaced by the variables that hold their values."""
    path = path_of(node)
    if path is not None and path[0] == variable and path[1] in outputs:
        return Variable(outputs[path[1]], span=node.span)
    return rebuild(node, lambda inner: substituted(inner, variable, outputs))


def replaced_variable(node: Any, variable: str, value: Expression) -> Any:
    """Return a node with an expression in place of a variable; a node without the variable stays the same object."""
    if isinstance(node, Variable):
        return value if node.name == variable else node
    if not any(isinstance(inner, Variable) and inner.name == variable for inner in walk(node)):
        return node
    return rebuild(node, lambda inner: replaced_variable(inner, variable, value))


def result_json(node: Expression, operand_of: OperandOf, parameters: Parameters) -> str | None:
    """Return SQL for the JSON text of a result made of stored values and literals, None for any other."""
    if sum(1 for _ in walk(node)) > PARTS_MAX * 4:
        return None
    written = _json(node, operand_of, parameters)
    if written is None or isinstance(node, ObjectLiteral | ArrayLiteral):
        return written
    return f"ifnull({written}, 'null')"


def _json(node: Expression, operand_of: OperandOf, parameters: Parameters) -> str | None:
    stored = operand_of(node)
    if stored is not None:
        return stored.json
    match node:
        case Literal(value=value):
            try:
                json.dumps(value, ensure_ascii=False).encode()
            except UnicodeEncodeError:
                return None
            return f"json({parameters.fixed(json.dumps(value))})"
        case ArrayLiteral(elements=elements):
            parts = [_json(element, operand_of, parameters) for element in elements]
            return None if None in parts else f"json_array({', '.join([part for part in parts if part is not None])})"
        case ObjectLiteral():
            return _json_object(node, operand_of, parameters)
        case _:
            return None


def _json_object(node: ObjectLiteral, operand_of: OperandOf, parameters: Parameters) -> str | None:
    names, parts = [], []
    for member in node.members:
        if not isinstance(member.key, Literal):
            return None
        name, value = display(member.key.value), _json(member.value, operand_of, parameters)
        if value is None or json_path((name,)) is None:
            return None
        names.append(name)
        parts.append(f"{parameters.fixed(name)}, {value}")
    return f"json_object({', '.join(parts)})" if len(set(names)) == len(names) else None
