"""Operands: what an expression is made of before any operator joins it.

One method for each kind of first token, or each construct that a keyword begins. What is
inside brackets is an expression again, which `expression_parser` reads.
"""

from dataclasses import replace

from sdbql.errors import ParseError
from sdbql.source_text import Span
from sdbql.syntax_tree import (
    ArrayLiteral,
    Bind,
    Call,
    Case,
    CaseBranch,
    CollectionBind,
    Expression,
    Lambda,
    Literal,
    ObjectLiteral,
    ObjectMember,
    Refused,
    Subquery,
    Template,
    Variable,
)
from sdbql.token_cursor import TokenCursor
from sdbql.tokens import CALLABLE_KEYWORDS, SOFT_KEYWORDS, TokenKind

QUANTIFIERS = ("ANY", "ALL", "NONE")

QUERY_STARTERS = ("FOR", "LET", "RETURN", "LIMIT", "COLLECT", "INSERT", "UPDATE", "UPSERT", "REMOVE")
CLAUSES_NOT_CALLS = ("FILTER", "SORT", "REPLACE")
"""Words that begin a query in brackets, unless `(` follows: then they are calls."""


class OperandParser(TokenCursor):
    """Reads operands; the classes built on it read what they contain."""

    def expression(self, expected: str = "an expression") -> Expression:
        """Read a whole expression; `expected` names it in the error when there is none."""
        raise NotImplementedError

    def quantifier(self) -> Expression:
        """Read an expression that begins with ANY, ALL or NONE."""
        raise NotImplementedError

    def subquery(self) -> Subquery:
        """Read a query inside an expression."""
        raise NotImplementedError

    def primary(self, kind: TokenKind, expected: str) -> Expression:
        """Read the operand that begins with a token of this kind."""
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
                return self.call()
            if self.following.text == "->":
                return self._lambda()
        self.take()
        return Variable(token.text, span=token.span)

    def _keyword(self, expected: str) -> Expression:
        token = self.current
        word = token.word
        called = self.following.kind is TokenKind.SYMBOL and self.following.text == "("
        if called and word in CALLABLE_KEYWORDS:
            return self.call()
        if word in ("TRUE", "FALSE", "NULL"):
            self.take()
            return Literal({"TRUE": True, "FALSE": False, "NULL": None}[word], span=token.span)
        if word in ("FOR", "LET"):
            return self.subquery()
        if word == "CASE":
            return self._case()
        if word in QUANTIFIERS and self.at_quantifier():
            return self.quantifier()
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

    def call(self) -> Expression:
        """Read a call: the name that stands next, and its arguments."""
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
                return Refused(
                    "Window functions not supported in local queries",
                    "group the rows with COLLECT, or run this query on the server while online",
                    span=span,
                )
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

    def at_quantifier(self) -> bool:
        """Tell whether the keyword that stands next is followed by a variable and IN."""
        name = self.following
        named = name.kind is TokenKind.NAME or name.word in SOFT_KEYWORDS
        return named and self.tokens[min(self.position + 2, len(self.tokens) - 1)].word == "IN"
