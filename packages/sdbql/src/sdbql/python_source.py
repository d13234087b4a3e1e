"""Expressions to Python source, for loops that run long enough to be worth compiling.

The closures of `expressions` say what an expression means. This module writes the same thing
inline for the commonest types, and where a value has another type the text calls the very
function that the closure would have used. What has no writer here becomes a call of its
closure. So there is one definition of every operator, and the text only decides sooner.

Nothing a user wrote becomes part of the text: constants, attribute names and functions are
passed in under names of our own numbering, and variables are numbered too.

>>> writer = SourceWriter(Layout(compile_expression=None, compile_plan=None), {"u": "v1"})
>>> writer.value(Binary("==", Member(Variable("u"), "city"), Literal("Paris")))
'((v1.get(c1)) == c2)'
>>> writer.names["c1"], writer.names["c2"]
('city', 'Paris')
"""

from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

from sdbql.frame import Layout
from sdbql.functions import catalog
from sdbql.functions.builtin import Cost
from sdbql.operators import ARITHMETIC, ORDERINGS, general_operator
from sdbql.syntax_tree import (
    ArrayLiteral,
    Binary,
    Bind,
    Call,
    Conditional,
    Expression,
    Index,
    Lambda,
    Literal,
    Logical,
    Member,
    ObjectLiteral,
    Unary,
    Variable,
    walk,
)
from sdbql.values import INTEGER_MAX, INTEGER_MIN, Value, display, is_number

WORTHWHILE = 512
"""After how many elements, over all runs of a query, a loop over them is compiled."""
DEPTH_MAX = 12
"""Expressions nested deeper than this are called as closures, long before Python's own bound."""
NODES_MAX = 400
"""How many nodes are written out; what comes after is called as closures."""
INLINE_ARITHMETIC = ("+", "-", "*")
HOPE_LOST = (KeyError, TypeError)
BUILTINS = {kind.__name__: kind for kind in (type, bool, int, float, str, dict, list)}


class SourceWriter:
    """Writes the expressions of one function.

    `local` are the variables that the function keeps in Python variables of these names.
    After writing, `names` has what the text refers to, `hoisted` what is read from the frame
    once, `stored` the local variables that closures look for in the frame, and `objects` those
    whose values must all be objects for the text to be right.

    A hopeful text takes it that every attribute is there and every comparison with a number
    finds one. It raises one of `HOPE_LOST` where that is not so, and is right everywhere else.
    """

    def __init__(self, layout: Layout, local: Mapping[str, str], *, is_hopeful: bool = False) -> None:
        self.layout = layout
        self.is_hopeful = is_hopeful
        self.local = dict(local)
        self.names: dict[str, Any] = {}
        self.hoisted: dict[str, int] = {}
        self.stored: set[str] = set()
        self.objects: set[str] = set()
        self._assigned: set[str] = set()
        self._depth = 0
        self._nodes = 0
        self._numbered = 0

    def value(self, node: Expression) -> str:
        """Return the text of an expression's value, in brackets where that is needed."""
        return self._write(node, VALUE_WRITERS)

    def truth(self, node: Expression) -> str:
        """Return the text of something that is true in Python when the expression is in SDBQL."""
        if isinstance(node, Logical | Unary):
            return self._write(node, TRUTH_WRITERS)
        return self.value(node)

    def assign(self, variable: str, name: str) -> None:
        """Note that a variable is from now on in a Python variable, of any type."""
        self.local[variable] = name
        self._assigned.add(variable)

    def _write(self, node: Expression, writers: "Writers") -> str:
        writer = writers.get(type(node))
        self._nodes += 1
        if writer is None or self._depth >= DEPTH_MAX or self._nodes > NODES_MAX:
            return self.closure(node)
        self._depth += 1
        text = writer(self, node)
        self._depth -= 1
        return self.closure(node) if text is None else text

    def closure(self, node: Expression) -> str:
        """Return a call of the expression's closure."""
        for inner in walk(node):
            if isinstance(inner, Variable) and inner.name in self.local:
                self.stored.add(inner.name)
        return f"{self.named('e', self.layout.expression(node))}(f)"

    def named(self, letter: str, thing: Any) -> str:
        """Return a new name for something the text refers to."""
        name = self.temporary(letter)
        self.names[name] = thing
        return name

    def temporary(self, letter: str = "t") -> str:
        """Return a name that is not used yet."""
        self._numbered += 1
        return f"{letter}{self._numbered}"

    def slot(self, name: str) -> str:
        """Return a Python variable for what a slot holds during the whole function."""
        slot = self.layout.slot(name)
        self.hoisted[f"s{slot}"] = slot
        return f"s{slot}"

    def is_object(self, variable: str) -> bool:
        """Note that a variable's values must be objects; false if that cannot be asked of it."""
        if variable not in self.local or variable in self._assigned:
            return False
        self.objects.add(variable)
        return True


