"""The parts of hand-written pages that come from tables in the code.

Such a part stands between two comments, `<!-- generated: operators -->` and
`<!-- end of generated -->`; `filled` writes it anew.
"""

import re
from collections.abc import Callable

from sdbql import errors, limits
from sdbql.expression_parser import BINDING_POWER
from sdbql.functions.calendar import DIRECTIVES, UNITS
from sdbql.tokens import CALLABLE_KEYWORDS, KEYWORDS, SOFT_KEYWORDS

PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end of generated -->)", re.DOTALL)


def filled(page: str) -> str:
    """Return the page with each generated part as the tables have it now. Raises KeyError for an unknown part."""
    return PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", page)


def operators() -> str:
    """Return the operators by how tight they bind, the loosest first."""
    levels: dict[int, list[str]] = {}
    for operator, power in BINDING_POWER.items():
        levels.setdefault(power, []).append("? :" if operator == "?" else operator)
    lines = [" ".join(levels[power]) for power in sorted(levels)]
    return "\n".join(["```text", *lines, "NOT ! - ~       (before one operand)", ". ?. [ ] [*]    (after one)", "```", ""])


def reserved_words() -> str:
    """Return the words that name no variable, those that may, and those that are functions too."""
    hard = ", ".join(sorted(KEYWORDS - SOFT_KEYWORDS))
    soft = ", ".join(sorted(SOFT_KEYWORDS))
    called = ", ".join(sorted(CALLABLE_KEYWORDS))
    return (
        f"Reserved: {hard}.\n\nWords of the language that may also name a variable: {soft}.\n\n"
        f"Words that are functions when a bracket follows in an expression: {called}.\n"
    )


def bounds() -> str:
    """Return the bounds of a query with their values."""
    fixed = [name for name in vars(limits) if name.isupper() and name.endswith("_MAX") and name not in NO_ERRORS]
    of_a_run = set(limits.Limits.__dataclass_fields__)
    rows = [
        f"| `{name.lower()}` | {getattr(limits, name):,} | {'`Limits`' if name.lower() in of_a_run else 'fixed'} |"
        for name in fixed
    ]
    return "\n".join(["| bound | value | |", "| --- | --- | --- |", *rows, ""])


def error_kinds() -> str:
    """Return the kinds of errors with their prefixes."""
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.QueryError)]
    rows = [
        f"| `{kind.__name__}` | `{kind.prefix}: …` | {(kind.__doc__ or '').partition(chr(10))[0]} |"
        for kind in kinds
        if kind is not errors.QueryError
    ]
    return "\n".join(["| class | message | when |", "| --- | --- | --- |", *rows, ""])


def date_units() -> str:
    """Return the units of dates with their spellings."""
    spellings: dict[str, list[str]] = {}
    for written, unit in UNITS.items():
        spellings.setdefault(unit, []).append(f"`{written}`")
    return "\n".join([f"- {unit}: {', '.join(written)}" for unit, written in spellings.items()])


def date_formats() -> str:
    """Return the directives of DATE_FORMAT."""
    return " ".join([f"`%{letter}`" for letter in DIRECTIVES])


NO_ERRORS = ("PARSED_QUERIES_MAX",)
"""How many parsed queries are remembered: one more is no error."""

PARTS: dict[str, Callable[[], str]] = {
    "operators": operators,
    "reserved-words": reserved_words,
    "limits": bounds,
    "errors": error_kinds,
}
