"""Expressions: precedence climbing from one table.

`BINDING_POWER` holds every infix operator; a larger number binds tighter. All group to the
left but the ternary. Two operators also put a ceiling on what may follow them: a pipeline
(`xs |> SUM() > 2` is an error, because its right side is a call and not an operand) and a
range (`1..2..3`).

Turned down: one method per level. It is fifteen methods that differ in one line, and every
parenthesis costs fifteen stack frames; here it costs three.
"""

from dataclasses import replace

from sdbql.errors import ParseError
from sdbql.source_text import Span
from sdbql.syntax_tree import (
    ArrayLiteral,
    Binary,
    Bind,
    Call,
    Case,
    CaseBranch,
    CollectionBind,
    Conditional,
    Expansion,
    Expression,
    Index,
    Lambda,
    Literal,
    Logical,
    Member,
    ObjectLiteral,
    ObjectMember,
    Quantifier,
    Refused,
    Subquery,
    Template,
    Unary,
    Variable,
)
from sdbql.token_cursor import TokenCursor
from sdbql.tokens import CALLABLE_KEYWORDS, SOFT_KEYWORDS, TokenKind

COMPARISON_POWER = 10
RANGE_POWER = 11
UNARY_POWER = 15
PIPELINE_POWER = 4

BINDING_POWER = {
    "?": 1,
    "??": 2,
    "||": 3,
    "|>": PIPELINE_POWER,
    "OR": 5,
    "AND": 6,
    "&&": 6,
    "|": 7,
    "^": 8,
    "&": 9,
    **dict.fromkeys(["==", "!=", "<", "<=", ">", ">=", "=~", "!~", "~="], COMPARISON_POWER),
    **dict.fromkeys(["IN", "LIKE", "NOT IN", "NOT LIKE", "NOT =~"], COMPARISON_POWER),
    "..": RANGE_POWER,
    "<<": 12,
    ">>": 12,
    "+": 13,
    "-": 13,
    "*": 14,
    "/": 14,
    "%": 14,
}

CEILING_AFTER = {"|>": PIPELINE_POWER, "..": RANGE_POWER - 1}
"""The tightest operator that may follow these; without an entry, any may."""

SPELT_OTHERWISE = {"&&": "AND", "NOT =~": "!~"}
"""Operators with two spellings, and the one that the tree keeps."""

QUANTIFIERS = ("ANY", "ALL", "NONE")
OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
LOOKAHEAD_MAX = 10_000
ENDS_OF_QUANTIFIED = frozenset(["FILTER", "SORT", "LIMIT", "RETURN", "COLLECT", *QUANTIFIERS])

QUERY_STARTERS = ("FOR", "LET", "RETURN", "LIMIT", "COLLECT", "INSERT", "UPDATE", "UPSERT", "REMOVE")
CLAUSES_NOT_CALLS = ("FILTER", "SORT", "REPLACE")
"""Words that begin a query in brackets, unless `(` follows: then they are calls."""


