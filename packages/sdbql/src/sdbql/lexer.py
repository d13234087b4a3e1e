"""Text to tokens.

One regular expression finds the next token; strings and templates are then unescaped.
A template's `${ … }` parts are lexed in place, so that their tokens carry spans of the
whole query.

>>> [token.text for token in tokenize("RETURN 1..n -- up to n")]
['RETURN', '1', '..', 'n', '']
"""

import re
from math import isinf

from sdbql.errors import ParseError, ParseLimitError
from sdbql.limits import NESTING_DEPTH_MAX, QUERY_LENGTH_MAX
from sdbql.source_text import Span
from sdbql.tokens import KEYWORDS, SYMBOLS, Token, TokenKind

_SYMBOL = "|".join(re.escape(symbol) if symbol != "?." else r"\?\.(?![0-9])" for symbol in SYMBOLS)

_NEXT = re.compile(
    rf"""
    (?P<space>    \s+ | --[^\n]* | //[^\n]* | /\*(?s:.*?)\*/ )
  | (?P<number>   [0-9]+ (?: \.(?!\.) [0-9]* )? (?: [eE][+-]?[0-9]+ )? | \.[0-9]+ (?: [eE][+-]?[0-9]+ )? )
  | (?P<name>     [^\W\d]\w* )
  | (?P<quoted>   `[^`]+` )
  | (?P<string>   "(?: [^"\\] | \\(?s:.) )*" | '(?: [^'\\] | \\(?s:.) )*' )
  | (?P<template> \$["'] )
  | (?P<bind>     @@?\w+ )
  | (?P<comment>  /\* )
  | (?P<symbol>   {_SYMBOL} )
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(r"((?:\\u[0-9a-fA-F]{4})+)|\\(.)", re.DOTALL)
_PLAIN = re.compile(r"""[^\\$"']+""")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_INTEGER_DIGITS_MAX = 18


def tokenize(text: str) -> tuple[Token, ...]:
    """Return the tokens of a query, the last one being END. Raises ParseError."""
    if len(text) > QUERY_LENGTH_MAX:
        raise ParseLimitError.reached("query_length_max", QUERY_LENGTH_MAX, "the query")
    if not text.isascii():
        _require_whole_characters(text)
    tokens, offset = _Lexer(text).read(0, depth=0)
    if offset < len(text):
        raise ParseError("Unexpected character: }", Span(offset, offset + 1))
    return tokens


def _require_whole_characters(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ParseError("half of a surrogate pair is not a character", Span(error.start, error.end)) from None


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text

    def read(self, offset: int, *, depth: int) -> tuple[tuple[Token, ...], int]:
        """Read tokens to the end of the text or, inside a template, to the closing brace."""
        if depth > NESTING_DEPTH_MAX // 4:
            raise ParseLimitError.reached(
                "nesting_depth_max", NESTING_DEPTH_MAX, "the nesting of templates", Span(offset, offset)
            )
        tokens: list[Token] = []
        braces = 0
        while offset < len(self._text):
            found = _NEXT.match(self._text, offset)
            if found is None:
                raise self._unexpected(offset)
            kind, end = found.lastgroup, found.end()
            if kind == "template":
                token = self._template(offset, depth)
                tokens.append(token)
                end = token.span.end
            elif kind != "space":
                text = found.group()
                braces += (text == "{") - (text == "}")
                if braces < 0:
                    break
                tokens.append(self._token(kind or "", text, Span(offset, end)))
            offset = end
        tokens.append(Token(TokenKind.END, "", Span(offset, offset)))
        return tuple(tokens), offset

    def _token(self, kind: str, text: str, span: Span) -> Token:
        match kind:
            case "name":
                return _name(text, span)
            case "symbol":
                return Token(TokenKind.SYMBOL, text, span)
            case "number":
                return Token(TokenKind.NUMBER, text, span, value=_number(text, span))
            case "string":
                return Token(TokenKind.STRING, text, span, value=unescape(text[1:-1], span))
            case "quoted":
                return Token(TokenKind.NAME, text[1:-1], span)
            case "bind" if text.startswith("@@"):
                return Token(TokenKind.COLLECTION_BIND, text[2:], span)
            case "bind":
                return Token(TokenKind.BIND, text[1:], span)
            case _:
                raise ParseError("unterminated comment", span, "close it with */")

    def _template(self, start: int, depth: int) -> Token:
        quote = self._text[start + 1]
        parts: list[str | tuple[Token, ...]] = []
        plain: list[str] = []
        offset = start + 2
        while offset < len(self._text):
            char = self._text[offset]
            if char == quote:
                parts.append("".join(plain))
                return Token(TokenKind.TEMPLATE, "", Span(start, offset + 1), value=tuple(part for part in parts if part))
            if self._text.startswith("${", offset):
                inner, end = self.read(offset + 2, depth=depth + 1)
                if end >= len(self._text):
                    raise ParseError("unterminated ${ in a template", Span(offset, offset + 2), "close it with }")
                parts += ["".join(plain), inner]
                plain = []
                offset = end + 1
            else:
                text, offset = self._template_text(offset, start)
                plain.append(text)
        raise ParseError("unterminated template string", Span(start, start + 2), f"close it with {quote}")

    def _template_text(self, offset: int, start: int) -> tuple[str, int]:
        """Return the next piece of a template's own text, and where it ends."""
        if self._text.startswith("$$", offset):
            return "$", offset + 2
        found = _ESCAPE.match(self._text, offset)
        if found:
            return unescape(found.group(), Span(start, found.end())), found.end()
        found = _PLAIN.match(self._text, offset)
        end = found.end() if found else offset + 1
        return self._text[offset:end], end

    def _unexpected(self, offset: int) -> ParseError:
        char = self._text[offset]
        if char in "\"'":
            return ParseError("unterminated string", Span(offset, offset + 1), f"close it with {char}")
        if char == "`":
            return ParseError("unterminated name", Span(offset, offset + 1), "close it with `")
        return ParseError(f"Unexpected character: {char}", Span(offset, offset + 1))


def _name(text: str, span: Span) -> Token:
    word = text.upper()
    if word in KEYWORDS and text.isascii():
        return Token(TokenKind.KEYWORD, text, span, word=word)
    if not (text[0].isalpha() or text[0] == "_"):
        raise ParseError(f"Unexpected character: {text[0]}", span)
    return Token(TokenKind.NAME, text, span)


def _number(text: str, span: Span) -> int | float:
    if text.isdigit() and len(text.lstrip("0")) <= _INTEGER_DIGITS_MAX:
        return int(text)
    value = float(text)
    if isinf(value):
        raise ParseError("the number is too large", span)
    if text.isdigit() and len(text.lstrip("0")) == _INTEGER_DIGITS_MAX + 1 and int(text) < 2**63:
        return int(text)
    return value


def unescape(text: str, span: Span) -> str:
    """Replace the escapes in the inside of a string literal. Raises ParseError."""
    if "\\" not in text:
        return text

    def replaced(found: re.Match[str]) -> str:
        if found[2] is not None:
            return _ESCAPED.get(found[2], found[2])
        units = bytes.fromhex(found[1].replace("\\u", ""))
        try:
            return units.decode("utf-16-be")
        except UnicodeDecodeError:
            raise ParseError("half of a surrogate pair is not a character", span) from None

    return _ESCAPE.sub(replaced, text)
