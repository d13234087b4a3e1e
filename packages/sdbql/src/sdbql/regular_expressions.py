"""Patterns: regular expressions, LIKE, and edit distance.

SDBQL's regular expressions have no look-around and no back-references, and `$` matches only
at the very end. A pattern that is invalid or longer than `REGEX_PATTERN_LENGTH_MAX` matches
nothing. Python's `re` does the work where it is sure to end; a pattern that repeats a
repetition or an alternative, or that has many repetitions, goes to `linear_regex`.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from sdbql.limits import REGEX_PATTERN_LENGTH_MAX
from sdbql.linear_regex import LinearMatch, LinearPattern, compile_linear

FUZZY_DISTANCE_MAX = 2
REPETITIONS_MAX = 2
"""How many unbounded repetitions in a row `re` may try; each multiplies its time by the text."""

Pattern = re.Pattern[str] | LinearPattern
Match = re.Match[str] | LinearMatch

_LOOK_OR_REFERENCE = re.compile(r"\(\?(?:[=!>#]|<[=!]|\(|P=)|\\[1-9]")
_UNICODE_CLASSES = {"L": r"[^\W\d_]", "N": r"\d", "Nd": r"\d"}
_TOKEN = re.compile(
    r"\\p\{(?P<property>\w+)\}|\\(?P<escaped>.)|(?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])|(?P<named>\(\?<)|(?P<end>\$)|(?P<other>.)",
    re.DOTALL,
)
_POSIX_CLASS = re.compile(r"\[:(\w+):\]")
_POSIX_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\x0b\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_SET_OPERATION = re.compile(r"&&|--|~~|\[")
_GROUP_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-[a-zA-Z]+)?[:)]")
_REPLACEMENT = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Pattern | None:
    """Return the pattern ready for use, or None when it is not a valid one."""
    if len(pattern) > REGEX_PATTERN_LENGTH_MAX or _LOOK_OR_REFERENCE.search(pattern.replace("\\\\", "")):
        return None
    translated = _translate(pattern)
    if translated is None:
        return None
    try:
        compiled = re.compile(translated, re.IGNORECASE if ignore_case else 0)
    except (re.error, OverflowError, RecursionError):
        return None
    return compile_linear(translated, ignore_case=ignore_case) if _may_explode(pattern) else compiled


def _translate(pattern: str) -> str | None:
    """Spell the pattern in Python's dialect; None when it uses a class that is not known here."""
    multiline = any("m" in flags for flags in _GROUP_FLAGS.findall(pattern))
    parts: list[str] = []
    for found in _TOKEN.finditer(pattern):
        if found["property"]:
            if found["property"] not in _UNICODE_CLASSES:
                return None
            parts.append(_UNICODE_CLASSES[found["property"]])
        elif found["class"]:
            written = _translate_class(found["class"])
            if written is None:
                return None
            parts.append(written)
        elif found["named"]:
            parts.append("(?P<")
        elif found["escaped"] == "z" or (found["end"] and not multiline):
            parts.append(r"\Z")
        else:
            parts.append(found.group())
    return "".join(parts)


def _translate_class(written: str) -> str | None:
    """Spell a class in brackets; None for an unknown name, or sets inside or taken from sets."""
    opening = re.match(r"\[\^?\]?", written)
    assert opening is not None
    names = _POSIX_CLASS.findall(written)
    if any(name not in _POSIX_CLASSES for name in names):
        return None
    inside = _POSIX_CLASS.sub("", re.sub(r"\\.", "", written[opening.end() : -1]))
    if _SET_OPERATION.search(inside):
        return None
    members = re.sub(r"\|{2,}", "|", written[opening.end() : -1])
    return f"{opening.group()}{_POSIX_CLASS.sub(lambda found: _POSIX_CLASSES[found[1]], members)}]"


def _may_explode(pattern: str) -> bool:
    """Tell whether something with choices inside it is repeated, or there are many repetitions."""
    choices: list[bool] = [False]
    before = ""
    repetitions = 0
    for found in _TOKEN.finditer(pattern):
        char = found["other"] or ""
        if char == "(":
            choices.append(False)
        elif char == ")":
            inner = choices.pop() if len(choices) > 1 else False
            choices[-1] = choices[-1] or inner
            before = "choices" if inner else "group"
            continue
        elif char in ("*", "+") or (char == "{" and _is_unbounded(pattern, found.start())):
            repetitions += 1
            if before in ("choices", "repetition") or repetitions > REPETITIONS_MAX:
                return True
            choices[-1] = True
            before = "repetition"
            continue
        elif char in ("|", "?"):
            choices[-1] = True
        before = "repetition" if char in ("?", "}") else ""
    return False


