"""What could stand where the cursor is: from the text before it and the names that are known, and nothing else.

>>> known = KnownNames({"users": ("age", "name", "name.first")})
>>> candidates("FOR u IN us", 11, known)
['users']
>>> candidates("FOR u IN users FILTER u.", 24, known)
['age', 'name']
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

from sdbql.errors import QueryError
from sdbql.functions.catalog import BUILTINS
from sdbql.lexer import tokenize
from sdbql.shell.commands import COMMAND_SIGN, COMMANDS, QUERY_COMMANDS
from sdbql.tokens import KEYWORDS, Token, TokenKind

CANDIDATES_MAX = 500
COLLECTIONS_LOOKED_AT_MAX = 20
"""Of how many collections the attributes are offered for a variable nobody knows."""
_WORD_AT_END = re.compile(r"[^\W\d]\w*\Z|\Z")
_PATH_AT_END = re.compile(r"([^\W\d]\w*)((?:\??\.[^\W\d]\w*)*)\??\.\Z")
_BIND_AT_END = re.compile(r"@@?\Z")
_BEFORE_COLLECTION = ("IN", "JOIN", "INTO")
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Collections, each with the paths of attributes its documents have (`name`, `name.first`), and bind parameters."""

    fields: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    binds: tuple[str, ...] = ()


def candidates(text: str, cursor: int, known: KnownNames) -> list[str]:
    """Return the words that could replace the one before the cursor, the likeliest first."""
    before = text[:cursor]
    word = word_before(before)
    before = before[: len(before) - len(word)]
    if text.lstrip().startswith(COMMAND_SIGN):
        found = _for_command(before.lstrip(), known)
        if found is not None:
            return _matching(word, found)
        before = before.lstrip().partition(" ")[2]
    tokens = _tokens(before)
    return [] if tokens is None else _matching(word, _for_query(before, tokens, known))


def word_before(text: str) -> str:
    """Return the part of a word that a text ends with.

    >>> word_before("RETURN LEN"), word_before("RETURN 1 + ")
    ('LEN', '')
    """
    found = _WORD_AT_END.search(text)
    return found.group() if found else ""


def field_paths(documents: Iterable[Mapping[str, object]], *, depth: int = 3) -> tuple[str, ...]:
    """Return the paths of the attributes that documents have, sorted, as deep as names are completed."""
    found: set[str] = set()
    level: list[tuple[str, Mapping[str, object]]] = [("", document) for document in documents]
    for _ in range(depth):
        deeper: list[tuple[str, Mapping[str, object]]] = []
        for prefix, document in level:
            for name, value in document.items():
                found.add(prefix + name)
                if isinstance(value, dict):
                    deeper.append((f"{prefix}{name}.", value))
        level = deeper
    return tuple(sorted(found))


def _matching(word: str, names: Iterable[str]) -> list[str]:
    start = word.lower()
    return [name for name in dict.fromkeys(names) if name.lower().startswith(start)][:CANDIDATES_MAX]


def _for_command(before: str, known: KnownNames) -> list[str] | None:
    """Return what could follow in a command, None when a query follows."""
    name, space, _ = before.removeprefix(COMMAND_SIGN).partition(" ")
    if not space:
        return [command.name for command in COMMANDS]
    match name:
        case "fields":
            return sorted(known.fields)
        case "json":
            return ["on", "off"]
        case "bind":
            return list(known.binds)
        case query if query in QUERY_COMMANDS:
            return None
        case _:
            return []


def _tokens(text: str) -> tuple[Token, ...] | None:
    """Return the tokens of a text, None when it ends inside a string or a comment."""
    try:
        return tokenize(text)
    except QueryError as problem:
        return None if problem.detail.startswith("unterminated") else ()


def _for_query(before: str, tokens: tuple[Token, ...], known: KnownNames) -> list[str]:
    if _BIND_AT_END.search(before):
        return list(known.binds)
    path = _PATH_AT_END.search(before)
    if path:
        return _attributes(path[1], path[2].replace("?", "").lstrip("."), tokens, known)
    if before.rstrip().endswith("."):
        return _all_attributes(known)
    collections = sorted(known.fields)
    variables = _variables(tokens)
    keywords, functions = sorted(KEYWORDS), [f"{name}(" for name in sorted(BUILTINS)]
    if len(tokens) > 1 and tokens[-2].word in _BEFORE_COLLECTION:
        return [*collections, *variables, *functions]
    return [*variables, *keywords, *functions, *collections]


def _attributes(variable: str, path: str, tokens: tuple[Token, ...], known: KnownNames) -> list[str]:
    """Return the attributes behind `variable.path.`; of a variable nobody knows, all there are."""
    collection = _loops(tokens).get(variable, variable)
    if collection not in known.fields:
        return [] if path else _all_attributes(known)
    prefix = f"{path}." if path else ""
    behind = [name.removeprefix(prefix) for name in known.fields[collection] if name.startswith(prefix)]
    return [name for name in behind if _PLAIN_NAME.fullmatch(name)]


def _all_attributes(known: KnownNames) -> list[str]:
    looked_at = islice(known.fields, COLLECTIONS_LOOKED_AT_MAX)
    return sorted({path for name in looked_at for path in known.fields[name] if _PLAIN_NAME.fullmatch(path)})


def _loops(tokens: tuple[Token, ...]) -> dict[str, str]:
    """Return the variables of `FOR variable IN collection`, the last of a name."""
    found = {}
    for loop, variable, word, source in zip(tokens, tokens[1:], tokens[2:], tokens[3:], strict=False):
        if loop.word == "FOR" and word.word == "IN" and source.kind is TokenKind.NAME:
            found[variable.text] = source.text
    return found


def _variables(tokens: tuple[Token, ...]) -> list[str]:
    """Return the names that FOR, LET, INTO and COLLECT have introduced."""
    introduced = ("FOR", "LET", "INTO", "COLLECT")
    return [name.text for before, name in pairwise(tokens) if before.word in introduced and name.kind is TokenKind.NAME]