class ExpressionParser(TokenCursor):
    """Reads expressions; `parser.Parser` adds the clauses, and with them subqueries."""

    def subquery(self) -> Subquery:
        """Read a query inside an expression."""
        raise NotImplementedError

    def expression(self, expected: str = "an expression") -> Expression:
        """Read a whole expression; `expected` names it in the error when there is none."""
        return self.operators(0, expected)

    def operators(self, least: int, expected: str = "an expression") -> Expression:
        """Read operands joined by operators that bind at least as tight as `least`."""
        self.deepen(1)
        depth = self.depth
        left = self._prefixed(expected)
        ceiling = UNARY_POWER
        while True:
            operator, width = self._infix()
            power = BINDING_POWER.get(operator, 0)
            if not max(least, 1) <= power <= ceiling:
                break
            self.position += width
            left = self._joined(SPELT_OTHERWISE.get(operator, operator), power, left)
            ceiling = CEILING_AFTER.get(operator, UNARY_POWER)
            if not isinstance(left, Logical):
                self.deepen(1)
        self.depth = depth - 1
        return left

    def _infix(self) -> tuple[str, int]:
        """Return the operator that stands next, and of how many tokens it is made."""
        token = self.current
        if token.kind is TokenKind.SYMBOL:
            return token.text, 1
        if token.word == "NOT":
            following = self.following
            return f"NOT {following.word or following.text}", 2
        return token.word, 1

    def _joined(self, operator: str, power: int, left: Expression) -> Expression:
        """Read what follows an infix operator, and return the two sides as one."""
        if operator == "?":
            return self._conditional(left)
        if operator == "|>":
            return self._piped(left)
        right = self.operators(power + 1, f"an expression after {operator}")
        span = left.span.to(right.span)
        if operator in ("AND", "OR"):
            if isinstance(left, Logical) and left.operator == operator:
                return Logical(operator, (*left.operands, right), span=span)
            return Logical(operator, (left, right), span=span)
        return Binary(operator, left, right, span=span)

    def _conditional(self, test: Expression) -> Expression:
        then = self.operators(1, "an expression after ?")
        self.expect_symbol(":", "between the two results of a condition")
        otherwise = self.operators(1, "an expression after :")
        return Conditional(test, then, otherwise, span=test.span.to(otherwise.span))

    def _piped(self, left: Expression) -> Expression:
        token = self.current
        callable_here = token.kind is TokenKind.NAME or token.word in CALLABLE_KEYWORDS | SOFT_KEYWORDS
        if not callable_here or self.following.text != "(":
            self.fail("a function call after |>", "write the function with brackets, such as: xs |> SUM()")
        call = self._call()
        if not isinstance(call, Call):
            return call
        return replace(call, arguments=(left, *call.arguments), span=left.span.to(call.span))

    def _prefixed(self, expected: str) -> Expression:
        """Read an operand with what stands before and after it."""
        token = self.current
        operator = "NOT" if token.word == "NOT" or token.text == "!" else token.text
        if token.word == "NOT" or (token.kind is TokenKind.SYMBOL and token.text in ("!", "-", "~")):
            self.take()
            operand = self.operators(UNARY_POWER, f"an expression after {token.text}")
            return Unary(operator, operand, span=token.span.to(operand.span))
        operand = self._primary(token.kind, expected)
        if self.current.kind is TokenKind.SYMBOL and self.current.text in (".", "?.", "["):
            return self._postfixed(operand)
        return operand

    def _postfixed(self, operand: Expression) -> Expression:
        depth = self.depth
        while True:
            if self.at_symbol(".") or self.at_symbol("?."):
                self.take()
                operand = Member(operand, self._attribute_name(), span=operand.span.to(self.last_span))
            elif self.at_symbol("["):
                operand = self._subscripted(operand)
            else:
                self.depth = depth
                return operand
            self.deepen(1)

    def _attribute_name(self) -> str:
        token = self.current
        if token.kind not in (TokenKind.NAME, TokenKind.KEYWORD):
            self.fail("an attribute name after '.'", 'other names are written: document["any name"]')
        return self.take().text

    def _subscripted(self, base: Expression) -> Expression:
        self.take()
        if self.at_symbol("*") and self.following.text == "]":
            self.position += 2
            path = []
            while self.at_symbol(".") or self.at_symbol("?."):
                self.take()
                path.append(self._attribute_name())
            return Expansion(base, tuple(path), span=base.span.to(self.last_span))
        index = self.expression("an index after '['")
        self.expect_symbol("]", "after the index")
        return Index(base, index, span=base.span.to(self.last_span))

    # --- operands, one method for each kind of first token

    def _primary(self, kind: TokenKind, expected: str) -> Expression:
        match kind:
            case TokenKind.NUMBER | TokenKind.STRING:
                return self._literal()
            case TokenKind.NAME:
                return self._name()
            case TokenKind.KEYWORD:
                return self._keyword(expected)
            case TokenKind.SYMBOL:
                return self._symbol(expected)
            case TokenKind.BIND:
                return self._bind()
            case TokenKind.COLLECTION_BIND:
                return self._collection_bind()
            case TokenKind.TEMPLATE:
                return self._template()
            case TokenKind.END:
                return self.fail(expected)

    def _literal(self) -> Expression:
        token = self.take()
        return Literal(token.value, span=token.span)

    def _template(self) -> Expression:
        token = self.take()
        assert isinstance(token.value, tuple)
        parts: list[str | Expression] = []
        for part in token.value:
            if isinstance(part, str):
                parts.append(part)
                continue
            inner = type(self)(part, self.depth)
            parts.append(inner.expression("an expression inside ${ }"))
            if inner.current.kind is not TokenKind.END:
                inner.fail("'}' after the expression")
        return Template(tuple(parts), span=token.span)

    def _bind(self) -> Expression:
        token = self.take()
        return Bind(token.text, span=token.span)

    def _collection_bind(self) -> Expression:
        token = self.take()
        return CollectionBind(token.text, span=token.span)

    def _name(self) -> Expression:
        token = self.current
        if self.following.kind is TokenKind.SYMBOL:
            if self.following.text == "(":
                return self._call()
            if self.following.text == "->":
                return self._lambda()
        self.take()
        return Variable(token.text, span=token.span)

    def _keyword(self, expected: str) -> Expression:
        token = self.current
        word = token.word
        called = self.following.kind is TokenKind.SYMBOL and self.following.text == "("
        if called and word in CALLABLE_KEYWORDS:
            return self._call()
        if word in ("TRUE", "FALSE", "NULL"):
            self.take()
            return Literal({"TRUE": True, "FALSE": False, "NULL": None}[word], span=token.span)
        if word in ("FOR", "LET"):
            return self.subquery()
        if word == "CASE":
            return self._case()
        if word in QUANTIFIERS and self._at_quantifier():
            return self._quantifier()
        if word in SOFT_KEYWORDS:
            return self._name()
        return self.fail(expected)

    def _symbol(self, expected: str) -> Expression:
        match self.current.text:
            case "(":
                return self._lambda() if self._at_lambda() else self._bracketed()
            case "[":
                return self._array()
            case "{":
                return self._object()
            case _:
                return self.fail(expected)

    def _bracketed(self) -> Expression:
        opening = self.take()
        clause = self.at_word(*CLAUSES_NOT_CALLS) and self.following.text != "("
        if clause or self.at_word(*QUERY_STARTERS):
            inner: Expression = self.subquery()
        else:
            inner = self.expression("an expression after '('")
        self.expect_symbol(")", "to close the bracket")
        return replace(inner, span=opening.span.to(self.last_span))

    def _at_lambda(self) -> bool:
        """Tell whether the bracket that stands next holds lambda parameters."""
        ahead = self.position + 1
        while self.tokens[ahead].kind is TokenKind.NAME or self.tokens[ahead].word in SOFT_KEYWORDS:
            ahead += 1
            if self.tokens[ahead].text != ",":
                break
            ahead += 1
        closing = self.tokens[ahead]
        return closing.text == ")" and closing.kind is TokenKind.SYMBOL and self.tokens[ahead + 1].text == "->"

    def _lambda(self) -> Expression:
        start = self.current.span
        parameters = []
        if self.take_symbol("("):
            while not self.take_symbol(")"):
                parameters.append(self.expect_variable("among the parameters"))
                self.take_symbol(",")
        else:
            parameters.append(self.expect_variable("before ->"))
        self.expect_symbol("->", "after the parameters")
        if len(set(parameters)) < len(parameters):
            raise ParseError("a lambda names a parameter twice", start.to(self.last_span))
        body = self.expression("an expression after ->")
        return Lambda(tuple(parameters), body, span=start.to(body.span))

    def _array(self) -> Expression:
        opening = self.take()
        elements = []
        while not self.take_symbol("]"):
            elements.append(self.expression("an element or ']'"))
            if not self.take_symbol(",") and not self.at_symbol("]"):
                self.fail("',' or ']' after an element")
        return ArrayLiteral(tuple(elements), span=opening.span.to(self.last_span))

    def _object(self) -> Expression:
        opening = self.take()
        members = []
        while not self.take_symbol("}"):
            start = self.current.span
            key = self._object_key()
            value = self.expression("a value after ':'") if self.take_symbol(":") else self._shorthand(key)
            members.append(ObjectMember(key, value, span=start.to(self.last_span)))
            if not self.take_symbol(",") and not self.at_symbol("}"):
                self.fail("',' or '}' after a member")
        return ObjectLiteral(tuple(members), span=opening.span.to(self.last_span))

    def _object_key(self) -> Expression:
        token = self.current
        if token.kind in (TokenKind.NAME, TokenKind.KEYWORD):
            self.take()
            return Literal(token.text, span=token.span)
        if token.kind is TokenKind.STRING:
            key = self._literal()
        elif self.take_symbol("["):
            key = self.expression("a key after '['")
            self.expect_symbol("]", "after the key")
        else:
            self.fail("a key or '}'", 'keys are names, strings or [expressions]: {a: 1, "b c": 2, [d]: 3}')
        if not self.at_symbol(":"):
            self.fail("':' after the key")
        return key

    def _shorthand(self, key: Expression) -> Expression:
        token = self.tokens[self.position - 1]
        if token.kind is not TokenKind.NAME and token.word not in SOFT_KEYWORDS:
            self.fail("':' after the key", f"{token.text} is a reserved word, so it needs a value")
        return Variable(token.text, span=key.span)

    def _call(self) -> Expression:
        name = self.take()
        self.take()
        arguments = []
        while not self.take_symbol(")"):
            arguments.append(self.expression("an argument or ')'"))
            if not self.take_symbol(",") and not self.at_symbol(")"):
                self.fail("',' or ')' after an argument")
        span = name.span.to(self.last_span)
        if self.at_word("OVER") and self.following.text == "(":
            return self._window_function(span)
        return Call(name.text.upper(), tuple(arguments), span=span)

    def _window_function(self, span: Span) -> Expression:
        """Read past OVER ( … ) by its brackets: nothing inside can make it work offline."""
        self.take()
        opening = self.current
        depth = 0
        while True:
            token = self.take()
            depth += (token.text == "(") - (token.text == ")") if token.kind is TokenKind.SYMBOL else 0
            if depth == 0:
                return Refused("Window functions not supported in local queries", span=span)
            if token.kind is TokenKind.END:
                raise ParseError("'(' after OVER is never closed", opening.span)

    def _case(self) -> Expression:
        start = self.take().span
        subject = None if self.at_word("WHEN") else self.expression("WHEN or a value after CASE")
        branches = []
        while self.at_word("WHEN"):
            span = self.take().span
            when = self.expression("an expression after WHEN")
            self.expect_word("THEN", "after WHEN and its expression")
            then = self.expression("an expression after THEN")
            branches.append(CaseBranch(when, then, span=span.to(then.span)))
        if not branches:
            self.fail("WHEN", "such as: CASE WHEN u.age < 18 THEN 'minor' ELSE 'adult' END")
        otherwise = self.expression("an expression after ELSE") if self.take_word("ELSE") else None
        self.expect_word("END", "to close CASE")
        return Case(subject, tuple(branches), otherwise, span=start.to(self.last_span))

    def _quantifier(self) -> Expression:
        """Read `ANY x IN xs SATISFIES c`, or else `ANY x IN xs == v`, where c is `x == v`."""
        start = self.take()
        variable = self.take()
        self.expect_word("IN", f"after {start.word} and its variable")
        condition: Expression = Literal(True, span=start.span)
        if self._satisfies_follows():
            source = self.expression("an array after IN")
            self.expect_word("SATISFIES", "after the array")
            condition = self.expression("a condition after SATISFIES")
        else:
            source = self.operators(RANGE_POWER, "an array after IN")
            operator, width = self._infix()
            if BINDING_POWER.get(operator) == COMPARISON_POWER:
                self.position += width
                right = self.operators(RANGE_POWER, f"an expression after {operator}")
                element = Variable(variable.text, span=variable.span)
                span = element.span.to(right.span)
                condition = Binary(SPELT_OTHERWISE.get(operator, operator), element, right, span=span)
        span = start.span.to(self.last_span)
        return Quantifier(start.word, variable.text, source, condition, span=span)

    def _at_quantifier(self) -> bool:
        name = self.following
        named = name.kind is TokenKind.NAME or name.word in SOFT_KEYWORDS
        return named and self.tokens[min(self.position + 2, len(self.tokens) - 1)].word == "IN"

    def _satisfies_follows(self) -> bool:
        """Look for SATISFIES before this quantifier can have ended.

        Looking ahead costs one pass; reading and rewinding would double at every nesting.
        """
        depth = 0
        for token in self.tokens[self.position : self.position + LOOKAHEAD_MAX]:
            if token.kind is TokenKind.SYMBOL:
                depth += (token.text in OPENING) - (token.text in CLOSING)
                if depth < 0 or (depth == 0 and token.text == ","):
                    return False
            elif depth == 0 and token.word == "SATISFIES":
                return True
            elif depth == 0 and token.word in ENDS_OF_QUANTIFIED:
                return False
        return False