def _is_unbounded(pattern: str, start: int) -> bool:
    return re.match(r"\{\d*,\d*\}|\{\d{2,}\}", pattern[start:]) is not None


def matches(value: str, pattern: str) -> bool:
    """Tell whether the pattern matches anywhere in the text."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.search(value) is not None


def matches_not(value: str, pattern: str) -> bool:
    """Tell whether a valid pattern matches nowhere in the text."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.search(value) is None


def all_matches(compiled: Pattern, text: str) -> Iterator[Match]:
    """Yield the matches from left to right; an empty one does not follow directly on another."""
    end = -1
    for found in compiled.finditer(text):
        if found.end() == found.start() == end:
            continue
        end = found.end()
        yield found


def expand_replacement(found: Match, replacement: str) -> str:
    """Return the replacement with `$1`, `${name}` and `$$` filled in; unknown groups are empty."""

    def group(reference: re.Match[str]) -> str:
        if reference[1]:
            return "$"
        name = reference[2] or reference[3]
        try:
            return found[int(name) if name.isdigit() else name] or ""
        except IndexError:
            return ""

    return _REPLACEMENT.sub(group, replacement)


@lru_cache(maxsize=512)
def compile_like(pattern: str) -> re.Pattern[str]:
    r"""Return a LIKE pattern ready for use: `%` any run, `_` one character, `\` quotes."""
    parts: list[str] = []
    for piece in re.findall(r"\\[%_\\]|%+|.", pattern, re.DOTALL):
        if piece[0] == "%":
            parts.append(".*?")
        elif piece == "_":
            parts.append(".")
        else:
            parts.append(re.escape(piece[1:] if len(piece) > 1 else piece))
    return re.compile("".join(parts), re.DOTALL)


def is_like(value: str, pattern: str) -> bool:
    """Tell whether the whole text fits a LIKE pattern, in time linear in both."""
    pieces = [compile_like(piece) for piece in _split_like(pattern)]
    if len(pieces) == 1:
        return pieces[0].fullmatch(value) is not None
    first = pieces[0].match(value)
    if first is None:
        return False
    position = first.end()
    for piece in pieces[1:-1]:
        found = piece.search(value, position)
        if found is None:
            return False
        position = found.end()
    last_length = len(re.findall(r"\\[%_\\]|.", _split_like(pattern)[-1], re.DOTALL))
    start = len(value) - last_length
    return start >= position and pieces[-1].fullmatch(value, start) is not None


@lru_cache(maxsize=512)
def _split_like(pattern: str) -> tuple[str, ...]:
    """Cut a LIKE pattern at its `%`: each piece then has a fixed length."""
    pieces = [""]
    for piece in re.findall(r"\\[%_\\]|.", pattern, re.DOTALL):
        if piece == "%":
            pieces.append("")
        else:
            pieces[-1] += piece
    return tuple(pieces)


def edit_distance(left: str, right: str) -> int:
    """Return the Levenshtein distance: insertions, deletions and substitutions of characters."""
    if len(left) < len(right):
        left, right = right, left
    above = list(range(len(right) + 1))
    for row, char in enumerate(left, 1):
        current = [row]
        for column, other in enumerate(right, 1):
            current.append(min(above[column] + 1, current[-1] + 1, above[column - 1] + (char != other)))
        above = current
    return above[-1]


def is_fuzzy_match(left: str, right: str, distance_max: int = FUZZY_DISTANCE_MAX) -> bool:
    """Tell whether two texts are at most `distance_max` edits apart."""
    if abs(len(left) - len(right)) > distance_max:
        return False
    return left == right or _is_within(left, right, distance_max)


def _is_within(left: str, right: str, most: int) -> bool:
    """Compare by a band of the table of edit distances: further from its diagonal are more edits."""
    beyond = most + 1
    above = {column: column for column in range(min(most, len(right)) + 1)}
    for row, char in enumerate(left, 1):
        current: dict[int, int] = {}
        for column in range(max(0, row - most), min(len(right), row + most) + 1):
            replaced = above.get(column - 1, beyond) + (char != right[column - 1]) if column else row
            current[column] = min(replaced, above.get(column, beyond) + 1, current.get(column - 1, beyond) + 1)
        if min(current.values()) > most:
            return False
        above = current
    return above[len(right)] <= most
