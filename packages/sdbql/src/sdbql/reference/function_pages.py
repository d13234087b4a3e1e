"""One page for each subject of builtins, made from the tables and from what the functions say.

A function's docstring is its documentation: a summary, perhaps more, and examples, which
begin at the first line with `=>`. Its parameters are those of the Python function.
"""

import inspect
from dataclasses import dataclass

from sdbql.functions import aggregates, catalog
from sdbql.functions.array_statistics import ARRAY_STATISTICS
from sdbql.functions.arrays import ARRAY_FUNCTIONS
from sdbql.functions.builtin import Builtin, Table
from sdbql.functions.dates import DATE_FUNCTIONS
from sdbql.functions.higher_order import HIGHER_ORDER_FUNCTIONS
from sdbql.functions.numbers import NUMBER_FUNCTIONS
from sdbql.functions.objects import OBJECT_FUNCTIONS
from sdbql.functions.strings import STRING_FUNCTIONS
from sdbql.functions.text_search import TEXT_SEARCH_FUNCTIONS
from sdbql.functions.types import TYPE_FUNCTIONS
from sdbql.reference.examples import GIVES, Example, examples_in
from sdbql.reference.tables import date_formats, date_units

MADE = "<!-- Made from the tables in the code by `make reference`; edit those. -->"


@dataclass(frozen=True, slots=True)
class Subject:
    """A page of builtins: its file, its title, what holds for all of them, and the table."""

    file: str
    title: str
    about: str
    builtins: Table


SUBJECTS = (
    Subject(
        "text",
        "Text",
        "Any value is taken as text: null is empty, and other values are shown as [TO_STRING](#to_string) shows them. "
        "Lengths and places are counted in characters, from 0.",
        STRING_FUNCTIONS,
    ),
    Subject(
        "text-search",
        "Searching and replacing text",
        "Any value is taken as text, as on the page [Text](text.md). Patterns are described with the operator "
        "[`=~`](../operators.md#patterns); an invalid one matches nothing.",
        TEXT_SEARCH_FUNCTIONS,
    ),
    Subject(
        "arrays",
        "Arrays",
        "A first argument that is no array gives null, unless the function says otherwise. No function changes its "
        "argument: each returns a new array. Values are compared as [`==`](../operators.md#comparing) compares them.",
        ARRAY_FUNCTIONS,
    ),
    Subject(
        "statistics",
        "Sums and statistics",
        "These make one value of an array. What is no number is ignored, except by MIN, MAX and the counts. "
        "For the rows of a group there are [aggregates](aggregates.md) of the same names.",
        ARRAY_STATISTICS,
    ),
    Subject(
        "higher-order",
        "Functions that take a lambda",
        "The first argument must be an array. Each can also be written after [`|>`](../operators.md#pipelines), and a "
        "lambda sees all variables around it; see [lambdas](../expressions.md#lambdas).",
        HIGHER_ORDER_FUNCTIONS,
    ),
    Subject(
        "numbers",
        "Numbers",
        "An argument that is no number, null included, is an error. A result without a fraction is an integer.",
        NUMBER_FUNCTIONS,
    ),
    Subject(
        "dates",
        "Dates",
        "A date is a number of milliseconds since 1970, or text: `2024-01-31`, `2024-01-31 10:30:00`, "
        "`2024-01-31T10:30:00.123Z` or with an offset such as `+02:00`. Without an offset it is UTC. Dates come out as "
        "`YYYY-MM-DDTHH:MM:SS.mmmZ`.\n\nUnits may be written in capitals too; mind that `m` is a month:\n\n"
        f"{date_units()}\n\nThe formats of [DATE_FORMAT](#date_format), those of strftime, in English: {date_formats()}",
        DATE_FUNCTIONS,
    ),
    Subject(
        "types",
        "Types and choices",
        "Which values count as true is said on the page [values](../values.md#truth).",
        TYPE_FUNCTIONS,
    ),
    Subject(
        "objects",
        "Objects and JSON",
        "Keys come in ascending order wherever an order shows. No function changes its argument.",
        OBJECT_FUNCTIONS,
    ),
)


@dataclass(frozen=True, slots=True)
class Documentation:
    """What is said about a builtin."""

    names: tuple[str, ...]
    usage: str
    text: str
    examples: tuple[Example, ...]

    @property
    def summary(self) -> str:
        """The first paragraph."""
        return self.text.partition("\n\n")[0]


