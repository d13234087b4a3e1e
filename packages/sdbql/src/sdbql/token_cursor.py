"""A place in the list of tokens: looking ahead, taking, and complaining.

Both parsers are built on it. `position` only moves forward, except for `rewind`, which the
one construct with two readings (a quantifier) uses.
"""

from typing import NoReturn

from sdbql.errors import ParseError, ParseLimitError
from sdbql.limits import NESTING_DEPTH_MAX
from sdbql.source_text import Span
from sdbql.tokens import SOFT_KEYWORDS, Token, TokenKind


class TokenCursor:
    """Reads tokens from first to last."""

    def __init__(self, tokens: tuple[Token, ...], depth: int = 0) -> None:
        self.tokens = tokens
        self.position = 0
        self.depth = depth

    @property
    def current(self) -> Token:
        """The token to be read next."""
        return self.tokens[self.position]

    @property
    def following(self) -> Token:
        """The token after the next one."""
        return self.tokens[min(self.position + 1, len(self.tokens) - 1)]

    @property
    def last_span(self) -> Span:
        """The span of the token read last."""
        return self.tokens[max(0, self.position - 1)].span

    def take(self) -> Token:
        """Return the next token and move past it."""
        token = self.tokens[self.position]
        if token.kind is not TokenKind.END:
            self.position += 1
        return token

    def at_symbol(self, text: str) -> bool:
        """Tell whether the next token is this symbol."""
        token = self.tokens[self.position]
        return token.kind is TokenKind.SYMBOL and token.text == text

    def at_word(self, *words: str) -> bool:
        """Tell whether the next token is one of these keywords."""
        return self.tokens[self.position].word in words

    def take_symbol(self, text: str) -> bool:
        """Move past the symbol if it is next; tells whether it was."""
        found = self.at_symbol(text)
        self.position += found
        return found

    def take_word(self, *words: str) -> bool:
        """Move past one of the keywords if it is next; tells whether it was."""
        found = self.at_word(*words)
        self.position += found
        return found

    def expect_symbol(self, text: str, context: str) -> Token:
        """Move past a symbol that must be next."""
        if not self.at_symbol(text):
            self.fail(f"'{text}' {context}")
        return self.take()

    def expect_word(self, word: str, context: str) -> Token:
        """Move past a keyword that must be next."""
        if not self.at_word(word):
            self.fail(f"{word} {context}")
        return self.take()

    def expect_variable(self, context: str) -> str:
        """Return the variable name that must be next."""
        if not self.at_variable():
            self.fail(f"a variable name {context}")
        return self.take().text

    def at_variable(self) -> bool:
        """Tell whether the next token can name a variable."""
        token = self.tokens[self.position]
        return token.kind is TokenKind.NAME or token.word in SOFT_KEYWORDS

    def at_by(self) -> bool:
        """Tell whether the next token is BY, which is an ordinary name elsewhere."""
        token = self.tokens[self.position]
        return token.kind is TokenKind.NAME and token.text.upper() == "BY"

    def deepen(self, levels: int) -> None:
        """Go down in the nesting; the caller subtracts the same amount when it is done."""
        self.depth += levels
        if self.depth > NESTING_DEPTH_MAX:
            raise ParseLimitError.reached("nesting_depth_max", NESTING_DEPTH_MAX, "the nesting", self.current.span)

    def fail(self, expected: str, advice: str = "") -> NoReturn:
        """Raise the error that something else was expected here."""
        raise ParseError(f"expected {expected}, found {self.current.describe()}", self.current.span, advice)
