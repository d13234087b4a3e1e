"""Tokens to a query: one method per clause.

Constructs that need a server are read in full and become `RefusedClause`, so that the error
says which construct it is and not that its syntax is unknown.
"""

from collections.abc import Callable

from sdbql.errors import ParseError, ParseLimitError
from sdbql.expression_parser import RANGE_POWER, ExpressionParser
from sdbql.lexer import tokenize
from sdbql.limits import CLAUSES_MAX
from sdbql.source_text import Span
from sdbql.syntax_tree import (
    Aggregate,
    Clause,
    Collect,
    Expansion,
    Expression,
    Filter,
    For,
    GroupKey,
    Join,
    Let,
    Limit,
    Literal,
    Member,
    QueryBody,
    RefusedClause,
    Return,
    Sort,
    SortKey,
    Subquery,
)
from sdbql.tokens import TokenKind

MISSING_RETURN = "Invalid query: missing RETURN clause or mutation (INSERT/UPDATE/REMOVE)"
USE_DOCUMENT_CALLS = "use save_document()/delete_document()"
WORK_ONLINE = "run this query on the server while online"
DIRECTIONS = ("OUTBOUND", "INBOUND", "ANY")
SUBQUERY_LEVELS = 3
"""How many levels of nesting a subquery counts for: it is read by as many methods."""


def parse_query(text: str) -> QueryBody:
    """Return the tree of a whole query. Raises ParseError."""
    return Parser(tokenize(text)).whole_query()


def parse_condition(text: str) -> Expression:
    """Return the tree of a bare expression, such as `status == 'active'`. Raises ParseError."""
    parser = Parser(tokenize(text))
    condition = parser.expression("a condition")
    if parser.current.kind is not TokenKind.END:
        raise ParseError(f"Unexpected token after the condition: {parser.current.describe()}", parser.current.span)
    return condition


