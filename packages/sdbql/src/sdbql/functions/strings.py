"""Text builtins that change, cut and join. Lengths and places are in characters; null counts as empty text."""

import urllib.parse

from sdbql.errors import ExecutionError
from sdbql.execution_context import ExecutionContext
from sdbql.functions.builtin import UNLIMITED, Builtin, Cost, integer, table, text
from sdbql.values import Value, is_number


def upper(value: Value) -> Value:
    """Return the text in upper case.

    UPPER("straße") => "STRASSE"
    UPPER(null) => ""
    UPPER(true) => "TRUE"
    """
    return text(value).upper()


def lower(value: Value) -> Value:
    """Return the text in lower case.

    LOWER("ÄB") => "äb"
    LOWER(1.0) => "1"
    """
    return text(value).lower()


def trim(value: Value, kind: Value = 0) -> Value:
    """Strip both sides; `kind` is the characters to strip, or 0 both, 1 left, 2 right.

    TRIM("  a b  ") => "a b"
    TRIM("--a--", "-") => "a"
    TRIM(" a ", 1) => "a "
    TRIM(" a ", 2) => " a"
    TRIM(" a ", 3) => Execution error: TRIM: the type must be 0, 1 or 2, found 3
    """
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
    """Strip the left side of white space, or of the given characters.

    LTRIM("  a ") => "a "
    LTRIM("xyxa", "yx") => "a"
    LTRIM(null) => ""
    """
    return text(value).lstrip(_characters(characters))


def right_trim(value: Value, characters: Value = None) -> Value:
    """Strip the right side of white space, or of the given characters.

    RTRIM(" a  ") => " a"
    RTRIM("1.500", "0") => "1.5"
    RTRIM("a", "") => "a"
    """
    return text(value).rstrip(_characters(characters))


def _characters(value: Value) -> str | None:
    return None if value is None else text(value)


def length(value: Value) -> Value:
    """Return characters of a string, elements of an array, keys of an object, else 0.

    LENGTH("añ😀") => 3
    LENGTH([1, [2, 3]]) => 2
    LENGTH({a: 1}) => 1
    LENGTH(123) => 0
    LENGTH(null) => 0
    """
    return len(value) if isinstance(value, str | list | dict) else 0


def character_length(value: Value) -> Value:
    """Return the number of characters.

    CHAR_LENGTH("😀") => 1
    CHAR_LENGTH(123) => 3
    CHAR_LENGTH(null) => 0
    """
    return len(text(value))


def byte_length(value: Value) -> Value:
    """Return the number of bytes in UTF-8.

    BYTE_LENGTH("aé😀") => 7
    BYTE_LENGTH(null) => 0
    """
    return len(text(value).encode("utf-8", "surrogatepass"))


def concat(context: ExecutionContext, *values: Value) -> Value:
    r"""Join texts; nulls are skipped, and a single array is expanded.

    CONCAT("a", null, 1, 2.0, true) => "a12true"
    CONCAT(["a", null, "b"]) => "ab"
    CONCAT("a", [1, "x"]) => "a[1,\"x\"]"
    CONCAT() => ""
    """
    if len(values) == 1 and isinstance(values[0], list):
        values = tuple(values[0])
    return _joined(context, [text(value) for value in values], "")


def _joined(context: ExecutionContext, texts: list[str], between: str) -> str:
    context.allow_text(sum(map(len, texts)) + len(between) * len(texts))
    return between.join(texts)


def concat_separator(context: ExecutionContext, separator: Value, *values: Value) -> Value:
    """Join texts with a separator; nulls are skipped, and arrays are expanded.

    CONCAT_SEPARATOR(", ", "a", null, "b") => "a, b"
    CONCAT_SEPARATOR("-", ["a", "b"], "c") => "a-b-c"
    CONCAT_SEPARATOR(",") => ""
    """
    context.allow_array(sum([len(value) if isinstance(value, list) else 1 for value in values]))
    expanded: list[Value] = []
    for value in values:
        expanded += value if isinstance(value, list) else [value]
    return join(context, expanded, separator)


