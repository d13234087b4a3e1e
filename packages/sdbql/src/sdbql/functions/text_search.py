"""Text builtins that search, replace and compare. Places are in characters; null counts as empty text.

Patterns are those of `regular_expressions`; an invalid one matches nothing.
"""

import re
from itertools import islice

from sdbql.execution_context import ExecutionContext
from sdbql.functions import higher_order
from sdbql.functions.builtin import Builtin, integer, table, text
from sdbql.functions.lambda_value import LambdaValue
from sdbql.regular_expressions import (
    all_matches,
    compile_pattern,
    edit_distance,
    expand_replacement,
    is_fuzzy_match,
    matches,
)
from sdbql.values import Value, equal


def contains(where: Value, what: Value, wants_index: Value = False) -> Value:
    """Look for a text in a text, or a value in an array; with a third argument, where it is.

    CONTAINS("hello", "ell") => true
    CONTAINS("hello", "l", true) => 2
    CONTAINS("hello", "x", true) => -1
    CONTAINS([1, 2], 2.0) => true
    CONTAINS("abc", "") => true
    """
    if isinstance(where, list):
        index = next((place for place, element in enumerate(where) if equal(element, what)), -1)
    else:
        index = text(where).find(text(what))
    return index if wants_index else index >= 0


def starts_with(value: Value, prefix: Value) -> Value:
    """Tell whether the text starts with the prefix.

    STARTS_WITH("Paris", "Pa") => true
    STARTS_WITH("Paris", "pa") => false
    STARTS_WITH(null, "") => true
    """
    return text(value).startswith(text(prefix))


def ends_with(value: Value, suffix: Value) -> Value:
    """Tell whether the text ends with the suffix.

    ENDS_WITH("Paris", "is") => true
    ENDS_WITH("s", "is") => false
    """
    return text(value).endswith(text(suffix))


def find_first(context: ExecutionContext, value: Value, what: Value) -> Value:
    """Return the place of the first occurrence, or -1; with a lambda, as FIND.

    FIND_FIRST("ñañ", "a") => 1
    FIND_FIRST("abc", "x") => -1
    FIND_FIRST("abc", "") => 0
    FIND_FIRST([5, 12, 20], n -> n > 10) => 12
    """
    if isinstance(what, LambdaValue):
        return higher_order.find(context, value, what)
    context.spend_on([value])
    return text(value).find(text(what))


def find_last(value: Value, what: Value) -> Value:
    """Return the place of the last occurrence, or -1.

    FIND_LAST("abab", "ab") => 2
    FIND_LAST("abc", "x") => -1
    FIND_LAST("abc", "") => 3
    """
    return text(value).rfind(text(what))


def replace(context: ExecutionContext, value: Value, find: Value, replacement: Value) -> Value:
    """Replace all occurrences literally.

    REPLACE("a.b.c", ".", "-") => "a-b-c"
    REPLACE("aaa", "aa", "b") => "ba"
    REPLACE("abc", "", "x") => "abc"
    REPLACE("abc", "b", null) => "ac"
    """
    return substitute_once(context, text(value), text(find), text(replacement), -1)


def substitute_once(context: ExecutionContext, whole: str, find: str, replacement: str, limit: int) -> str:
    """Replace at most `limit` occurrences (all when negative); an empty `find` changes nothing."""
    if not find:
        return whole
    found = whole.count(find)
    context.allow_text(len(whole) + (found if limit < 0 else min(found, limit)) * len(replacement))
    return whole.replace(find, replacement, limit)


def substitute(context: ExecutionContext, value: Value, find: Value, *rest: Value) -> Value:
    """Replace literally: (s, find, replacement[, limit]) or (s, {find: replacement}[, limit]).

    SUBSTITUTE("aaa", "a", "b", 2) => "bba"
    SUBSTITUTE("a or b", {a: "b", b: "a"}) => "b or a"
    SUBSTITUTE("aab", {a: "x"}, 1) => "xab"
    SUBSTITUTE("abc", "b") => "ac"
    """
    if isinstance(find, dict):
        limit = integer("SUBSTITUTE", rest[0]) if rest else -1
        return _substitute_all(context, text(value), {key: text(find[key]) for key in find if key}, limit)
    replacement = text(rest[0]) if rest else ""
    limit = integer("SUBSTITUTE", rest[1]) if len(rest) > 1 else -1
    return substitute_once(context, text(value), text(find), replacement, limit)


