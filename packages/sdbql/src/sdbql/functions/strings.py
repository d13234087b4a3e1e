"""Text builtins. Lengths and positions are in characters; null counts as empty text."""

import re
import urllib.parse
from itertools import islice

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions import higher_order
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, integer, table, text
from sdbql.regular_expressions import (
    all_matches,
    compile_pattern,
    edit_distance,
    expand_replacement,
    is_fuzzy_match,
    matches,
)
from sdbql.values import Value, equal, is_number


def upper(value: Value) -> Value:
    """Return the text in upper case."""
    return text(value).upper()


def lower(value: Value) -> Value:
    """Return the text in lower case."""
    return text(value).lower()


def trim(value: Value, kind: Value = 0) -> Value:
    """Strip both sides; `kind` is the characters to strip, or 0 both, 1 left, 2 right."""
    if not is_number(kind):
        return text(value).strip(_characters(kind))
    match kind:
        case 0:
            return text(value).strip()
        case 1:
            return text(value).lstrip()
        case 2:
            return text(value).rstrip()
        case _:
            raise ExecutionError(f"TRIM: the type must be 0, 1 or 2, found {kind}")


def left_trim(value: Value, characters: Value = None) -> Value:
    """Strip the left side of white space, or of the given characters."""
    return text(value).lstrip(_characters(characters))


def right_trim(value: Value, characters: Value = None) -> Value:
    """Strip the right side of white space, or of the given characters."""
    return text(value).rstrip(_characters(characters))


def _characters(value: Value) -> str | None:
    return None if value is None else text(value)


def length(value: Value) -> Value:
    """Return characters of a string, elements of an array, keys of an object, else 0."""
    return len(value) if isinstance(value, str | list | dict) else 0


def character_length(value: Value) -> Value:
    """Return the number of characters."""
    return len(text(value))


def byte_length(value: Value) -> Value:
    """Return the number of bytes in UTF-8."""
    return len(text(value).encode("utf-8", "surrogatepass"))


def concat(context: ExecutionContext, *values: Value) -> Value:
    """Join texts; nulls are skipped, and a single array is expanded."""
    if len(values) == 1 and isinstance(values[0], list):
        values = tuple(values[0])
    return _joined(context, [text(value) for value in values], "")


def _joined(context: ExecutionContext, texts: list[str], between: str) -> str:
    context.allow_text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def concat_separator(context: ExecutionContext, separator: Value, *values: Value) -> Value:
    """Join texts with a separator; nulls are skipped, and arrays are expanded."""
    context.allow_array(sum([len(value) if isinstance(value, list) else 1 for value in values]))
    expanded: list[Value] = []
    for value in values:
        expanded += value if isinstance(value, list) else [value]
    return join(context, expanded, separator)


def join(context: ExecutionContext, array: Value, separator: Value = ",") -> Value:
    """Join the texts of an array; nulls are skipped; null when it is no array."""
    if not isinstance(array, list):
        return None
    return _joined(context, [text(value) for value in array if value is not None], text(separator))


def contains(where: Value, what: Value, wants_index: Value = False) -> Value:
    """Look for a text in a text, or a value in an array; with a third argument, where it is."""
    if isinstance(where, list):
        index = next((place for place, element in enumerate(where) if equal(element, what)), -1)
    else:
        index = text(where).find(text(what))
    return index if wants_index else index >= 0


def starts_with(value: Value, prefix: Value) -> Value:
    """Tell whether the text starts with the prefix."""
    return text(value).startswith(text(prefix))


def ends_with(value: Value, suffix: Value) -> Value:
    """Tell whether the text ends with the suffix."""
    return text(value).endswith(text(suffix))


def substring(value: Value, start: Value, count: Value = None) -> Value:
    """Cut out `count` characters from `start`, which counts from the end when negative."""
    whole = text(value)
    first = integer("SUBSTRING", start)
    first = max(0, len(whole) + first) if first < 0 else first
    if count is None:
        return whole[first:]
    return whole[first : first + max(0, integer("SUBSTRING", count))]


def left(value: Value, count: Value) -> Value:
    """Return the first characters."""
    return text(value)[: max(0, integer("LEFT", count))]


def right(value: Value, count: Value) -> Value:
    """Return the last characters."""
    whole, wanted = text(value), integer("RIGHT", count)
    return whole[max(0, len(whole) - wanted) :] if wanted > 0 else ""


def split(context: ExecutionContext, value: Value, separator: Value = ",") -> Value:
    """Cut at each separator and keep empty parts; an empty separator gives characters."""
    whole, between = text(value), text(separator)
    context.allow_array(whole.count(between) + 1 if between else len(whole))
    return whole.split(between) if between else list(whole)