Writer = Callable[[SourceWriter, Any], str | None]
"""From a node to its text, or None if the node is one for its closure."""
Writers = Mapping[type[Expression], Writer]


# --- leaves and access


def _literal(writer: SourceWriter, node: Literal) -> str:
    return writer.named("c", node.value)


def _variable(writer: SourceWriter, node: Variable) -> str:
    return writer.local.get(node.name) or writer.slot(node.name)


def _bind(writer: SourceWriter, node: Bind) -> str:
    return writer.slot(f"@{node.name}")


def _member(writer: SourceWriter, node: Member) -> str:
    return _attribute(writer, node.base, node.name)


def _index(writer: SourceWriter, node: Index) -> str | None:
    is_name = isinstance(node.index, Literal) and isinstance(node.index.value, str)
    return _attribute(writer, node.base, node.index.value) if is_name and isinstance(node.index, Literal) else None


def _attribute(writer: SourceWriter, base: Expression, name: str) -> str:
    key = writer.named("c", name)
    if writer.is_hopeful:
        return f"({writer.value(base)}[{key}])"
    if isinstance(base, Variable) and writer.is_object(base.name):
        return f"({writer.local[base.name]}.get({key}))"
    member = writer.named("m", _member_of)
    if isinstance(base, Variable):
        held = writer.value(base)
        return f"({held}.get({key}) if type({held}) is dict else {member}({held}, {key}))"
    held = writer.temporary()
    return f"({held}.get({key}) if type({held} := {writer.value(base)}) is dict else {member}({held}, {key}))"


def _member_of(base: Value, name: str) -> Value:
    return base.get(name) if isinstance(base, dict) else None


# --- operators


def _binary(writer: SourceWriter, node: Binary) -> str | None:
    kind = node.operator
    if kind in ("==", "!="):
        return _equality(writer, node)
    if kind in ORDERINGS:
        return _ordering(writer, node)
    if kind in INLINE_ARITHMETIC:
        return _whole_numbers(writer, node)
    if kind in ARITHMETIC:
        general = writer.named("o", general_operator(node))
        return f"{general}(f, {writer.value(node.left)}, {writer.value(node.right)})"
    if kind in ("IN", "NOT IN"):
        return _is_one_of(writer, node)
    if kind == "||":
        return f"({writer.value(node.left)} or {writer.value(node.right)})"
    if kind == "??":
        held = writer.temporary()
        return f"({held} if ({held} := {writer.value(node.left)}) is not None else {writer.value(node.right)})"
    return None


def _equality(writer: SourceWriter, node: Binary) -> str:
    negated = node.operator == "!="
    left, right = node.left, node.right
    if isinstance(left, Literal):
        left, right = right, left
    if isinstance(right, Literal) and (text := _equals_constant(writer, left, right.value, negated)):
        return text
    one, other, kind = writer.temporary(), writer.temporary(), writer.temporary()
    general = writer.named("o", general_operator(node))
    return (
        f"({one} {node.operator} {other} if ({kind} := type({one} := {writer.value(node.left)}))"
        f" is type({other} := {writer.value(node.right)}) and ({kind} is str or {kind} is int or {kind} is float)"
        f" else {general}(f, {one}, {other}))"
    )


def _equals_constant(writer: SourceWriter, left: Expression, constant: Value, negated: bool) -> str | None:
    """Compare with null, a bool or a string, or with a number that no bool equals."""
    if constant is None or isinstance(constant, bool):
        return f"({writer.value(left)} {'is not' if negated else 'is'} {constant!r})"
    if isinstance(constant, str) or (is_number(constant) and constant not in (0, 1)):
        return f"({writer.value(left)} {'!=' if negated else '=='} {writer.named('c', constant)})"
    return None


def _ordering(writer: SourceWriter, node: Binary) -> str:
    """Compare numbers with numbers and text with text.

    A number above 1 is also above both bools in Python, as it is in SDBQL.
    """
    one, other, kind = writer.temporary(), writer.temporary(), writer.temporary()
    general = writer.named("o", general_operator(node))
    left, constant = writer.value(node.left), _constant(node.right)
    if writer.is_hopeful and is_number(constant) and constant > 1:
        return f"({left} {node.operator} {writer.named('c', constant)})"
    if is_number(constant):
        other = writer.named("c", constant)
        test = f"({kind} := type({one} := {left})) is int or {kind} is float"
    elif isinstance(constant, str):
        other = writer.named("c", constant)
        test = f"type({one} := {left}) is str"
    else:
        right = writer.value(node.right)
        test = (
            f"({kind} := type({one} := {left})) is type({other} := {right})"
            f" and ({kind} is int or {kind} is float or {kind} is str)"
        )
    return f"({one} {node.operator} {other} if {test} else {general}(f, {one}, {other}))"


