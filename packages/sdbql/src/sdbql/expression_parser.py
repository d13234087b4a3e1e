"""Expressions: precedence climbing from one table.

`BINDING_POWER` holds every infix operator; a larger number binds tighter. All group to the
left but the ternary. After an operator none that binds tighter may follow, since its right
side would have taken it; that matters for the two whose right side could not: a pipeline ends
in a call (`xs |> SUM() > 2` is an error) and a range does not chain (`1..2..3` is another).

Turned down: one method per level. It is fifteen methods that differ in one line, and every
parenthesis costs fifteen stack frames; here it costs three.
"""

from dataclasses import replace

from sdbql.operand_parser import QUANTIFIERS, OperandParser
from sdbql.syntax_tree import (
    Binary,
    Call,
    Conditional,
    Expansion,
    Expression,
    Index,
    Literal,
    Logical,
    Member,
    Quantifier,
    Unary,
    Variable,
)
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

SPELT_OTHERWISE = {"&&": "AND", "NOT =~": "!~"}
"""Operators with two spellings, and the one that the tree keeps."""

OPENING, CLOSING = frozenset("([{"), frozenset(")]}")
LOOKAHEAD_MAX = 10_000
ENDS_OF_QUANTIFIED = frozenset(["FILTER", "SORT", "LIMIT", "RETURN", "COLLECT", *QUANTIFIERS])


class ExpressionParser(OperandParser):
    """Reads expressions; `parser.Parser` adds the clauses, and with them subqueries."""

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
            ceiling = power - (operator == "..")
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
        call = self.call()
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
        operand = self.primary(token.kind, expected)
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

    def quantifier(self) -> Expression:
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