def reverse(value: Value) -> Value:
    """Return a string or an array back to front; null for others."""
    return value[::-1] if isinstance(value, str | list) else None


def replace(context: ExecutionContext, value: Value, find: Value, replacement: Value) -> Value:
    """Replace all occurrences literally."""
    return substitute_once(context, text(value), text(find), text(replacement), -1)


def substitute_once(context: ExecutionContext, whole: str, find: str, replacement: str, limit: int) -> str:
    """Replace at most `limit` occurrences (all when negative); an empty `find` changes nothing."""
    if not find:
        return whole
    found = whole.count(find)
    context.allow_text(len(whole) + (found if limit < 0 else min(found, limit)) * len(replacement))
    return whole.replace(find, replacement, limit)


def substitute(context: ExecutionContext, value: Value, find: Value, *rest: Value) -> Value:
    """Replace literally: (s, find, replacement[, limit]) or (s, {find: replacement}[, limit])."""
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
    """Tell whether the pattern matches anywhere."""
    return matches(text(value), text(pattern), context.spend)


def regex_replace(
    context: ExecutionContext, value: Value, pattern: Value, replacement: Value, ignore_case: Value = False
) -> Value:
    """Replace all matches; `$1`, `${name}` and `$$` work in the replacement."""
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
    """Return all matched pieces."""
    compiled = compile_pattern(text(pattern))
    if compiled is None:
        return []
    found = all_matches(compiled, text(value), context.spend)
    pieces = [match.group() for match in islice(found, context.limits.array_length_max + 1)]
    context.allow_array(len(pieces))
    return pieces


def to_string(value: Value) -> Value:
    """Return the text of a value; null is empty."""
    return text(value)


def repeat(context: ExecutionContext, value: Value, count: Value) -> Value:
    """Return the text a number of times over."""
    whole, times = text(value), max(0, integer("REPEAT", count))
    context.allow_text(len(whole) * times)
    return whole * times


def pad_left(context: ExecutionContext, value: Value, width: Value, pad: Value = " ") -> Value:
    """Fill up on the left to a number of characters."""
    whole = text(value)
    return _padding(context, whole, integer("PAD_LEFT", width), text(pad)) + whole


def pad_right(context: ExecutionContext, value: Value, width: Value, pad: Value = " ") -> Value:
    """Fill up on the right to a number of characters."""
    whole = text(value)
    return whole + _padding(context, whole, integer("PAD_RIGHT", width), text(pad))