def join(context: ExecutionContext, array: Value, separator: Value = ",") -> Value:
    """Join the texts of an array; nulls are skipped; null when it is no array.

    JOIN(["a", null, 1]) => "a,1"
    ["a", "b"] |> JOIN(" and ") => "a and b"
    JOIN([]) => ""
    JOIN("a") => null
    """
    if not isinstance(array, list):
        return None
    return _joined(context, [text(value) for value in array if value is not None], text(separator))


def substring(value: Value, start: Value, count: Value = None) -> Value:
    """Cut out `count` characters from `start`, which counts from the end when negative.

    SUBSTRING("hello", 1, 3) => "ell"
    SUBSTRING("hello", -3) => "llo"
    SUBSTRING("hello", 9) => ""
    SUBSTRING("hello", 0, -1) => ""
    SUBSTRING("hello", 1.5) => Execution error: SUBSTRING: argument must be an integer, found 1.5
    """
    whole = text(value)
    first = integer("SUBSTRING", start)
    first = max(0, len(whole) + first) if first < 0 else first
    if count is None:
        return whole[first:]
    return whole[first : first + max(0, integer("SUBSTRING", count))]


def left(value: Value, count: Value) -> Value:
    """Return the first characters.

    LEFT("hello", 2) => "he"
    LEFT("hi", 9) => "hi"
    LEFT("hi", -1) => ""
    """
    return text(value)[: max(0, integer("LEFT", count))]


def right(value: Value, count: Value) -> Value:
    """Return the last characters.

    RIGHT("hello", 2) => "lo"
    RIGHT("hi", 9) => "hi"
    RIGHT("hi", 0) => ""
    """
    whole, wanted = text(value), integer("RIGHT", count)
    return whole[max(0, len(whole) - wanted) :] if wanted > 0 else ""


def split(context: ExecutionContext, value: Value, separator: Value = ",") -> Value:
    """Cut at each separator and keep empty parts; an empty separator gives characters.

    SPLIT("a,b,,c") => ["a", "b", "", "c"]
    SPLIT("a - b", " - ") => ["a", "b"]
    SPLIT("añ😀", "") => ["a", "ñ", "😀"]
    SPLIT("") => [""]
    """
    whole, between = text(value), text(separator)
    context.allow_array(whole.count(between) + 1 if between else len(whole))
    return whole.split(between) if between else list(whole)


def reverse(value: Value) -> Value:
    """Return a string or an array back to front; null for others.

    REVERSE("añb") => "bña"
    REVERSE([1, 2, 3]) => [3, 2, 1]
    REVERSE(12) => null
    """
    return value[::-1] if isinstance(value, str | list) else None


def to_string(value: Value) -> Value:
    r"""Return the text of a value; null is empty.

    TO_STRING(1 + 1) => "2"
    TO_STRING(1.50) => "1.5"
    TO_STRING({b: [1.0, null], a: "é"}) => "{\"a\":\"é\",\"b\":[1,null]}"
    TO_STRING(null) => ""
    """
    return text(value)


def repeat(context: ExecutionContext, value: Value, count: Value) -> Value:
    """Return the text a number of times over.

    REPEAT("ab", 3) => "ababab"
    REPEAT("ab", -1) => ""
    REPEAT("ab", 1e9) => Execution error: the length of a text exceeds the limit text_length_max (16,000,000)
    """
    whole, times = text(value), max(0, integer("REPEAT", count))
    context.allow_text(len(whole) * times)
    return whole * times


def pad_left(context: ExecutionContext, value: Value, width: Value, pad: Value = " ") -> Value:
    """Fill up on the left to a number of characters.

    PAD_LEFT(5, 3, 0) => "005"
    PAD_LEFT("a", 4, "xyz") => "xyza"
    PAD_LEFT("long", 2) => "long"
    PAD_LEFT("a", 3, "") => "a"
    """
    whole = text(value)
    return _padding(context, whole, integer("PAD_LEFT", width), text(pad)) + whole


def pad_right(context: ExecutionContext, value: Value, width: Value, pad: Value = " ") -> Value:
    """Fill up on the right to a number of characters.

    PAD_RIGHT("5", 4, "ab") => "5aba"
    PAD_RIGHT("é", 3) => "é  "
    PAD_RIGHT("long", 2) => "long"
    """
    whole = text(value)
    return whole + _padding(context, whole, integer("PAD_RIGHT", width), text(pad))