def documented(builtins: Table) -> list[Documentation]:
    """Return what is said about each function of a table, its other names included."""
    names: dict[int, list[str]] = {}
    for name, builtin in builtins.items():
        names.setdefault(id(builtin.call), []).append(name)
    return [_documentation(builtins[same[0]], tuple(same)) for same in names.values()]


def _documentation(builtin: Builtin, names: tuple[str, ...]) -> Documentation:
    lines = inspect.cleandoc(builtin.call.__doc__ or "").split("\n")
    first = next((place for place, line in enumerate(lines) if GIVES in line), len(lines))
    examples = examples_in("\n".join(lines[first:]))
    return Documentation(names, builtin.written(), "\n".join(lines[:first]).strip(), tuple(examples))


def function_pages() -> dict[str, str]:
    """Return the text of each page under `functions/`, by file name."""
    pages = {f"{subject.file}.md": _page(subject) for subject in SUBJECTS}
    return {"README.md": _index(), **pages, "aggregates.md": _aggregates(), "server-only.md": _server_only()}


def _page(subject: Subject) -> str:
    sections = [_section(one) for one in documented(subject.builtins)]
    return "\n\n".join([f"# {subject.title}", MADE, subject.about, *sections]) + "\n"


def _section(one: Documentation) -> str:
    aliases = "".join([f'<a id="{name.lower()}"></a>' for name in one.names[1:]])
    also = f", also written {_listed(one.names[1:])}" if aliases else ""
    width = max((len(example.text) for example in one.examples), default=0)
    shown = "\n".join([f"{example.text:{width}}{GIVES}{example.expected}" for example in one.examples])
    return f"## {one.names[0]}\n\n{aliases}`{one.usage}`{also}\n\n{one.text}\n\n```sdbql\n{shown}\n```"


def _listed(names: tuple[str, ...]) -> str:
    return " or ".join([f"`{name}`" for name in names])


def _index() -> str:
    rows = []
    for subject in SUBJECTS:
        rows += [
            (name, f"| [{name}]({subject.file}.md#{name.lower()}) | {one.summary.replace('|', chr(92) + '|')} |")
            for one in documented(subject.builtins)
            for name in one.names
        ]
    subjects = "\n".join([f"- [{subject.title}]({subject.file}.md)" for subject in SUBJECTS])
    more = "- [Aggregates of COLLECT](aggregates.md)\n- [Functions that need a server](server-only.md)"
    table = "\n".join(["| function | what it does |", "| --- | --- |", *[row for _, row in sorted(rows)]])
    about = (
        "Names may be written in any case. A wrong number of arguments and an unknown name are errors before any row is "
        "read. Where an integer is wanted, 2.0 is as good as 2, and 2.5 is an error."
    )
    return f"# Functions\n\n{MADE}\n\n{about}\n\n{subjects}\n{more}\n\n{table}\n"


def _aggregates() -> str:
    names: dict[int, list[str]] = {}
    for name, function in aggregates.AGGREGATES.items():
        names.setdefault(id(function), []).append(name)
    rows = [f"| {_listed(tuple(same))} | {_says(same[0])} |" for same in names.values()]
    about = (
        "The functions of [COLLECT … AGGREGATE](../clauses/collect.md#aggregates), over the values of a group's rows in "
        "their order. `COUNT()` without an argument counts rows."
    )
    return "\n".join(["# Aggregates", "", MADE, "", about, "", "| aggregate | result |", "| --- | --- |", *rows, ""])


def _says(name: str) -> str:
    return inspect.cleandoc(aggregates.AGGREGATES[name].__doc__ or "").partition("\n")[0]


def _server_only() -> str:
    advice: dict[str, list[str]] = {}
    for name, instead in catalog.SERVER_ONLY.items():
        advice.setdefault(instead, []).append(name)
    for prefix, instead in catalog.SERVER_ONLY_PREFIXES.items():
        advice.setdefault(instead, []).append(f"{prefix}…")
    rows = [f"| {', '.join([f'`{name}`' for name in names])} | {instead} |" for instead, names in advice.items()]
    about = (
        "A query that calls one of these is refused before any row is read, wherever the call stands, with an "
        "`UnsupportedOfflineError` that names the function and says what to do instead."
    )
    head = ["# Functions that need a server", "", MADE, "", about, ""]
    return "\n".join([*head, "| function | instead |", "| --- | --- |", *rows, ""])
