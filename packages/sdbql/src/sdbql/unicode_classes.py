r"""Classes of characters by their Unicode category, such as `\p{Lu}`, spelt as ranges.

A pattern names a general category by its short or its long name; `\P` is everything else.
Scripts, such as `\p{Greek}`, are not known here. The ranges are worked out when a pattern
first asks for one, since that looks at every character there is.
"""

import itertools
import sys
import unicodedata
from functools import lru_cache

Ranges = tuple[tuple[int, int], ...]
"""First and last code points, ascending."""

LONG_NAMES = {
    "letter": "L",
    "uppercase_letter": "Lu",
    "lowercase_letter": "Ll",
    "titlecase_letter": "Lt",
    "modifier_letter": "Lm",
    "other_letter": "Lo",
    "mark": "M",
    "number": "N",
    "decimal_number": "Nd",
    "letter_number": "Nl",
    "other_number": "No",
    "punctuation": "P",
    "symbol": "S",
    "currency_symbol": "Sc",
    "math_symbol": "Sm",
    "separator": "Z",
    "space_separator": "Zs",
    "other": "C",
    "control": "Cc",
}


@lru_cache(maxsize=128)
def members(name: str, *, negated: bool = False) -> str | None:
    """Return what stands between brackets to match a category, or None for an unknown name."""
    category = LONG_NAMES.get(name.lower(), name)
    ranges = tuple(sorted(one for known, found in _ranges().items() if known.startswith(category) for one in found))
    if not ranges:
        return None
    return "".join([f"\\U{first:08x}-\\U{last:08x}" for first, last in (_others(ranges) if negated else ranges)])


@lru_cache(maxsize=1)
def _ranges() -> dict[str, Ranges]:
    """Return the ranges of each two-letter category."""
    found: dict[str, list[tuple[int, int]]] = {}
    start, before = 0, unicodedata.category("\0")
    for code in range(1, sys.maxunicode + 2):
        category = unicodedata.category(chr(code)) if code <= sys.maxunicode else ""
        if category != before:
            found.setdefault(before, []).append((start, code - 1))
            start, before = code, category
    return {category: tuple(ranges) for category, ranges in found.items()}


def _others(ranges: Ranges) -> Ranges:
    """Return the ranges between these."""
    edges = [(-1, -1), *ranges, (sys.maxunicode + 1, sys.maxunicode + 1)]
    return tuple([(last + 1, first - 1) for (_, last), (first, _) in itertools.pairwise(edges) if last + 1 < first])