def _padding(context: ExecutionContext, whole: str, width: int, pad: str) -> str:
    missing = width - len(whole)
    if missing <= 0 or not pad:
        return ""
    context.allow_text(width)
    return (pad * (missing // len(pad) + 1))[:missing]


def find_first(context: ExecutionContext, value: Value, what: Value) -> Value:
    """Return the place of the first occurrence, or -1; with a lambda, as FIND."""
    if callable(what):
        return higher_order.find(context, value, what)
    context.spend_on([value])
    return text(value).find(text(what))


def find_last(value: Value, what: Value) -> Value:
    """Return the place of the last occurrence, or -1."""
    return text(value).rfind(text(what))


def capitalize(value: Value) -> Value:
    """Put the first letter in upper case."""
    return None if value is None else text(value)[:1].upper() + text(value)[1:]


def title_case(value: Value) -> Value:
    """Capitalise each word and lower the rest; words are joined by one space."""
    if value is None:
        return None
    return " ".join([word[:1].upper() + word[1:].lower() for word in text(value).split()])


def encode_uri(value: Value) -> Value:
    """Percent-encode the UTF-8 bytes of all but unreserved characters."""
    return urllib.parse.quote(text(value), safe="", errors="surrogatepass")


def decode_uri(value: Value) -> Value:
    """Undo percent-encoding; bytes that are not UTF-8 become U+FFFD."""
    return urllib.parse.unquote(text(value), errors="replace")


def levenshtein(context: ExecutionContext, one: Value, other: Value) -> Value:
    """Return the number of single-character edits between two texts."""
    left, right = text(one), text(other)
    return edit_distance(left, right, max(len(left), len(right)), context.spend)


def fuzzy_match(context: ExecutionContext, value: Value, pattern: Value, distance_max: Value = 2) -> Value:
    """Tell whether two texts are at most so many edits apart."""
    most = integer("FUZZY_MATCH", distance_max)
    return most >= 0 and is_fuzzy_match(text(value), text(pattern), most, context.spend)


def word_count(value: Value) -> Value:
    """Return the number of words between white space."""
    return len(text(value).split())


def truncate_text(value: Value, count: Value, suffix: Value = "...") -> Value:
    """Cut to `count` characters and add the suffix; a text that fits stays as it is."""
    whole, most = text(value), max(0, integer("TRUNCATE_TEXT", count))
    return whole if len(whole) <= most else whole[:most] + text(suffix)


def mask(value: Value, start: Value = 0, end: Value = None, char: Value = "*") -> Value:
    """Replace the characters from `start` up to `end` by `char`; negatives count from the end."""
    whole = text(value)
    first = slice(integer("MASK", start), None if end is None else integer("MASK", end)).indices(len(whole))
    hidden = max(0, first[1] - first[0])
    return whole[: first[0]] + text(char)[:1] * hidden + whole[first[0] + hidden :]


STRING_FUNCTIONS = table(
    [
        #       name, function, least and most arguments
        Builtin("UPPER", upper, 1, 1),
        Builtin("LOWER", lower, 1, 1),
        Builtin("TRIM", trim, 1, 2),
        Builtin("LTRIM", left_trim, 1, 2),
        Builtin("RTRIM", right_trim, 1, 2),
        Builtin("LENGTH", length, 1, 1, total=True, cost=Cost.NONE),
        Builtin("CHAR_LENGTH", character_length, 1, 1),
        Builtin("BYTE_LENGTH", byte_length, 1, 1),
        Builtin("CONCAT", concat, 0, UNLIMITED, wants_context=True),
        Builtin("CONCAT_SEPARATOR", concat_separator, 1, UNLIMITED, wants_context=True),
        Builtin("CONTAINS", contains, 2, 3),
        Builtin("STARTS_WITH", starts_with, 2, 2),
        Builtin("ENDS_WITH", ends_with, 2, 2),
        Builtin("SUBSTRING", substring, 2, 3),
        Builtin("LEFT", left, 2, 2),
        Builtin("RIGHT", right, 2, 2),
        Builtin("SPLIT", split, 1, 2, wants_context=True),
        Builtin("JOIN", join, 1, 2, wants_context=True),
        Builtin("REVERSE", reverse, 1, 1, total=True),
        Builtin("REPLACE", replace, 3, 3, wants_context=True, grows=True),
        Builtin("SUBSTITUTE", substitute, 2, 4, wants_context=True, grows=True),
        Builtin("REGEX_TEST", regex_test, 2, 2, wants_context=True),
        Builtin("REGEX_REPLACE", regex_replace, 3, 4, wants_context=True, grows=True),
        Builtin("REGEX_MATCHES", regex_matches, 2, 2, wants_context=True),
        Builtin("TO_STRING", to_string, 1, 1, grows=True),
        Builtin("REPEAT", repeat, 2, 2, wants_context=True),
        Builtin("PAD_LEFT", pad_left, 2, 3, wants_context=True),
        Builtin("PAD_RIGHT", pad_right, 2, 3, wants_context=True),
        Builtin("FIND_FIRST", find_first, 2, 2, wants_context=True, takes_lambda=True),
        Builtin("FIND_LAST", find_last, 2, 2),
        Builtin("CAPITALIZE", capitalize, 1, 1),
        Builtin("TITLE_CASE", title_case, 1, 1),
        Builtin("ENCODE_URI", encode_uri, 1, 1, grows=True),
        Builtin("DECODE_URI", decode_uri, 1, 1),
        Builtin("LEVENSHTEIN", levenshtein, 2, 2, wants_context=True),
        Builtin("FUZZY_MATCH", fuzzy_match, 2, 3, wants_context=True),
        Builtin("WORD_COUNT", word_count, 1, 1),
        Builtin("TRUNCATE_TEXT", truncate_text, 2, 3, grows=True),
        Builtin("MASK", mask, 1, 4),
    ],
    aliases={
        "CHAR_COUNT": "CHAR_LENGTH",
        "CHARACTER_LENGTH": "CHAR_LENGTH",
        "LPAD": "PAD_LEFT",
        "RPAD": "PAD_RIGHT",
        "TO_UPPER": "UPPER",
        "TOUPPER": "UPPER",
        "TO_LOWER": "LOWER",
        "TOLOWER": "LOWER",
        "SUBSTR": "SUBSTRING",
        "CONCAT_WS": "CONCAT_SEPARATOR",
        "RFIND": "FIND_LAST",
        "TO_STR": "TO_STRING",
        "REGEX_MATCH": "REGEX_TEST",
        "INITCAP": "TITLE_CASE",
        "URL_ENCODE": "ENCODE_URI",
        "URL_DECODE": "DECODE_URI",
        "ELLIPSIS": "TRUNCATE_TEXT",
    },
)
