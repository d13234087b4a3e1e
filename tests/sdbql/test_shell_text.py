"""The pure parts of the shell: what is whole, what could come next, what a table looks like."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdbql.shell.bind_arguments import bind_argument
from sdbql.shell.commands import COMMANDS, command_in, help_lines
from sdbql.shell.completeness import goes_on_with, needs_more, without_terminator
from sdbql.shell.completion import KnownNames, candidates, field_paths, word_before
from sdbql.shell.line_reader import PipedReader
from sdbql.shell.text_table import CELL_WIDTH_MAX, cell_text, display_width, table_lines

KNOWN = KnownNames(
    {"orders": ("total", "user"), "users": ("address", "address.city", "address.zip", "age", "first name", "name")},
    ("city", "min"),
)

OPEN = [
    "FOR u IN users", "FOR u IN", "RETURN", "RETURN 1 +", "RETURN (1", "RETURN [1,", "RETURN {a: 1", "LET x = 1",
    "RETURN 'ab", "RETURN `ab", "RETURN $'a ${1", "RETURN 'a;", "/* note", "FOR u IN users -- all of them",
    "RETURN CASE WHEN 1 THEN 2", "FOR u IN users\n  FILTER u.age > 1", ".explain FOR u IN users",
]  # fmt: skip
WHOLE = [
    "", "   ", "RETURN 1", "RETURN 1;", "FOR u IN users RETURN u", "RETURN 'a\nb'", "RETURN 1 -- done", "RETURN ';'",
    "RETURN 1 +* 2", "RETURN 1 2", "FOR u IN users;", "FOR u IN users\n", "RETURN 'ab\n", ".help", ".collections",
    ".bind a=(", "exit", "QUIT", "help", ".explain RETURN 1", "}",
]  # fmt: skip


@pytest.mark.parametrize("text", OPEN)
def test_a_query_that_only_lacks_its_end_goes_on(text: str) -> None:
    """In the next line."""
    assert needs_more(text)


@pytest.mark.parametrize("text", WHOLE)
def test_what_is_whole_or_wrong_in_its_middle_or_ended_by_hand_does_not(text: str) -> None:
    """By `;` or an empty line."""
    assert not needs_more(text)


@given(st.text())
def test_every_text_can_be_ended_by_an_empty_line(text: str) -> None:
    """Nobody is ever caught in a query."""
    assert not needs_more(f"{text}\n")


def test_the_terminator_is_no_part_of_a_query() -> None:
    """However many there are; nothing else is taken away."""
    assert without_terminator("RETURN 1; ;\n") == "RETURN 1"
    assert without_terminator("RETURN ';' ") == "RETURN ';' "


@pytest.mark.parametrize(
    ("text", "line", "goes_on"),
    [
        ("RETURN 1", "  + 2", True),
        ("RETURN u", "  .name", True),
        ("FOR u IN users RETURN u.a", "  + (", True),
        ("RETURN 1", "RETURN 2", False),
        ("RETURN 1", "FOR u IN users", False),
        ("RETURN 1", "", False),
        ("RETURN 1", ".help", False),
        ("RETURN 1;", "+ 2", False),
    ],
)
def test_a_line_belongs_to_the_query_before_it_if_it_can(text: str, line: str, goes_on: bool) -> None:
    """So that a query may stand in a file as people write it."""
    assert goes_on_with(text, line) is goes_on


def test_lines_from_a_pipe_become_queries() -> None:
    """Also without any `;`."""
    text = "FOR u IN users\n  RETURN u\n    .name\nRETURN 1;\n\nRETURN 2\n.json\nRETURN (\n3\n"
    reader = PipedReader(iter(text.splitlines(keepends=True)))
    read = []
    while True:
        try:
            read.append(reader.read())
        except EOFError:
            break
    assert read == [
        "FOR u IN users\n  RETURN u\n    .name", "RETURN 1;", "RETURN 2", ".json", "RETURN (\n3",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FOR u IN us", ["users"]),
        ("FOR u IN ord", ["orders"]),
        ("FOR u IN users FILTER u.", ["address", "age", "name"]),
        ("FOR u IN users FILTER u.a", ["address", "age"]),
        ("FOR u IN users FILTER u.address.", ["city", "zip"]),
        ("FOR u IN users FILTER u?.address?.z", ["zip"]),
        ("FOR o IN orders FOR u IN users RETURN o.", ["total", "user"]),
        ("FOR o IN orders JOIN users ON users.na", ["name"]),
        ("LET x = FIRST(users) RETURN x.to", ["total"]),
        ("FOR user IN users RETURN use", ["user", "users"]),
        ("LET total = 1 RETURN tota", ["total"]),
        ("FOR u IN users FILTER u.age > @", ["city", "min"]),
        ("FOR u IN users FILTER u.age > @m", ["min"]),
        ("RETURN leng", ["LENGTH("]),
        ("fil", ["FILTER", "FILTER("]),
        ("RETURN 'us", []),
        ("RETURN 1 /* us", []),
        (".coll", ["collections"]),
        (".fields u", ["users"]),
        (".json o", ["on", "off"]),
        (".bind m", ["min"]),
        (".explain FOR u IN us", ["users"]),
        (".nonsense u", []),
    ],
)
def test_completion_offers_what_could_stand_there(text: str, found: list[str]) -> None:
    """By the words before the cursor."""
    assert candidates(text, len(text), KNOWN) == found


def test_only_what_is_before_the_cursor_counts() -> None:
    """And its word is what is replaced."""
    assert candidates("FOR u IN us RETURN u", 11, KNOWN) == ["users"]
    assert word_before("FOR u IN us") == "us"
    assert word_before("1 + 2") == ""


@given(st.text(max_size=40), st.integers(0, 40))
def test_completion_never_fails_and_offers_only_words_that_begin_like_the_one_typed(text: str, cursor: int) -> None:
    """Whatever stands there."""
    word = word_before(text[:cursor]).lower()
    assert all(name.lower().startswith(word) for name in candidates(text, cursor, KNOWN))


def test_field_paths_are_those_of_all_documents_as_deep_as_three() -> None:
    """Sorted; arrays are not looked into."""
    documents = [{"a": {"b": {"c": {"d": 1}}}}, {"z": [{"y": 1}]}]
    assert field_paths(documents) == ("a", "a.b", "a.b.c", "z")


def test_rows_that_are_objects_have_a_column_for_each_attribute() -> None:
    """In the order in which they first appear; null is shown and a missing one is not; numbers are set right."""
    rows = [{"name": "Zoë", "age": 7}, {"name": "李小龙", "age": 30, "tags": ["a", 1.0]}, {"age": None}]
    assert table_lines(rows) == [
        "name     age  tags",
        "------  ----  -------",
        "Zoë        7",
        "李小龙    30  [\"a\",1]",
        "        null",
    ]  # fmt: skip


def test_other_rows_are_one_column() -> None:
    """Also where only some are no objects; strings stand without quotes."""
    assert table_lines(["a", {"b": 1}, None, True]) == ["result", "-------", "a", '{"b":1}', "null", "true"]
    assert table_lines([1, 22]) == ["result", "------", "     1", "    22"]
    assert table_lines([{}]) == ["result", "------", "{}"]


def test_a_cell_is_one_line_and_steers_no_terminal() -> None:
    """Control characters are shown as escapes."""
    assert cell_text("a\nb\tc\x1b[31m\u202e") == "a\\nb\\tc\\u001b[31m\\u202e"
    assert cell_text({"a": "x\ny"}) == '{"a":"x\\ny"}'


def test_long_cells_are_cut_to_the_width_of_the_table() -> None:
    """The longest first; wide characters are not cut in half."""
    rows = [{"short": "ok", "long": "x" * 200, "wide": "李" * 50}]
    lines = table_lines(rows, width=40)
    assert max(display_width(line) for line in lines) <= 40
    assert lines[2].startswith("ok     xxxxx")
    assert lines[2].count("…") == 2
    assert display_width(table_lines(rows)[2]) <= CELL_WIDTH_MAX * 2 + 9


@given(st.lists(st.dictionaries(st.text(max_size=5), st.none() | st.integers() | st.text(max_size=90)), max_size=4))
def test_a_table_has_as_many_lines_as_rows_and_two_more(rows: list[dict[str, object]]) -> None:
    """And none of them breaks."""
    lines = table_lines(rows, width=60)
    assert len(lines) == len(rows) + 2
    assert all(line.isprintable() for line in lines)


def test_a_bind_is_json_or_text() -> None:
    """With or without its sign."""
    assert [bind_argument(text) for text in ("a=1", "@b=x y", "@@c=users", 'd=["1"]', "e=NaN", "f=")] == [
        ("a", 1), ("b", "x y"), ("c", "users"), ("d", ["1"]), ("e", "NaN"), ("f", ""),
    ]  # fmt: skip
    for text in ("a", "=1", ""):
        with pytest.raises(ValueError, match="expected NAME=VALUE"):
            bind_argument(text)


def test_commands_have_a_dot_or_are_what_people_type_first() -> None:
    """And the help names every one of them."""
    assert command_in(" .EXPLAIN RETURN 1 ") == ("explain", "RETURN 1")
    assert [command_in(text) for text in (".q", ".", "Exit", "FOR u IN users")] == [
        ("quit", ""),
        ("", ""),
        ("quit", ""),
        None,
    ]
    assert all(any(f".{command.name}" in line for line in help_lines()) for command in COMMANDS)
