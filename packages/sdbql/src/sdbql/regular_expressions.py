"""Patterns: regular expressions, LIKE, and edit distance.

SDBQL's regular expressions have no look-around and no back-references, `$` matches only at
the very end, and `\\B` also in an empty text. A pattern that is invalid or longer than
`REGEX_PATTERN_LENGTH_MAX` matches nothing.

Two engines find the same matches. Python's `re` is quick, but tries one way to match after
another, and there may be very many; how many is known from the pattern and the length of the
text. Where they could be too many, `linear_regex` does the work. Both count steps.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from math import inf, log2

from sdbql.errors import QueryLimitError
from sdbql.limits import EDIT_CELLS_MAX, LIKE_PATTERN_LENGTH_MAX, REGEX_PATTERN_LENGTH_MAX
from sdbql.linear_regex import LinearMatch, compile_linear
from sdbql.unicode_classes import members

FUZZY_DISTANCE_MAX = 2
WAYS_MAX = 10_000_000
"""The most ways to match that `re` may have to try in one text: a fraction of a second."""
WAYS_PER_STEP, CHARACTERS_PER_STEP = 16_384, 16

Match = re.Match[str] | LinearMatch
Spend = Callable[[int], None]
"""What is told how many steps something took; `ExecutionContext.spend`."""


def _free(steps: int) -> None:
    """Count nothing."""


_LOOK_OR_REFERENCE = re.compile(r"\(\?(?:[=!>#]|<[=!]|\(|P=)|\\[1-9]")
_PROPERTY = r"\\(?P<sign>[pP])(?:\{(?P<property>\w+)\}|(?P<short>[A-Z]))"
_TOKEN = re.compile(
    rf"{_PROPERTY}|\\(?P<escaped>.)|(?P<class>\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\])|(?P<named>\(\?<)|(?P<end>\$)|(?P<other>.)",
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
_MEMBER = re.compile(rf"{_PROPERTY}|\\.", re.DOTALL)
_SET_OPERATION = re.compile(r"&&|--|~~|\[")
_GROUP_FLAGS = re.compile(r"\(\?([a-zA-Z]*)(?:-[a-zA-Z]+)?[:)]")
_REPLACEMENT = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")


class Pattern:
    """A valid pattern, with the engine chosen for each text."""

    __slots__ = ("_doublings", "_ignore_case", "_quick", "_repetitions", "_translated")

    def __init__(self, pattern: str, translated: str, *, ignore_case: bool) -> None:
        for_re = _TOKEN.sub(lambda found: r"(?!\b)" if found["escaped"] == "B" else found.group(), translated)
        self._quick = re.compile(for_re, re.IGNORECASE if ignore_case else 0)
        self._translated = translated
        self._ignore_case = ignore_case
        self._repetitions, self._doublings = _freedom(pattern)

    def search(self, text: str, spend: Spend = _free) -> Match | None:
        """Return the leftmost match, or None."""
        if self._is_quick(text, spend):
            return self._quick.search(text)
        return _linear(self._translated, self._ignore_case).search(text, spend=spend)

    def finditer(self, text: str, spend: Spend = _free) -> Iterator[Match]:
        """Yield the matches that do not overlap, from left to right."""
        if self._is_quick(text, spend):
            return self._quick.finditer(text)
        return _linear(self._translated, self._ignore_case).finditer(text, spend)

    def _is_quick(self, text: str, spend: Spend) -> bool:
        """Tell whether `re` is sure to end soon, and count what it may take."""
        if self._doublings == inf:
            return False
        ways = (len(text) + 1) ** (self._repetitions + 1) * 2**self._doublings
        if ways > WAYS_MAX and (self._repetitions or self._doublings):
            return False
        spend(1 + len(text) // CHARACTERS_PER_STEP + int(ways) // WAYS_PER_STEP)
        return True


_linear = lru_cache(maxsize=512)(lambda pattern, ignore_case: compile_linear(pattern, ignore_case=ignore_case))


@lru_cache(maxsize=512)
def compile_pattern(pattern: str, *, ignore_case: bool = False) -> Pattern | None:
    """Return the pattern ready for use, or None when it is not a valid one."""
    if len(pattern) > REGEX_PATTERN_LENGTH_MAX or _LOOK_OR_REFERENCE.search(pattern.replace("\\\\", "")):
        return None
    translated = _translate(pattern)
    if translated is None:
        return None
    try:
        return Pattern(pattern, translated, ignore_case=ignore_case)
    except (re.error, OverflowError, RecursionError):
        return None


def _translate(pattern: str) -> str | None:
    """Spell the pattern in Python's dialect; None when it uses a class that is not known here."""
    multiline = any("m" in flags for flags in _GROUP_FLAGS.findall(pattern))
    parts: list[str] = []
    for found in _TOKEN.finditer(pattern):
        if found["sign"]:
            inside = _category(found)
            if inside is None:
                return None
            parts.append(f"[{inside}]")
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
    listed = re.sub(r"\|{2,}", "|", written[opening.end() : -1])
    listed = _POSIX_CLASS.sub(lambda found: _POSIX_CLASSES[found[1]], listed)
    categories = [_category(found) for found in _MEMBER.finditer(listed) if found["sign"]]
    if None in categories:
        return None
    remaining = iter(categories)
    listed = _MEMBER.sub(lambda found: (next(remaining) or "") if found["sign"] else found.group(), listed)
    return f"{opening.group()}{listed}]"


