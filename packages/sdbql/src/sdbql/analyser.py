"""Meaning before rows: binds names, checks calls, refuses what needs a server.

The result is the same tree with every variable renamed so that no name is bound twice
(`u`, then `u#2` for an inner one), which frees all later stages from scopes. A name that no
variable has becomes a `CollectionRead`; whether there is such a collection is known only
when the query runs. All errors of a query are found in one pass.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from difflib import get_close_matches

from sdbql.errors import ALSO_SHOWN_MAX, ExecutionError, QueryError, UnsupportedOfflineError, together
from sdbql.functions import catalog
from sdbql.functions.aggregates import AGGREGATES
from sdbql.source_text import Span
from sdbql.syntax_tree import (
    Aggregate,
    Bind,
    BoundCollect,
    BoundJoin,
    Call,
    Clause,
    Collect,
    CollectionBind,
    CollectionRead,
    Expression,
    Filter,
    For,
    Join,
    Lambda,
    Let,
    Limit,
    Literal,
    Member,
    Node,
    ObjectLiteral,
    ObjectMember,
    Quantifier,
    QueryBody,
    Refused,
    RefusedClause,
    Return,
    Sort,
    Subquery,
    Variable,
    rebuild,
)

Scope = dict[str, str]
"""The visible variables: name as written to name in the analysed tree."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """An analysed query and what it reads from outside."""

    body: QueryBody
    variables: frozenset[str]
    collections: tuple[CollectionRead, ...]
    binds: tuple[Bind, ...]
    collection_binds: tuple[CollectionBind, ...]


def analyse(body: QueryBody) -> Analysis:
    """Check a query and bind its names. Raises the first error found, with the others noted."""
    analyser = _Analyser()
    analysed = analyser.body(body, {})
    return analyser.finish(analysed)


def analyse_condition(condition: Expression, document: str, names: Iterable[str] = ()) -> Analysis:
    """Check a bare condition, whose unknown names are attributes of the variable `document`; `names` also mean it."""
    analyser = _Analyser(attributes_of=document)
    analysed = analyser.expression(condition, dict.fromkeys(names, document))
    return analyser.finish(QueryBody((), Return(analysed, distinct=False)))


class _Analyser:
    def __init__(self, attributes_of: str | None = None) -> None:
        self._attributes_of = attributes_of
        self._names: set[str] = set() if attributes_of is None else {attributes_of}
        self._errors: list[QueryError] = []
        self._collections: list[CollectionRead] = []
        self._binds: dict[str, Bind] = {}
        self._collection_binds: dict[str, CollectionBind] = {}

    def finish(self, body: QueryBody) -> Analysis:
        """Return the result, or raise what was found; what needs a server comes first."""
        if self._errors:
            order = sorted(self._errors, key=lambda error: not isinstance(error, UnsupportedOfflineError))
            raise together(order)
        return Analysis(
            body,
            frozenset([name for name in self._names if "#" not in name]),
            tuple(self._collections),
            tuple(self._binds.values()),
            tuple(self._collection_binds.values()),
        )

    # --- clauses

    def body(self, body: QueryBody, enclosing: Scope) -> QueryBody:
        """Analyse one query or subquery inside the scope around it."""
        level = _Level(dict(enclosing), enclosing)
        clauses: list[Clause] = []
        for clause in body.clauses:
            clauses += self._clause(clause, level)
        returned = body.returned
        if returned is not None:
            returned = replace(returned, value=self.expression(returned.value, level.scope))
        return replace(body, clauses=tuple(clauses), returned=returned)

    def _clause(self, clause: Clause, level: "_Level") -> list[Clause]:
        match clause:
            case For():
                source = self._for_source(clause.source, level.scope)
                level.starts_iterating()
                return [replace(clause, source=source, variable=self._declare(clause.variable, level))]
            case Let():
                value = self.expression(clause.value, level.scope)
                return [replace(clause, value=value, variable=self._declare(clause.variable, level))]
            case Filter() | Sort():
                return [rebuild(clause, lambda part: self._part(part, level.scope))]
            case Limit():
                return [rebuild(clause, lambda part: self.expression(part, level.outside()))]
            case Collect():
                return [self._collect(clause, level)]
            case Join():
                return [self._join(clause, level)]
            case RefusedClause():
                self._errors.append(UnsupportedOfflineError(clause.reason, clause.span, clause.advice))
                for name in clause.declares:
                    self._declare(name, level)
                return []
            case _:
                raise AssertionError(clause)

    def _part(self, part: Node, scope: Scope) -> Node:
        """Analyse an expression, or the expressions below a node that is not one itself."""
        if isinstance(part, Expression):
            return self.expression(part, scope)
        changed: Node = rebuild(part, lambda inner: self._part(inner, scope))
        return changed

    def _for_source(self, source: Expression, scope: Scope) -> Expression:
        if isinstance(source, Variable) and source.name not in scope:
            return self._collection(source.name, source.span, as_source=True)
        return self.expression(source, scope)

    def _collect(self, clause: Collect, level: "_Level") -> Clause:
        keys = [replace(key, value=self.expression(key.value, level.scope)) for key in clause.keys]
        aggregates = [self._aggregate(aggregate, level.scope) for aggregate in clause.aggregates]
        if clause.into is not None:
            members = level.hidden_members()
            rows = ObjectLiteral(members, span=clause.span)
            aggregates.append(Aggregate(clause.into, "COLLECT_LIST", rows, span=clause.span))
        if clause.count_into is not None:
            aggregates.append(Aggregate(clause.count_into, "COUNT", None, span=clause.span))
        constants = level.start_over()
        return BoundCollect(
            tuple([replace(key, variable=self._declare(key.variable, level)) for key in keys]),
            tuple([replace(one, variable=self._declare(one.variable, level)) for one in aggregates]),
            constants,
            span=clause.span,
        )

    def _aggregate(self, aggregate: Aggregate, scope: Scope) -> Aggregate:
        name = aggregate.function
        if name not in AGGREGATES:
            advice = _suggestion(name, AGGREGATES) if len(self._errors) <= ALSO_SHOWN_MAX else ""
            self._errors.append(ExecutionError(f"Unknown aggregate function: {name}", aggregate.span, advice))
        if aggregate.value is None:
            if name not in ("COUNT", "LENGTH"):
                self._errors.append(ExecutionError(f"{name} requires 1 argument(s)", aggregate.span))
            return aggregate
        return replace(aggregate, value=self.expression(aggregate.value, scope))

    def _join(self, clause: Join, level: "_Level") -> Clause:
        source = self._collection(clause.collection, clause.span, as_source=True)
        variable, candidate = self._fresh(clause.collection), self._fresh(clause.collection)
        condition = self.expression(clause.condition, {**level.scope, clause.collection: candidate})
        level.starts_iterating()
        level.declare(clause.collection, variable)
        return BoundJoin(clause.kind, source, candidate, variable, condition, level.constants(), span=clause.span)

    # --- names

    def _declare(self, name: str, level: "_Level") -> str:
        unique = self._fresh(name)
        level.declare(name, unique)
        return unique

    def _fresh(self, name: str) -> str:
        unique, count = name, 1
        while unique in self._names:
            count += 1
            unique = f"{name}#{count}"
        self._names.add(unique)
        return unique

    def _collection(self, name: str, span: Span, *, as_source: bool) -> CollectionRead:
        read = CollectionRead(name, as_source, span=span)
        self._collections.append(read)
        return read

    # --- expressions

    def expression(self, node: Expression, scope: Scope) -> Expression:
        """Analyse an expression in a scope."""
        match node:
            case Variable():
                return self._variable(node, scope)
            case Call():
                return self._call(node, scope)
            case Subquery():
                return replace(node, body=self.body(node.body, scope))
            case Quantifier():
                source = self.expression(node.source, scope)
                unique = self._fresh(node.variable)
                condition = self.expression(node.condition, {**scope, node.variable: unique})
                return replace(node, source=source, variable=unique, condition=condition)
            case Lambda():
                self._errors.append(
                    ExecutionError("a lambda is only allowed as an argument of a function such as FILTER or MAP", node.span)
                )
                return self._lambda(node, scope)
            case Refused():
                self._errors.append(UnsupportedOfflineError(node.reason, node.span, node.advice))
                return node
            case Bind():
                self._binds.setdefault(node.name, node)
                return node
            case CollectionBind():
                self._collection_binds.setdefault(node.name, node)
                return node
            case Literal():
                return node
            case _:
                changed: Expression = rebuild(node, lambda part: self._part(part, scope))
                return changed

    def _variable(self, node: Variable, scope: Scope) -> Expression:
        unique = scope.get(node.name)
        if unique is not None:
            return node if unique == node.name else replace(node, name=unique)
        if self._attributes_of is not None:
            return Member(Variable(self._attributes_of, span=node.span), node.name, span=node.span)
        return self._collection(node.name, node.span, as_source=False)

    def _lambda(self, node: Lambda, scope: Scope) -> Lambda:
        inner = dict(scope)
        for parameter in node.parameters:
            inner[parameter] = self._fresh(parameter)
        parameters = tuple([inner[parameter] for parameter in node.parameters])
        return replace(node, parameters=parameters, body=self.expression(node.body, inner))

    def _call(self, node: Call, scope: Scope) -> Expression:
        builtin = catalog.find(node.name)
        if builtin is None:
            self._errors.append(_unknown_function(node, suggests=len(self._errors) <= ALSO_SHOWN_MAX))
        elif not builtin.least <= len(node.arguments) <= builtin.most:
            advice = f"it is written {builtin.written()}"
            self._errors.append(ExecutionError(f"{node.name} requires {builtin.arity()}", node.span, advice))
        takes_lambda = builtin is None or builtin.takes_lambda
        arguments = [
            self._lambda(argument, scope)
            if isinstance(argument, Lambda) and takes_lambda
            else self.expression(argument, scope)
            for argument in node.arguments
        ]
        return replace(node, arguments=tuple(arguments))


class _Level:
    """The variables of one query while its clauses are read in order."""

    def __init__(self, scope: Scope, enclosing: Scope) -> None:
        self.scope = scope
        self._enclosing = enclosing
        self._declared: Scope = {}
        self._constant = True
        self._constants: Scope = {}

    def declare(self, name: str, unique: str) -> None:
        self.scope[name] = unique
        self._declared[name] = unique
        if self._constant:
            self._constants[name] = unique

    def starts_iterating(self) -> None:
        """Note that there may be many rows from here on."""
        self._constant = False

    def outside(self) -> Scope:
        """Return what does not differ between rows: the scope around, and the first LETs."""
        return {**self._enclosing, **self._constants}

    def hidden_members(self) -> tuple[ObjectMember, ...]:
        """Return the variables that a COLLECT hides, as members of an object."""
        hidden = {name: unique for name, unique in self._declared.items() if name not in self._constants}
        return tuple([ObjectMember(Literal(name), Variable(hidden[name])) for name in hidden])

    def start_over(self) -> tuple[str, ...]:
        """Hide what a COLLECT hides; returns the variables that stay."""
        self._constant = False
        self._declared = {}
        self.scope = self.outside()
        return self.constants()

    def constants(self) -> tuple[str, ...]:
        """Return the variables from before the first FOR."""
        return tuple(self._constants.values())


def _unknown_function(node: Call, *, suggests: bool) -> QueryError:
    instead = catalog.instead_of_server_only(node.name)
    if instead is not None:
        reason = f"{node.name}() is server-only and not available in local queries"
        return UnsupportedOfflineError(reason, node.span, instead)
    advice = _suggestion(node.name, catalog.BUILTINS) if suggests else ""
    return ExecutionError(f"Unknown function: {node.name}", node.span, advice)


def _suggestion(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else ""
