"""The linear engine finds what `re` finds, and no pattern takes forever."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdbql
from sdbql.linear_regex import compile_linear
from sdbql.regular_expressions import compile_pattern, edit_distance, is_like, matches

atoms = st.sampled_from(["a", "b", "c", ".", "[ab]", "[^a]", r"\w", r"\d", r"\.", "ab"])
quantifiers = st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,}", "{0,2}", "{1,2}?"])


def compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return patterns one level deeper."""
    return st.one_of(
        st.builds("{}{}".format, inner, inner),
        st.builds("({}|{})".format, inner, inner),
        st.builds("(?:{}|{})".format, inner, inner),
        st.builds("({}{}{})".format, atoms, inner, atoms),
        st.builds("(?:{}{}){}".format, atoms, inner, quantifiers),
        st.builds("{}{}".format, st.sampled_from(["a", "b", ".", "[ab]"]), quantifiers),
        st.builds("{}{}{}".format, st.sampled_from(["^", "", r"\b", "(?i)"]), inner, st.sampled_from([r"\Z", "", r"\B"])),
    )


patterns = st.recursive(atoms, compound, max_leaves=6)


@given(patterns, st.text(alphabet="abcA. 1\n", min_size=1, max_size=8))
@settings(max_examples=400)
def test_the_linear_engine_finds_what_re_finds(pattern: str, text: str) -> None:
    """The same matches, with the same preferences; `re` has its own way to go on after an empty one."""
    try:
        expected = [found.span() for found in re.finditer(pattern.replace(r"\B", r"(?!\b)"), text)]
    except re.error:
        return
    actual = [(found.start(), found.end()) for found in compile_linear(pattern).finditer(text)]
    assert actual[:1] == expected[:1]
    if all(start < end for start, end in expected):
        assert actual == expected


@given(patterns, st.text(alphabet="abc1", max_size=8))
def test_the_linear_engine_captures_what_re_captures(pattern: str, text: str) -> None:
    """Also what the groups hold, where no group is repeated."""
    try:
        expected = re.search(f"({pattern})(c?)".replace(r"\B", r"(?!\b)"), text)
    except re.error:
        return
    found = compile_linear(f"({pattern})(c?)").search(text)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert found[1] == expected[1]


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "(a*)*b",
        "a*a*a*a*a*a*a*a*a*a*b",
        "(.*)(.*)(.*)(.*)(.*)x",
        "^(a?){50}a{50}$!",
        "(a{1,30}){1,30}b",
    ],
)
def test_no_pattern_takes_forever(pattern: str) -> None:
    """Each of these would keep `re` busy for longer than anybody waits."""
    assert matches("a" * 300 + "!", pattern) is False


def test_a_long_text_is_refused_rather_than_waited_for() -> None:
    """Even linear time is bounded."""
    with pytest.raises(sdbql.QueryLimitError, match="regex_work_max"):
        matches("a" * 10_000_000, "^(a+)+$")
    with pytest.raises(sdbql.QueryLimitError, match="like_pattern_length_max"):
        is_like("a", "a%" * 10_000)
    with pytest.raises(sdbql.QueryLimitError, match="edit_cells_max"):
        edit_distance("a" * 10_000, "b" * 10_000, 10_000)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("a*b", "a" * 20_000),
        ("a*a*b", "a" * 2_000),
        ("a?" * 30 + "a" * 30 + "[bc]", "a" * 60),
        ("(a|a)" * 30 + "[bc]", "a" * 60),
        ("(?:(?:(?:(?:a{9}){9}){9}){9})[bc]", "a" * 5_000),
    ],
)
def test_the_work_of_a_pattern_is_counted_as_steps(pattern: str, text: str) -> None:
    """Also where there are no more than two repetitions: a run with few steps ends, whatever the pattern."""
    limits = sdbql.Limits(steps_max=5_000)
    with pytest.raises(sdbql.QueryLimitError, match="steps_max"):
        sdbql.run("FOR i IN 1..1000 RETURN @text =~ @pattern", {"text": text, "pattern": pattern}, limits=limits)


@given(patterns, st.text(alphabet="abc1", max_size=8))
def test_both_engines_agree_through_the_language(pattern: str, text: str) -> None:
    """Whichever engine a pattern gets, a longer text with the same match gets the same answer."""
    compiled = compile_pattern(pattern)
    if compiled is not None:
        found, slowly = compiled.search(text), compile_linear(pattern).search(text)
        assert (found is None) == (slowly is None)
        assert found is None or slowly is None or (found.start(), found.end()) == (slowly.start(), slowly.end())


def test_no_boundary_is_found_in_an_empty_text() -> None:
    r"""`\B` matches where `\b` does not, in every version of Python."""
    assert matches("", r"\B")
    assert not matches("", r"\b")
    assert matches("ab", r"a\Bb")


def edit_distance_by_definition(left: str, right: str) -> int:
    """Levenshtein's distance as one would define it."""
    if not left or not right:
        return len(left) + len(right)
    return min(
        edit_distance_by_definition(left[1:], right) + 1,
        edit_distance_by_definition(left, right[1:]) + 1,
        edit_distance_by_definition(left[1:], right[1:]) + (left[0] != right[0]),
    )


@given(st.text(alphabet="ab", max_size=6), st.text(alphabet="ab", max_size=6), st.integers(0, 7))
def test_edit_distance_is_what_its_definition_says(left: str, right: str, most: int) -> None:
    """Up to the distance asked for; above it, only that it is above."""
    distance = edit_distance_by_definition(left, right)
    found = edit_distance(left, right, most)
    assert found == distance if distance <= most else found > most


def test_long_texts_a_few_edits_apart_are_compared() -> None:
    """The time grows with the length, not with its square."""
    long = "abcdefghij" * 10_000
    assert sdbql.run("RETURN [@a ~= @b, @a ~= @c]", {"a": long, "b": "x" + long, "c": "xyz" + long}) == [[True, False]]


@pytest.mark.parametrize("pattern", ["(", "a" * 1_001, r"(a)\1", "(?=a)", "(?<!a)b", "[", "*"])
def test_what_is_no_pattern_of_the_language_matches_nothing(pattern: str) -> None:
    """Neither an error nor a match."""
    assert compile_pattern(pattern) is None


def like_by_definition(text: str, pattern: str) -> bool:
    """LIKE as one would define it, without any care for time."""
    if not pattern:
        return not text
    if pattern[0] == "%":
        return any(like_by_definition(text[start:], pattern[1:]) for start in range(len(text) + 1))
    if pattern[0] == "\\" and pattern[1:2] in ("%", "_", "\\"):
        return text[:1] == pattern[1] and like_by_definition(text[1:], pattern[2:])
    return bool(text) and pattern[0] in ("_", text[0]) and like_by_definition(text[1:], pattern[1:])


@given(st.text(alphabet="ab%_\\\n", max_size=6), st.text(alphabet="ab%_\\", max_size=6))
@settings(max_examples=500)
def test_like_is_what_its_definition_says(text: str, pattern: str) -> None:
    """Found by searching piece after piece, and yet the same."""
    assert is_like(text, pattern) == like_by_definition(text, pattern)
