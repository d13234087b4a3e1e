"""A regular-expression engine that cannot be made to run forever.

Python's `re` tries one way to match after another, and for some patterns there are
exponentially many. This one follows all ways at once, a step per character, so its time is
the length of the text times that of the pattern (Thompson's construction, run as Pike's
virtual machine, which also keeps the captured groups). It is slower for ordinary patterns,
so `regular_expressions` uses it only for those that could explode. It finds the same matches
as `re`: earlier alternatives and greedier repetitions first.

>>> compile_linear("(a|aa)+$").search("a" * 1000 + "b") is None
True
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from sdbql.errors import ExecutionError, QueryLimitError
from sdbql.limits import REGEX_WORK_MAX

PROGRAM_LENGTH_MAX = 20_000
WORK_COUNTED = 1_024
"""After how many instructions those that were executed are counted as steps."""


def _free(steps: int) -> None:
    """Count nothing."""


_PIECE = re.compile(
    r"""
    (?P<group>   \( (?: \?P?<(?P<name>[A-Za-z_]\w*)> | \?(?P<on>[ims]*)(?:-(?P<off>[ims]+))?(?P<open>[:)]) )? )
  | (?P<close>   \) )
  | (?P<bar>     \| )
  | (?P<repeat>  [*+?] | \{ (?P<least>\d+) (?P<comma>,)? (?P<most>\d+)? \} )
  | (?P<anchor>  \^ | \$ | \\[AzZbB] )
  | (?P<class>   \[ \^? \]? (?: \\. | [^\]\\] )* \] | \\[dDwWsS] | \. )
  | (?P<char>    \\x[0-9a-fA-F]{2} | \\u[0-9a-fA-F]{4} | \\U[0-9a-fA-F]{8} | \\0[0-7]* | \\. | . )
    """,
    re.VERBOSE | re.DOTALL,
)


class _Kind(Enum):
    CHAR = auto()
    SPLIT = auto()
    JUMP = auto()
    SAVE = auto()
    ASSERT = auto()
    MATCH = auto()


@dataclass(frozen=True, slots=True)
class _Instruction:
    """One step of a program; jumps are relative, so that a fragment can be copied.

    SPLIT goes on at `first` and, with less priority, at `second`; JUMP at `first`; SAVE
    notes the position under the number `first`.
    """

    kind: _Kind
    first: int = 1
    second: int = 1
    accepts: Callable[[str], bool] | None = None
    holds: Callable[[str, int], bool] | None = None


_Fragment = list[_Instruction]
_Captures = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class LinearMatch:
    """What a search found; the part of `re.Match` that is needed here."""

    text: str
    spans: _Captures
    names: dict[str, int]

    def start(self) -> int:
        """Return where the match begins."""
        return self.spans[0]

    def end(self) -> int:
        """Return where the match ends."""
        return self.spans[1]

    def group(self) -> str:
        """Return the matched text."""
        return self.text[self.spans[0] : self.spans[1]]

    def __getitem__(self, group: int | str) -> str | None:
        number = self.names.get(group, -1) if isinstance(group, str) else group
        if not 0 <= number * 2 < len(self.spans):
            raise IndexError(group)
        start, end = self.spans[number * 2 : number * 2 + 2]
        return None if start < 0 or end < 0 else self.text[start:end]


class LinearPattern:
    """A compiled pattern."""

    def __init__(self, program: tuple[_Instruction, ...], groups: int, names: dict[str, int]) -> None:
        self._program = program
        self._unset = (-1,) * (groups * 2)
        self._names = names

    def search(self, text: str, position: int = 0, spend: Callable[[int], None] = _free) -> LinearMatch | None:
        """Return the leftmost match from a position on, or None. `spend` is told the work done."""
        if (len(text) - position) * len(self._program) > REGEX_WORK_MAX:
            raise QueryLimitError.reached("regex_work_max", REGEX_WORK_MAX, "the length of the text times the pattern's")
        threads: dict[int, _Captures] = {}
        seen: set[int] = set()
        found: _Captures | None = None
        work = 0
        for place in range(position, len(text) + 1):
            work += 1 + len(seen)
            if work > WORK_COUNTED:
                spend(work)
                work = 0
            if found is None:
                self._follow(threads, seen, 0, text, place, self._unset)
            advanced: dict[int, _Captures] = {}
            advanced_seen: set[int] = set()
            for counter, captures in threads.items():
                step = self._program[counter]
                if step.kind is _Kind.MATCH:
                    found = captures
                    break
                if step.accepts is not None and place < len(text) and step.accepts(text[place]):
                    self._follow(advanced, advanced_seen, counter + 1, text, place + 1, captures)
            threads, seen = advanced, advanced_seen
            if not threads and found is not None:
                break
        spend(1 + work)
        return None if found is None else LinearMatch(text, found, self._names)

    def finditer(self, text: str, spend: Callable[[int], None] = _free) -> Iterator[LinearMatch]:
        """Yield the matches that do not overlap, from left to right."""
        position = 0
        while position <= len(text) and (found := self.search(text, position, spend)):
            yield found
            position = found.end() + (found.end() == found.start())

    def _follow(
        self,
        threads: dict[int, _Captures],
        seen: set[int],
        counter: int,
        text: str,
        place: int,
        captures: _Captures,
    ) -> None:
        """Add the instructions reached without reading a character, by falling priority.

        `seen` are those reached at this place before, each by something of higher priority.
        """
        waiting = [(counter, captures)]
        while waiting:
            counter, captures = waiting.pop()
            if counter in seen:
                continue
            seen.add(counter)
            step = self._program[counter]
            match step.kind:
                case _Kind.JUMP:
                    waiting.append((counter + step.first, captures))
                case _Kind.SPLIT:
                    waiting.append((counter + step.second, captures))
                    waiting.append((counter + step.first, captures))
                case _Kind.SAVE:
                    noted = (*captures[: step.first], place, *captures[step.first + 1 :])
                    waiting.append((counter + 1, noted))
                case _Kind.ASSERT:
                    if step.holds is not None and step.holds(text, place):
                        waiting.append((counter + 1, captures))
                case _:
                    threads[counter] = captures


def compile_linear(pattern: str, *, ignore_case: bool = False) -> LinearPattern:
    """Return a pattern, which must be one that `re` accepts. Raises ExecutionError if it is too large."""
    reader = _Reader(pattern)
    flags = frozenset("i") if ignore_case else frozenset()
    body = reader.alternatives(flags)
    program = [_save(0), *body, _save(1), _Instruction(_Kind.MATCH)]
    return LinearPattern(tuple(program), reader.groups, reader.names)


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._pieces = list(_PIECE.finditer(pattern))
        self._place = 0
        self.groups = 1
        self.names: dict[str, int] = {}

    def alternatives(self, flags: frozenset[str]) -> _Fragment:
        """Read branches up to the end of the group."""
        branch, flags = self._sequence(flags)
        if not self._take("bar"):
            return branch
        others = self.alternatives(flags)
        split = _Instruction(_Kind.SPLIT, 1, len(branch) + 2)
        return _bounded([split, *branch, _Instruction(_Kind.JUMP, len(others) + 1), *others])

    def _sequence(self, flags: frozenset[str]) -> tuple[_Fragment, frozenset[str]]:
        whole: _Fragment = []
        while self._place < len(self._pieces) and not (self._at("bar") or self._at("close")):
            piece = self._pieces[self._place]
            self._place += 1
            if piece["group"] and piece["open"] == ")":
                flags = _changed(flags, piece)
                continue
            part = self._group(piece, flags) if piece["group"] else _single(piece, flags)
            whole = _bounded(whole + self._repeated(part))
        return whole, flags

    def _group(self, piece: re.Match[str], flags: frozenset[str]) -> _Fragment:
        number = 0
        if piece.group() == "(" and self._at("repeat"):
            raise ExecutionError("a group of this kind is not available yet in a pattern that repeats choices")
        if not piece["open"]:
            number, self.groups = self.groups, self.groups + 1
            if piece["name"]:
                self.names[piece["name"]] = number
        inner = self.alternatives(_changed(flags, piece))
        self._take("close")
        return [_save(number * 2), *inner, _save(number * 2 + 1)] if number else inner

    def _repeated(self, part: _Fragment) -> _Fragment:
        while self._at("repeat"):
            piece = self._pieces[self._place]
            self._place += 1
            lazy = self._at("repeat") and self._pieces[self._place].group() == "?"
            self._place += lazy
            part = _repetition(part, *_bounds(piece), lazy=lazy)
        return part

    def _at(self, kind: str) -> bool:
        return self._place < len(self._pieces) and self._pieces[self._place][kind] is not None

    def _take(self, kind: str) -> bool:
        found = self._at(kind)
        self._place += found
        return found


def _repetition(part: _Fragment, least: int, most: int | None, *, lazy: bool) -> _Fragment:
    """Return the fragment repeated: each copy past `least` is optional, inside the one before."""
    if max(least, most or 0) * (len(part) + 1) > PROGRAM_LENGTH_MAX:
        raise ExecutionError("the pattern is too large")
    if most is None:
        loop = [_split(1, len(part) + 2, lazy), *part, _Instruction(_Kind.JUMP, -len(part) - 1)]
        return part * least + loop
    tail: _Fragment = []
    for _ in range(most - least):
        tail = [_split(1, len(part) + len(tail) + 1, lazy), *part, *tail]
    return part * least + tail


def _bounded(fragment: _Fragment) -> _Fragment:
    if len(fragment) > PROGRAM_LENGTH_MAX:
        raise ExecutionError("the pattern is too large")
    return fragment


def _bounds(piece: re.Match[str]) -> tuple[int, int | None]:
    if piece["least"] is None:
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[piece["repeat"]]
    least = int(piece["least"])
    if piece["comma"] is None:
        return least, least
    return least, None if piece["most"] is None else int(piece["most"])


def _split(into: int, past: int, lazy: bool) -> _Instruction:
    return _Instruction(_Kind.SPLIT, past, into) if lazy else _Instruction(_Kind.SPLIT, into, past)


def _save(number: int) -> _Instruction:
    return _Instruction(_Kind.SAVE, number)


def _changed(flags: frozenset[str], piece: re.Match[str]) -> frozenset[str]:
    return (flags | set(piece["on"] or "")) - set(piece["off"] or "")


def _single(piece: re.Match[str], flags: frozenset[str]) -> _Fragment:
    if piece["anchor"]:
        return [_Instruction(_Kind.ASSERT, holds=_assertion(piece["anchor"], "m" in flags))]
    written = piece.group()
    one = re.compile(written, (re.IGNORECASE if "i" in flags else 0) | (re.DOTALL if "s" in flags else 0))
    known: dict[str, bool] = {}

    def accepts(char: str) -> bool:
        if char not in known:
            known[char] = one.fullmatch(char) is not None
        return known[char]

    return [_Instruction(_Kind.CHAR, accepts=accepts)]


def _assertion(anchor: str, multiline: bool) -> Callable[[str, int], bool]:
    match anchor:
        case "^" if multiline:
            return lambda text, place: place == 0 or text[place - 1] == "\n"
        case "$" if multiline:
            return lambda text, place: place == len(text) or text[place] == "\n"
        case "^" | r"\A":
            return lambda text, place: place == 0
        case r"\b":
            return _at_boundary
        case r"\B":
            return lambda text, place: not _at_boundary(text, place)
        case _:
            return lambda text, place: place == len(text)


def _at_boundary(text: str, place: int) -> bool:
    before = place > 0 and _is_word(text[place - 1])
    after = place < len(text) and _is_word(text[place])
    return before != after


def _is_word(char: str) -> bool:
    return char == "_" or char.isalnum()