def _substitute_all(context: ExecutionContext, whole: str, pairs: dict[str, str], limit: int) -> str:
    if not pairs or limit == 0:
        return whole
    longest_first = sorted(pairs, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    held = len(whole)

    def replaced(found: re.Match[str]) -> str:
        nonlocal held
        held += len(pairs[found.group()])
        context.allow_text(held)
        return pairs[found.group()]

    return pattern.sub(replaced, whole, count=max(0, limit))


def regex_test(context: ExecutionContext, value: Value, pattern: Value) -> Value:
    r"""Tell whether the pattern matches anywhere.

    REGEX_TEST("abc123", "\\d+") => true
    REGEX_TEST("ABC", "(?i)b") => true
    REGEX_TEST("abc", "(") => false
    """
    return matches(text(value), text(pattern), context.spend)


def regex_replace(
    context: ExecutionContext, value: Value, pattern: Value, replacement: Value, ignore_case: Value = False
) -> Value:
    r"""Replace all matches; `$1`, `${name}` and `$$` work in the replacement.

    REGEX_REPLACE("Ann Lee", "(\\w+) (\\w+)", "$2, $1") => "Lee, Ann"
    REGEX_REPLACE("aAa", "a", "x", true) => "xxx"
    REGEX_REPLACE("5", "5", "$$5") => "$5"
    REGEX_REPLACE("abc", "(", "x") => "abc"
    """
    compiled = compile_pattern(text(pattern), ignore_case=bool(ignore_case))
    whole, template = text(value), text(replacement)
    if compiled is None:
        return whole
    pieces: list[str] = []
    position = held = 0
    for found in all_matches(compiled, whole, context.spend):
        pieces += [whole[position : found.start()], expand_replacement(found, template)]
        held += len(pieces[-1])
        context.allow_text(held)
        position = found.end()
    return "".join([*pieces, whole[position:]])


def regex_matches(context: ExecutionContext, value: Value, pattern: Value) -> Value:
    r"""Return all matched pieces.

    REGEX_MATCHES("a1b22", "\\d+") => ["1", "22"]
    REGEX_MATCHES("abc", "\\d") => []
    REGEX_MATCHES("abc", "(") => []
    """
    compiled = compile_pattern(text(pattern))
    if compiled is None:
        return []
    found = all_matches(compiled, text(value), context.spend)
    pieces = [match.group() for match in islice(found, context.limits.array_length_max + 1)]
    context.allow_array(len(pieces))
    return pieces


def levenshtein(context: ExecutionContext, one: Value, other: Value) -> Value:
    """Return the number of single-character edits between two texts.

    LEVENSHTEIN("kitten", "sitting") => 3
    LEVENSHTEIN("", "abc") => 3
    LEVENSHTEIN(null, null) => 0
    """
    left, right = text(one), text(other)
    return edit_distance(left, right, max(len(left), len(right)), context.spend)


def fuzzy_match(context: ExecutionContext, value: Value, pattern: Value, distance_max: Value = 2) -> Value:
    """Tell whether two texts are at most so many edits apart.

    FUZZY_MATCH("hello", "helo") => true
    FUZZY_MATCH("abc", "xyz") => false
    FUZZY_MATCH("abc", "xyz", 3) => true
    FUZZY_MATCH("a", "a", -1) => false
    """
    most = integer("FUZZY_MATCH", distance_max)
    return most >= 0 and is_fuzzy_match(text(value), text(pattern), most, context.spend)


TEXT_SEARCH_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("CONTAINS", contains, 2, 3),
        Builtin("STARTS_WITH", starts_with, 2, 2),
        Builtin("ENDS_WITH", ends_with, 2, 2),
        Builtin("REPLACE", replace, 3, 3, wants_context=True, grows=True),
        Builtin(
            "SUBSTITUTE",
            substitute,
            2,
            4,
            wants_context=True,
            grows=True,
            usage="SUBSTITUTE(value, find, replacement[, limit])",
        ),
        Builtin("REGEX_TEST", regex_test, 2, 2, wants_context=True),
        Builtin("REGEX_REPLACE", regex_replace, 3, 4, wants_context=True, grows=True),
        Builtin("REGEX_MATCHES", regex_matches, 2, 2, wants_context=True),
        Builtin("FIND_FIRST", find_first, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("FIND_LAST", find_last, 2, 2),
        Builtin("LEVENSHTEIN", levenshtein, 2, 2, wants_context=True),
        Builtin("FUZZY_MATCH", fuzzy_match, 2, 3, wants_context=True),
    ],
    aliases={
        "RFIND": "FIND_LAST",
        "REGEX_MATCH": "REGEX_TEST",
    },
)