def _constant(node: Expression) -> Any:
    return node.value if isinstance(node, Literal) else None


def _whole_numbers(writer: SourceWriter, node: Binary) -> str:
    """Compute with integers whose result is one of 64 bits; all else is for the general function."""
    one, other, result = writer.temporary(), writer.temporary(), writer.temporary()
    general = writer.named("o", general_operator(node))
    return (
        f"({result} if type({one} := {writer.value(node.left)}) is type({other} := {writer.value(node.right)}) is int"
        f" and {INTEGER_MIN} <= ({result} := {one} {node.operator} {other}) <= {INTEGER_MAX}"
        f" else {general}(f, {one}, {other}))"
    )


def _is_one_of(writer: SourceWriter, node: Binary) -> str | None:
    """Look a string up among constant strings."""
    if not isinstance(node.right, ArrayLiteral):
        return None
    constants = [element.value for element in node.right.elements if isinstance(element, Literal)]
    if len(constants) < len(node.right.elements) or not all(isinstance(constant, str) for constant in constants):
        return None
    held, known = writer.temporary(), writer.named("c", frozenset(constants))
    text = f"type({held} := {writer.value(node.left)}) is str and {held} in {known}"
    return f"(not ({text}))" if node.operator == "NOT IN" else f"({text})"


def _logical_truth(writer: SourceWriter, node: Logical) -> str:
    return f"({f' {node.operator.lower()} '.join([writer.truth(operand) for operand in node.operands])})"


def _logical(writer: SourceWriter, node: Logical) -> str:
    return f"bool{_logical_truth(writer, node)}"


def _not(writer: SourceWriter, node: Unary) -> str | None:
    return f"(not {writer.truth(node.operand)})" if node.operator == "NOT" else None


# --- choice, building, calls


def _conditional(writer: SourceWriter, node: Conditional) -> str:
    test = writer.truth(node.test)
    return f"({writer.value(node.then)} if {test} else {writer.value(node.otherwise)})"


def _array(writer: SourceWriter, node: ArrayLiteral) -> str:
    return f"[{', '.join([writer.value(element) for element in node.elements])}]"


def _object(writer: SourceWriter, node: ObjectLiteral) -> str | None:
    members: list[str] = []
    for member in node.members:
        if not isinstance(member.key, Literal):
            return None
        members.append(f"{writer.named('c', display(member.key.value))}: {writer.value(member.value)}")
    return f"{{{', '.join(members)}}}"


def _call(writer: SourceWriter, node: Call) -> str | None:
    """Call a builtin that neither fails nor takes longer for longer arguments."""
    builtin = catalog.find(node.name)
    if builtin is None or not builtin.total or builtin.cost is not Cost.NONE or builtin.wants_context:
        return None
    if any(isinstance(argument, Lambda) for argument in node.arguments):
        return None
    arguments = ", ".join([writer.value(argument) for argument in node.arguments])
    return f"{writer.named('b', builtin.call)}({arguments})"


VALUE_WRITERS: Writers = {
    Literal: _literal,
    Variable: _variable,
    Bind: _bind,
    Member: _member,
    Index: _index,
    Binary: _binary,
    Logical: _logical,
    Unary: _not,
    Conditional: _conditional,
    ArrayLiteral: _array,
    ObjectLiteral: _object,
    Call: _call,
}
TRUTH_WRITERS: Writers = {Logical: _logical_truth, Unary: _not}


def define(parameters: str, lines: list[str], names: Mapping[str, Any]) -> Callable[..., Any]:
    """Return the function with these lines; `names` become its last parameters, so that they are quick to read."""
    heading = f"def generated({', '.join([parameters, *[f'{name}={name}' for name in names]])}):"
    source = "\n".join([heading, *[f"    {line}" for line in lines], ""])
    code: CodeType = compile(source, "<generated from a query>", "exec")
    namespace: dict[str, Any] = {"__builtins__": BUILTINS, **names}
    exec(code, namespace)  # noqa: S102 - the text is made of our own words and numbers only
    function: Callable[..., Any] = namespace["generated"]
    return function
