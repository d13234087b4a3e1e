"""The words of the language: token kinds, reserved words, and which of them may also be names.

Every reserved word is a plain name after `.`, `?.` and as an object key. The soft ones are
also allowed as variables, because no clause or expression can start with them there.
"""

from dataclasses import dataclass
from enum import Enum, auto

from sdbql.source_text import Span


class TokenKind(Enum):
    """What a token is; the parser decides on this and on the token's text."""

    NAME = auto()
    KEYWORD = auto()
    NUMBER = auto()
    STRING = auto()
    TEMPLATE = auto()
    BIND = auto()
    COLLECTION_BIND = auto()
    SYMBOL = auto()
    END = auto()


TemplateParts = tuple["str | tuple[Token, ...]", ...]


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is the name as spelt, or the symbol; `word` the keyword in capitals.

    `value` holds what a literal means: a number, a string, or the parts of a template.
    """

    kind: TokenKind
    text: str
    span: Span
    word: str = ""
    value: int | float | str | TemplateParts = ""

    def describe(self) -> str:
        """Return the token as an error names it."""
        match self.kind:
            case TokenKind.END:
                return "the end of the query"
            case TokenKind.KEYWORD:
                return self.word
            case TokenKind.STRING:
                return "a string"
            case TokenKind.TEMPLATE:
                return "a template string"
            case TokenKind.NUMBER | TokenKind.NAME:
                return self.text
            case TokenKind.BIND:
                return f"@{self.text}"
            case TokenKind.COLLECTION_BIND:
                return f"@@{self.text}"
            case TokenKind.SYMBOL:
                return f"'{self.text}'"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


SOFT_KEYWORDS = _words(
    """COUNT SIZE VIEW STREAM GRAPH TO AS ON END LEFT RIGHT FULL OUTER WINDOW TUMBLING SLIDING
    MATERIALIZED REFRESH PARTITION OVER AGGREGATE SATISFIES CREATE GROUP KEEP ALL NONE DELETE
    DISTINCT SEARCH"""
)

KEYWORDS = SOFT_KEYWORDS | _words(
    """FOR IN FILTER SORT ORDER LIMIT RETURN LET ASC DESC AND OR NOT LIKE TRUE FALSE NULL INSERT
    INTO UPDATE UPSERT WITH REMOVE REPLACE COLLECT OUTBOUND INBOUND ANY SHORTEST_PATH CASE WHEN
    THEN ELSE JOIN"""
)

CALLABLE_KEYWORDS = _words("FILTER SORT COUNT ANY ALL NONE JOIN REPLACE LEFT RIGHT KEEP COLLECT")
"""Reserved words that are builtins when `(` follows in an expression."""

SYMBOLS = tuple(
    sorted(
        _words("== != <= >= =~ !~ ~= << >> && || |> -> ?? .. ?. < > = + - * / % & | ^ ~ ! ? . , : ( ) [ ] { }"),
        key=lambda symbol: (-len(symbol), symbol),
    )
)
"""The longest first, so that the first that fits is the one."""