def _category(found: re.Match[str]) -> str | None:
    """Return the members of the Unicode category that a piece of a pattern names."""
    return members(found["property"] or found["short"], negated=found["sign"] == "P")


def _freedom(pattern: str) -> tuple[int, float]:
    """Return what decides in how many ways the pattern can be tried.

    That is the number of unbounded repetitions, each of which multiplies the ways by the
    length of the text, and how often other choices double them: infinitely often when
    something with a choice in it is repeated.
    """
    alternatives: list[int] = [1]
    has_choice: list[bool] = [False]
    before, repetitions, doublings = "", 0, 0.0
    for found in _TOKEN.finditer(pattern):
        char = found["other"] or ""
        if char == "(" or found["named"]:
            alternatives.append(1)
            has_choice.append(False)
            before = "opening"
        elif char == ")" and len(has_choice) > 1:
            doublings += log2(alternatives.pop())
            inner = has_choice.pop()
            has_choice[-1] = has_choice[-1] or inner
            before = "choice" if inner else "group"
        elif char in ("*", "+") or (char == "{" and _is_open(pattern, found.start())):
            if before in ("choice", "repetition"):
                return 0, inf
            repetitions += 1
            has_choice[-1] = True
            before = "repetition"
        elif char == "?" and before == "opening":
            before = ""
        elif char in ("?", "}"):
            doublings += char == "?" and before != "repetition"
            has_choice[-1] = has_choice[-1] or char == "?"
            before = "repetition"
        elif char == "|":
            alternatives[-1] += 1
            has_choice[-1] = True
            before = ""
        elif char == "{" and before in ("choice", "group"):
            return 0, inf
        else:
            before = ""
    return repetitions, doublings + log2(alternatives[0])


def _is_open(pattern: str, start: int) -> bool:
    return re.match(r"\{\d*,\d*\}|\{\d{2,}\}", pattern[start:]) is not None


def matches(value: str, pattern: str, spend: Spend = _free) -> bool:
    """Tell whether the pattern matches anywhere in the text."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.search(value, spend) is not None


def matches_not(value: str, pattern: str, spend: Spend = _free) -> bool:
    """Tell whether a valid pattern matches nowhere in the text."""
    compiled = compile_pattern(pattern)
    return compiled is not None and compiled.search(value, spend) is None


def all_matches(compiled: Pattern, text: str, spend: Spend = _free) -> Iterator[Match]:
    """Yield the matches from left to right; an empty one does not follow directly on another."""
    end = -1
    for found in compiled.finditer(text, spend):
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


def like_prefix(pattern: str) -> str:
    r"""Return what every text begins with that fits a LIKE pattern.

    >>> like_prefix(r"a\_b%c"), like_prefix("_a")
    ('a_b', '')
    """
    prefix = ""
    for piece in re.findall(r"\\[%_\\]|.", pattern, re.DOTALL):
        if piece in ("%", "_"):
            break
        prefix += piece[-1]
    return prefix


def is_like(value: str, pattern: str, spend: Spend = _free) -> bool:
    """Tell whether the whole text fits a LIKE pattern, in time of at most both lengths multiplied."""
    if len(pattern) > LIKE_PATTERN_LENGTH_MAX:
        raise QueryLimitError.reached("like_pattern_length_max", LIKE_PATTERN_LENGTH_MAX, "the length of a LIKE pattern")
    spend(len(value) // CHARACTERS_PER_STEP + len(value) * len(pattern) // WAYS_PER_STEP)
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


def edit_distance(left: str, right: str, most: int, spend: Spend = _free) -> int:
    """Return the Levenshtein distance of two texts, or a number above `most` if it is above.

    That is the number of insertions, deletions and substitutions of characters. Only the part
    of the table is computed that `most` edits can reach (Ukkonen's band).
    """
    if len(left) < len(right):
        left, right = right, left
    most = min(most, len(left))
    if len(left) - len(right) > most:
        return most + 1
    if len(left) * min(2 * most + 1, len(right) + 1) > EDIT_CELLS_MAX:
        raise QueryLimitError.reached("edit_cells_max", EDIT_CELLS_MAX, "the work of comparing two texts")
    spend(len(left) * min(2 * most + 1, len(right) + 1) // 4)
    above_start, above = 0, list(range(min(most, len(right)) + 1))
    for row, char in enumerate(left, 1):
        start = max(0, row - most)
        current = [row] if start == 0 else []
        for column in range(max(1, start), min(len(right), row + most) + 1):
            place = column - above_start
            best = above[place - 1] + (char != right[column - 1])
            if place < len(above):
                best = min(best, above[place] + 1)
            if current:
                best = min(best, current[-1] + 1)
            current.append(best)
        if min(current) > most:
            return most + 1
        above_start, above = start, current
    return above[len(right) - above_start]


def is_fuzzy_match(left: str, right: str, distance_max: int = FUZZY_DISTANCE_MAX, spend: Spend = _free) -> bool:
    """Tell whether two texts are at most `distance_max` edits apart."""
    return edit_distance(left, right, distance_max, spend) <= distance_max
