"""Is what has been typed a whole query, or does it go on?

As in Python's own shell: a text that parses is whole, and so is one with a mistake in its middle, which more lines would not
mend. A text that only lacks its end goes on, until an empty line or a `;` says that this was all of it.

>>> needs_more("FOR u IN users"), needs_more("FOR u IN users\\n  RETURN u"), needs_more("RETURN 1 +* 2")
(True, False, False)
"""

from sdbql.errors import ParseError, QueryError
from sdbql.parser import parse_query
from sdbql.shell.commands import COMMAND_SIGN, QUERY_COMMANDS, WORDS

TERMINATOR = ";"


def needs_more(text: str) -> bool:
    """Tell whether another line is to be read before a text can be run."""
    text = query_part(text)
    if not text.strip():
        return False
    problem = _problem(without_terminator(text))
    if _is_open(problem) and not _ends_with_empty_line(text):
        return True
    if problem is None or text.rstrip().endswith(TERMINATOR) or _ends_with_empty_line(text):
        return False
    return problem.span is not None and problem.span.start >= len(text)


def goes_on_with(text: str, line: str) -> bool:
    """Tell whether a line still belongs to a query that would be whole without it.

    >>> goes_on_with("RETURN 1", "  + 2"), goes_on_with("RETURN 1", "RETURN 2")
    (True, False)
    """
    if not line.strip() or line.startswith(COMMAND_SIGN) or text.rstrip().endswith(TERMINATOR):
        return False
    both = f"{text}\n{line}"
    return needs_more(both) or _problem(without_terminator(both)) is None


def without_terminator(text: str) -> str:
    """Return a text without the `;` at its end; they are no part of the language."""
    bare = text.rstrip()
    while bare.endswith(TERMINATOR):
        bare = bare[:-1].rstrip()
    return bare if bare != text.rstrip() else text


def query_part(text: str) -> str:
    """Return the query in a text, empty when it is a command without one."""
    bare = text.lstrip()
    if bare.strip().lower() in WORDS:
        return ""
    if not bare.startswith(COMMAND_SIGN):
        return text
    name, _, rest = bare[1:].partition(" ")
    return rest if name in QUERY_COMMANDS else ""


def _problem(text: str) -> QueryError | None:
    try:
        parse_query(text)
    except QueryError as problem:
        return problem
    return None


def _is_open(problem: QueryError | None) -> bool:
    """Tell whether a string, a name, a comment or a template was begun and not ended."""
    return isinstance(problem, ParseError) and problem.detail.startswith("unterminated")


def _ends_with_empty_line(text: str) -> bool:
    return "\n" in text and not text.rsplit("\n", 1)[1].strip()