def _padding(context: ExecutionContext, whole: str, width: int, pad: str) -> str:
    missing = width - len(whole)
    if missing <= 0 or not pad:
        return ""
    context.allow_text(width)
    return (pad * (missing // len(pad) + 1))[:missing]


def capitalize(value: Value) -> Value:
    """Put the first letter in upper case.

    CAPITALIZE("hello World") => "Hello World"
    CAPITALIZE("") => ""
    CAPITALIZE(null) => null
    """
    return None if value is None else text(value)[:1].upper() + text(value)[1:]


def title_case(value: Value) -> Value:
    """Capitalise each word and lower the rest; words are joined by one space.

    TITLE_CASE("the  OLD man") => "The Old Man"
    TITLE_CASE(null) => null
    """
    if value is None:
        return None
    return " ".join([word[:1].upper() + word[1:].lower() for word in text(value).split()])


def encode_uri(value: Value) -> Value:
    """Percent-encode the UTF-8 bytes of all but unreserved characters.

    ENCODE_URI("a b/é") => "a%20b%2F%C3%A9"
    ENCODE_URI("safe-._~") => "safe-._~"
    ENCODE_URI(null) => ""
    """
    return urllib.parse.quote(text(value), safe="", errors="surrogatepass")


def decode_uri(value: Value) -> Value:
    """Undo percent-encoding; bytes that are not UTF-8 become U+FFFD.

    DECODE_URI("a%20b%2F%C3%A9") => "a b/é"
    DECODE_URI("a+b") => "a+b"
    DECODE_URI("100%") => "100%"
    """
    return urllib.parse.unquote(text(value), errors="replace")


def word_count(value: Value) -> Value:
    """Return the number of words between white space.

    WORD_COUNT(" the old  man ") => 3
    WORD_COUNT(null) => 0
    """
    return len(text(value).split())


def truncate_text(value: Value, count: Value, suffix: Value = "...") -> Value:
    """Cut to `count` characters and add the suffix; a text that fits stays as it is.

    TRUNCATE_TEXT("hello world", 5) => "hello..."
    TRUNCATE_TEXT("hello", 5) => "hello"
    TRUNCATE_TEXT("hello", 2, "…") => "he…"
    TRUNCATE_TEXT("hello", -1, "") => ""
    """
    whole, most = text(value), max(0, integer("TRUNCATE_TEXT", count))
    return whole if len(whole) <= most else whole[:most] + text(suffix)


def mask(value: Value, start: Value = 0, end: Value = None, char: Value = "*") -> Value:
    """Replace the characters from `start` up to `end` by `char`; negatives count from the end.

    MASK("secret") => "******"
    MASK("12345678", 0, -4) => "****5678"
    MASK("abc", 1, 2, "#") => "a#c"
    MASK("abc", 2, 1) => "abc"
    """
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
        Builtin("SUBSTRING", substring, 2, 3),
        Builtin("LEFT", left, 2, 2),
        Builtin("RIGHT", right, 2, 2),
        Builtin("SPLIT", split, 1, 2, wants_context=True),
        Builtin("JOIN", join, 1, 2, wants_context=True),
        Builtin("REVERSE", reverse, 1, 1, total=True),
        Builtin("TO_STRING", to_string, 1, 1, grows=True),
        Builtin("REPEAT", repeat, 2, 2, wants_context=True),
        Builtin("PAD_LEFT", pad_left, 2, 3, wants_context=True),
        Builtin("PAD_RIGHT", pad_right, 2, 3, wants_context=True),
        Builtin("CAPITALIZE", capitalize, 1, 1),
        Builtin("TITLE_CASE", title_case, 1, 1),
        Builtin("ENCODE_URI", encode_uri, 1, 1, grows=True),
        Builtin("DECODE_URI", decode_uri, 1, 1),
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
        "TO_STR": "TO_STRING",
        "INITCAP": "TITLE_CASE",
        "URL_ENCODE": "ENCODE_URI",
        "URL_DECODE": "DECODE_URI",
        "ELLIPSIS": "TRUNCATE_TEXT",
    },
)
