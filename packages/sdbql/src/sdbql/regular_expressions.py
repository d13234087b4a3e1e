"""Patterns: regular expressions, LIKE, and edit distance.

SDBQL's regular expressions have no look-around and no back-references, and `$` matches only
at the very end. A pattern that is invalid or longer than `REGEX_PATTERN_LENGTH_MAX` matches
nothing. Python's `re` does the work where it is sure to end; a pattern that repeats a
repetition or an alternative, or that has many repetitions, goes to `linear_regex`.
"""

import re
from functools import lru_cache

from sdbql.limits import REGEX_PATTERN_LENGTH_MAX
from sdbql.linear_regex import LinearMatch, LinearPattern, compile_linear

FUZZY_DISTANCE_MAX = 2
REPETITIONS_MAX = 2
"""How many unbounded repetitions in a row `re` may try; each multiplies its time by the text."""

Pattern = re.Pattern[str] | LinearPattern
Match = re.Match[str] | LinearMatch

_LOOK_OR_REFERENCE = re.compile(r"\(\?(?:[=!>]|<[=!]|\(|P=)|\\[1-9]")
_UNICODE_CLASSES = {"L": r"[^\W\d_]", "N": r"\d", "Nd": r"\d"}
_TOKEN = re.compile(
    r"\\p\{(?P<property>\w+)\}|\\(?P<escaped>.)|(?P<class>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<end>\$)|(?P<other>.)",
    re.DOTALL,
)
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
    """Spell the pattern in Python's dialect; None when it uses an unknown class."""
    multiline = any("m" in flags for flags in _GROUP_FLAGS.findall(pattern))
    parts: list[str] = []
    for found in _TOKEN.finditer(pattern):
        if found["property"]:
            if found["property"] not in _UNICODE_CLASSES:
                return None
            parts.append(_UNICODE_CLASSES[found["property"]])
        elif found["escaped"] == "z" or (found["end"] and not multiline):
            parts.append(r"\Z")
        else:
            parts.append(found.group())
    return "".join(parts)


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
        before = ""
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
    return edit_distance(left, right) <= distance_max