class Parser(ExpressionParser):
    """Reads clauses."""

    def whole_query(self) -> QueryBody:
        """Read a query that must end where the text ends."""
        body = self._body()
        if self.current.kind is not TokenKind.END:
            raise self._unexpected()
        refused = any(isinstance(clause, RefusedClause) for clause in body.clauses)
        if body.returned is None and not refused:
            raise ParseError(MISSING_RETURN, self.current.span, "end the query with: RETURN expression")
        return body

    def _unexpected(self) -> ParseError:
        token = self.current
        advice = "equality is written ==" if token.text == "=" else ""
        if self.position == 0:
            advice = "a query begins with FOR, LET or RETURN"
        return ParseError(f"Unexpected token after query: {token.describe()}", token.span, advice)

    def subquery(self) -> Subquery:
        """Read a query inside an expression, up to and with its RETURN."""
        start = self.current.span
        self.deepen(SUBQUERY_LEVELS)
        body = self._body()
        self.depth -= SUBQUERY_LEVELS
        refused = any(isinstance(clause, RefusedClause) for clause in body.clauses)
        if body.returned is None and not refused:
            self.fail("RETURN at the end of the subquery")
        return Subquery(body, span=start.to(self.last_span))

    def _body(self) -> QueryBody:
        start = self.current.span
        clauses: list[Clause] = []
        while read := self._clause_reader():
            clauses += read(self)
            if len(clauses) > CLAUSES_MAX:
                raise ParseLimitError.reached("clauses_max", CLAUSES_MAX, "the number of clauses", self.last_span)
        returned = self._return() if self.at_word("RETURN") else None
        return QueryBody(tuple(clauses), returned, span=start.to(self.last_span))

    def _clause_reader(self) -> "Callable[[Parser], list[Clause]] | None":
        return CLAUSES.get(self.current.word)

    def _return(self) -> Return:
        start = self.take().span
        distinct = self.at_word("DISTINCT") and self._distinct_is_keyword()
        if distinct:
            self.take()
        value = self.expression("an expression after RETURN")
        return Return(value, distinct, span=start.to(value.span))

    def _distinct_is_keyword(self) -> bool:
        """Tell DISTINCT from a variable of that name, which ends the query or is operated on."""
        following = self.following
        if following.kind is TokenKind.SYMBOL:
            return following.text in ("(", "[", "{", "!", "-", "~")
        return following.kind is not TokenKind.END

    # --- clauses that run

    def _for(self) -> list[Clause]:
        start = self.take().span
        variables = [self.expect_variable("after FOR")]
        if self.take_symbol(","):
            variables.append(self.expect_variable("after ','"))
        self.expect_word("IN", "after the variable of FOR")
        if self.at_word("SHORTEST_PATH"):
            return [self._shortest_path(start, tuple(variables))]
        if self._at_traversal():
            return [self._traversal(start, tuple(variables))]
        source = self.expression("a collection or an array after IN")
        if self.at_word(*DIRECTIONS):
            return [self._traversal(start, tuple(variables))]
        if len(variables) > 1:
            raise ParseError("FOR takes one variable", start.to(source.span), "two are for graph traversals")
        return [For(variables[0], source, span=start.to(source.span))]

    def _let(self) -> list[Clause]:
        clauses: list[Clause] = []
        start = self.take().span
        while True:
            variable = self.expect_variable("after LET")
            self.expect_symbol("=", f"after LET {variable}")
            value = self.expression(f"an expression after LET {variable} =")
            clauses.append(Let(variable, value, span=start.to(value.span)))
            if not self.take_symbol(","):
                return clauses
            start = self.current.span

    def _filter(self) -> list[Clause]:
        start = self.take().span
        try:
            condition = self.expression("a condition after FILTER")
        except ParseError as error:
            if not error.advice and error.detail.startswith("expected a condition"):
                error.advice = "write a condition, such as: FILTER u.age >= 18"
            raise
        return [Filter(condition, span=start.to(condition.span))]

    def _sort(self) -> list[Clause]:
        start = self.take()
        if start.word == "ORDER" and self.at_by():
            self.take()
        keys = [self._sort_key()]
        while self.take_symbol(","):
            keys.append(self._sort_key())
        return [Sort(tuple(keys), span=start.span.to(self.last_span))]

    def _sort_key(self) -> SortKey:
        value = self.expression("an expression to sort by")
        descending = self.take_word("DESC")
        if not descending:
            self.take_word("ASC")
        return SortKey(value, descending, span=value.span.to(self.last_span))

    def _limit(self) -> list[Clause]:
        start = self.take().span
        offset: Expression = Literal(0)
        count = self.expression("a number after LIMIT")
        if self.take_symbol(","):
            offset, count = count, self.expression("a number after LIMIT …,")
        return [Limit(offset, count, span=start.to(count.span))]

    def _collect(self) -> list[Clause]:
        start = self.take()
        grouped = start.word == "GROUP"
        if grouped:
            if not self.at_by():
                self.fail("BY after GROUP")
            self.take()
        keys = []
        if not self.at_word("INTO", "WITH", "AGGREGATE") and (grouped or self.following.text == "="):
            keys.append(self._group_key(grouped=grouped))
            while self.take_symbol(","):
                keys.append(self._group_key(grouped=grouped))
        into, count_into, aggregates = self._collect_tails()
        span = start.span.to(self.last_span)
        return [Collect(tuple(keys), into, count_into, aggregates, span=span)]

    def _group_key(self, *, grouped: bool) -> GroupKey:
        start = self.current.span
        if not grouped or (self.at_variable() and self.following.text == "="):
            variable = self.expect_variable("to group by")
            self.expect_symbol("=", f"after {variable}")
            value = self.expression(f"an expression after {variable} =")
            return GroupKey(variable, value, span=start.to(value.span))
        value = self.expression("an expression to group by")
        if self.take_word("AS"):
            variable = self.expect_variable("after AS")
        elif isinstance(value, Member):
            variable = value.name
        elif isinstance(value, Expansion) and value.path:
            variable = value.path[-1]
        else:
            self.fail("AS and a name after the expression", "such as: GROUP BY LENGTH(u.name) AS length")
        return GroupKey(variable, value, span=start.to(self.last_span))

    def _collect_tails(self) -> tuple[str | None, str | None, tuple[Aggregate, ...]]:
        into: str | None = None
        count_into: str | None = None
        aggregates: tuple[Aggregate, ...] = ()
        while True:
            if into is None and self.take_word("INTO"):
                into = self.expect_variable("after INTO")
            elif count_into is None and self.take_word("WITH"):
                self.expect_word("COUNT", "after WITH")
                self.expect_word("INTO", "after WITH COUNT")
                count_into = self.expect_variable("after INTO")
            elif not aggregates and self.take_word("AGGREGATE"):
                aggregates = self._aggregates()
            elif self.at_word("INTO", "WITH", "AGGREGATE"):
                raise ParseError(f"{self.current.word} stands twice in one COLLECT", self.current.span)
            else:
                return into, count_into, aggregates

    def _aggregates(self) -> tuple[Aggregate, ...]:
        aggregates = []
        while True:
            start = self.current.span
            variable = self.expect_variable("after AGGREGATE")
            self.expect_symbol("=", f"after {variable}")
            function = self.current
            if function.kind not in (TokenKind.NAME, TokenKind.KEYWORD):
                self.fail("an aggregate function", "such as: AGGREGATE total = SUM(o.amount)")
            self.take()
            self.expect_symbol("(", f"after {function.text}")
            value = None if self.at_symbol(")") else self.expression("an expression or ')'")
            self.expect_symbol(")", "after the argument")
            span = start.to(self.last_span)
            aggregates.append(Aggregate(variable, function.text.upper(), value, span=span))
            if not self.take_symbol(","):
                return tuple(aggregates)

    def _join(self) -> list[Clause]:
        first = self.take()
        kind = "INNER" if first.word == "JOIN" else first.word
        if kind != "INNER":
            if kind == "FULL":
                self.take_word("OUTER")
            self.expect_word("JOIN", f"after {first.word}")
        collection = self.expect_variable("of a collection after JOIN")
        self.expect_word("ON", f"after JOIN {collection}")
        condition = self.expression("a condition after ON")
        return [Join(kind, collection, condition, span=first.span.to(condition.span))]

    # --- clauses that need a server

    def _at_traversal(self) -> bool:
        if self.at_word("OUTBOUND", "INBOUND"):
            return True
        return self.at_word("ANY") and self.following.text != "(" and not self.at_quantifier()

    def _traversal(self, start: Span, variables: tuple[str, ...]) -> Clause:
        self.take()
        self.operators(RANGE_POWER, "a start vertex")
        if self.take_word("GRAPH"):
            self.operators(RANGE_POWER, "the name of a graph")
        else:
            self._graph_collections()
        return RefusedClause(
            "Graph traversal not supported in local queries",
            WORK_ONLINE,
            variables,
            span=start.to(self.last_span),
        )

    def _graph_collections(self) -> None:
        while True:
            self.take_word(*DIRECTIONS)
            if self.current.kind is TokenKind.COLLECTION_BIND:
                self.take()
            else:
                self.expect_variable("of the edge collection")
            if not self.take_symbol(","):
                return

    def _shortest_path(self, start: Span, variables: tuple[str, ...]) -> Clause:
        self.take()
        self.expression("a start vertex")
        self.expect_word("TO", "after the start vertex")
        self.operators(RANGE_POWER, "an end vertex")
        if not self.take_word(*DIRECTIONS):
            self.fail("OUTBOUND, INBOUND or ANY")
        self._graph_collections()
        return RefusedClause(
            "Shortest path not supported in local queries",
            WORK_ONLINE,
            variables,
            span=start.to(self.last_span),
        )

    def _mutation(self) -> list[Clause]:
        verb = self.take()
        self._operand(f"an expression after {verb.word}")
        if verb.word == "INSERT":
            self.expect_word("INTO", "after INSERT and its document")
        elif verb.word == "UPSERT":
            self.expect_word("INSERT", "after UPSERT and its example")
            self._operand("a document after INSERT")
            if not self.take_word("UPDATE", "REPLACE"):
                self.fail("UPDATE or REPLACE")
            self._operand("a document")
            self.expect_word("IN", "before the collection")
        else:
            if verb.word in ("UPDATE", "REPLACE") and self.take_word("WITH"):
                self._operand("a document after WITH")
            self.expect_word("IN", "before the collection")
        if self.current.kind is TokenKind.COLLECTION_BIND:
            self.take()
        else:
            self.expect_variable("of a collection")
        span = verb.span.to(self.last_span)
        reason = f"{verb.word} not supported in local queries - {USE_DOCUMENT_CALLS}"
        return [RefusedClause(reason, declares=("NEW", "OLD"), span=span)]

    def _operand(self, expected: str) -> None:
        """Read an expression that leaves IN to the clause around it."""
        self.operators(RANGE_POWER, expected)

    def _create(self) -> list[Clause]:
        start = self.take().span
        if self.take_word("MATERIALIZED"):
            self.expect_word("VIEW", "after MATERIALIZED")
            construct = "CREATE MATERIALIZED VIEW"
        else:
            self.expect_word("STREAM", "or MATERIALIZED VIEW after CREATE")
            construct = "CREATE STREAM"
        self.expect_variable(f"after {construct}")
        self.expect_word("AS", "before the query")
        self._body()
        span = start.to(self.last_span)
        return [RefusedClause(f"{construct} not supported in local queries", WORK_ONLINE, span=span)]

    def _refresh(self) -> list[Clause]:
        start = self.take().span
        self.expect_word("MATERIALIZED", "after REFRESH")
        self.expect_word("VIEW", "after MATERIALIZED")
        self.expect_variable("of a view")
        reason = "REFRESH MATERIALIZED VIEW not supported in local queries"
        return [RefusedClause(reason, WORK_ONLINE, span=start.to(self.last_span))]

    def _window(self) -> list[Clause]:
        start = self.take().span
        if not self.take_word("TUMBLING", "SLIDING"):
            self.fail("TUMBLING or SLIDING after WINDOW")
        self.expect_symbol("(", "after the kind of window")
        self.expect_word("SIZE", "of the window")
        self.expression("a size")
        self.expect_symbol(")", "after the size")
        span = start.to(self.last_span)
        return [RefusedClause("WINDOW not supported in local queries", WORK_ONLINE, span=span)]

    def _search(self) -> list[Clause]:
        start = self.take().span
        condition = self.expression("a condition after SEARCH")
        span = start.to(condition.span)
        return [RefusedClause("SEARCH not supported in local queries", WORK_ONLINE, span=span)]


CLAUSES: dict[str, Callable[[Parser], list[Clause]]] = {
    "FOR": Parser._for,
    "LET": Parser._let,
    "FILTER": Parser._filter,
    "SORT": Parser._sort,
    "ORDER": Parser._sort,
    "LIMIT": Parser._limit,
    "COLLECT": Parser._collect,
    "GROUP": Parser._collect,
    "JOIN": Parser._join,
    "LEFT": Parser._join,
    "RIGHT": Parser._join,
    "FULL": Parser._join,
    **dict.fromkeys(["INSERT", "UPDATE", "UPSERT", "REMOVE", "DELETE", "REPLACE"], Parser._mutation),
    "CREATE": Parser._create,
    "REFRESH": Parser._refresh,
    "WINDOW": Parser._window,
    "SEARCH": Parser._search,
}
"""What reads a clause, by its first word."""
