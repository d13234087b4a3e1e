"""The pages of `docs/sdbql`: up to date, complete, and every example gives what it shows."""

import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sdbql
from sdbql.expression_parser import BINDING_POWER
from sdbql.functions import catalog
from sdbql.functions.aggregates import AGGREGATES
from sdbql.lexer import tokenize
from sdbql.parser import CLAUSES
from sdbql.reference.examples import Example, examples_in, examples_on, printed
from sdbql.reference.function_pages import SUBJECTS, Documentation, documented, function_pages
from sdbql.reference.tables import PART, PARTS, filled
from sdbql.tokens import Token, TokenKind

PAGES = Path(__file__).parents[2] / "docs" / "sdbql"
NOW_MS = 1_705_314_600_123  # 2024-01-15T10:30:00.123Z
ERRORS = ("Parse error:", "Execution error:", "Operation not supported:", "Collection not found:")
DATA: dict[str, Any] = json.loads(
    re.findall(r"^```json\n(.*?)^```$", (PAGES / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)[0]
)
DOCUMENTED = [one for subject in SUBJECTS for one in documented(subject.builtins)]


def written_pages() -> list[Path]:
    """Return all pages, in the same order every time."""
    return sorted(PAGES.rglob("*.md"))


def examples_of(path: Path) -> list[Example]:
    """Return the examples on a page."""
    return examples_on(path.read_text(encoding="utf-8"))


def tokens_of(example: Example) -> Iterator[Token]:
    """Return the tokens of an example, also those inside templates; none when it does not even have tokens."""
    try:
        waiting = list(tokenize(example.text))
    except sdbql.ParseError:
        return
    while waiting:
        token = waiting.pop(0)
        yield token
        if token.kind is TokenKind.TEMPLATE and isinstance(token.value, tuple):
            waiting += [inner for part in token.value if not isinstance(part, str) for inner in part]


def outcome(example: Example) -> str:
    """Run an example; return its result, or its error: whole if the example shows more than one line."""
    try:
        results = sdbql.run(example.query, example.binds, DATA, now_ms=NOW_MS, random_number=lambda: 0.5)
    except sdbql.QueryError as error:
        return str(error) if "\n" in example.expected else error.message
    return printed(results if example.is_query else results[0])


@pytest.mark.parametrize("path", written_pages(), ids=lambda path: str(path.relative_to(PAGES)))
def test_every_example_on_a_page_gives_what_it_shows(path: Path) -> None:
    """Exactly as it is printed."""
    for example in examples_of(path):
        assert f"{example.text}\n=> {outcome(example)}" == f"{example.text}\n=> {example.expected}"


def test_an_example_that_shows_something_else_is_noticed() -> None:
    """The check above can fail."""
    [right, wrong] = examples_in("1 + 1 => 2\n\nRETURN 1 + 1\n=> [3]")
    assert outcome(right) == right.expected
    assert outcome(wrong) != wrong.expected


def test_an_example_without_a_result_is_refused() -> None:
    """A query that nobody checks must not stand among those that are checked."""
    with pytest.raises(ValueError, match="an example without a result: RETURN 1"):
        examples_in("RETURN 1\n")


def test_the_pages_made_from_tables_are_up_to_date() -> None:
    """Otherwise: make reference."""
    made = {PAGES / "functions" / name: text for name, text in function_pages().items()}
    assert set((PAGES / "functions").glob("*.md")) == set(made)
    for path, text in made.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is stale: make reference"


def test_the_generated_parts_of_other_pages_are_up_to_date() -> None:
    """And every part that can be made stands on some page."""
    found = set()
    for path in written_pages():
        page = path.read_text(encoding="utf-8")
        found |= {part[2] for part in PART.finditer(page)}
        assert filled(page) == page, f"{path.name} is stale: make reference"
    assert found == set(PARTS)


def test_the_python_on_the_index_gives_what_its_comments_say() -> None:
    """Each expression with the result behind it."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", (PAGES / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    shown = [line.rpartition("  # ") for block in blocks for line in block.split("\n") if "  # " in line]
    assert len(shown) == len(blocks)
    for expression, _, expected in shown:
        assert repr(eval(expression, {"sdbql": sdbql})) == expected


def test_every_builtin_is_on_one_page() -> None:
    """With all its names, and there is nothing else."""
    assert sorted(name for one in DOCUMENTED for name in one.names) == sorted(catalog.BUILTINS)


@pytest.mark.parametrize("one", DOCUMENTED, ids=lambda one: one.names[0])
def test_every_builtin_says_what_it_does_and_shows_it(one: Documentation) -> None:
    """A summary of one sentence on one line, and at least two examples that call it."""
    assert re.fullmatch(r"[A-Z][^\n]*\.", one.summary)
    called = [example for example in one.examples if one.names[0] in calls_of(example)]
    assert len(called) >= 2
    assert one.usage.startswith(f"{one.names[0]}(")


def calls_of(example: Example) -> set[str]:
    """Return the names that are followed by a bracket in an example."""
    tokens = list(tokens_of(example))
    return {one.text.upper() for one, after in itertools.pairwise(tokens) if after.text == "("}


def test_every_clause_is_shown_on_a_page_of_its_own() -> None:
    """Each word that begins a clause begins or continues a query on one of the pages under `clauses`."""
    shown = {
        token.word for path in (PAGES / "clauses").glob("*.md") for one in examples_of(path) for token in tokens_of(one)
    }
    assert set(CLAUSES) - shown == set()
    headings = "\n".join([path.read_text(encoding="utf-8") for path in (PAGES / "clauses").glob("*.md")])
    for word in CLAUSES:
        assert re.search(rf"\b{word}\b", headings), word


def test_every_operator_is_shown() -> None:
    """On the page of operators, each in an example."""
    found: set[str] = set()
    for example in examples_of(PAGES / "operators.md"):
        words = [token.word or token.text for token in tokens_of(example) if token.kind is not TokenKind.STRING]
        found |= {*words, *[" ".join(pair) for pair in itertools.pairwise(words)]}
    assert {*BINDING_POWER, "NOT", "!", "~", ":"} - found == set()


def test_every_aggregate_is_shown() -> None:
    """On the page of COLLECT."""
    called = {name for example in examples_of(PAGES / "clauses" / "collect.md") for name in calls_of(example)}
    assert set(AGGREGATES) - called == set()


@pytest.mark.parametrize("name", ["from-aql.md", "from-sql.md"])
def test_every_query_in_a_table_of_equivalents_is_one(name: str) -> None:
    """What stands alone in the column of SDBQL parses, and its functions exist."""
    rows = re.findall(r"^\| .* \| `([^`]+)` \|$", (PAGES / name).read_text(encoding="utf-8"), re.MULTILINE)
    assert len(rows) > 10
    for row in rows:
        sdbql.parse(row.replace("\\|", "|"))


@pytest.mark.parametrize("path", written_pages(), ids=lambda path: str(path.relative_to(PAGES)))
def test_every_link_leads_somewhere(path: Path) -> None:
    """To a file that is there, and to a heading or an anchor in it."""
    for target in re.findall(
        r"\]\(([^)\s]+)\)", re.sub(r"```.*?```|`[^`]*`", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    ):
        file, _, anchor = target.partition("#")
        page = (path.parent / file).resolve() if file else path
        assert page.is_file(), target
        assert not anchor or anchor in anchors(page.read_text(encoding="utf-8")), target


def anchors(page: str) -> set[str]:
    """Return what a link can point at: headings as they are spelt in addresses, and ids."""
    headings = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    spelt = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return spelt | set(re.findall(r'<a id="([^"]+)">', page))
