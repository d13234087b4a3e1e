"""JSON as it is kept: one text for one value, and nothing that changes silently."""

import datetime
import decimal
import enum
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.errors import InvalidDocumentError
from solidb_sync.json_value import (
    DEPTH_MAX,
    DOCUMENT_BYTES_MAX,
    canonical,
    decode,
    depth_exceeds,
    encode,
)
from solidb_sync.model.delta import same_value
from solidb_sync.strict_json import JsonTextError, strict_json


def strict_text(text: bytes) -> bytes:
    """The canonical text of strict JSON."""
    return strict_json(text)[0]


LONG = {"long": 1234567890123456789}
"""Beside another field, this sends a document down the slow road."""


class Letter(str, enum.Enum):  # noqa: UP042 - StrEnum has another __str__, and this is the one that goes wrong
    A = "a"


class Number(enum.IntEnum):
    ONE = 1


class Text(str):
    __slots__ = ()

    def __str__(self) -> str:
        return "something else"


class Real(float):
    __slots__ = ()


class Whole(int):
    pass


class Object(dict[str, Any]):
    pass


class Array(list[Any]):
    pass


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | texts
)
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4))
documents = st.dictionaries(texts, values, max_size=5)


def nested(levels: int) -> dict[str, Any]:
    """Return an object of so many levels."""
    document: dict[str, Any] = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return document


def types_in(value: object) -> set[type]:
    """Return the types of everything in a value."""
    match value:
        case dict():
            return {type(value), *(kind for inner in (*value, *value.values()) for kind in types_in(inner))}
        case list():
            return {type(value), *(kind for inner in value for kind in types_in(inner))}
        case _:
            return {type(value)}


@settings(deadline=None)
@given(documents)
def test_a_json_document_is_kept_as_the_value_it_is(document: dict[str, Any]) -> None:
    """Type for type, its text decodes to it, and keeping it again changes nothing."""
    kept = canonical(document)
    assert same_value(kept.value, document)
    assert same_value(decode(kept.text), document)
    assert canonical(kept.value) == kept


@settings(deadline=None)
@given(documents)
def test_the_text_kept_is_the_strict_text_of_itself_and_of_any_spelling(document: dict[str, Any]) -> None:
    """Spaces, escapes and the library that wrote it do not matter."""
    text = canonical(document).text
    assert strict_text(text) == text
    assert strict_text(json.dumps(document, indent=1).encode()) == text
    assert strict_text(json.dumps(document, ensure_ascii=False).encode()) == text


@settings(deadline=None)
@given(values)
def test_strict_text_reads_what_pythons_json_writes(value: Any) -> None:
    """Any value, not only objects, and means the same."""
    assert same_value(json.loads(strict_text(json.dumps(value).encode())), value)


def test_a_document_kept_is_a_private_copy() -> None:
    """On either road; what the caller does to the given one later stays outside."""
    for more in ({}, LONG):
        given_document = {"list": [1], "object": {"a": 1}, **more}
        kept = canonical(given_document)
        given_document["list"].append(2)  # type: ignore[attr-defined]
        given_document["object"]["a"] = 2  # type: ignore[index]
        assert kept.value == {"list": [1], "object": {"a": 1}, **more}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2**63 - 1, b"9223372036854775807"),
        (-(2**63), b"-9223372036854775808"),
        (2**63, b"9.223372036854776e18"),
        (2**64, b"1.8446744073709552e19"),
        (10**22, b"1e22"),
        (-0.0, b"-0.0"),
        (1.0, b"1.0"),
        (5e-324, b"5e-324"),
        (True, b"true"),
        ("\x7f\u2028😀/", '"\x7f\u2028😀/"'.encode()),
        ('\x00\n"\\', b'"\\u0000\\n\\"\\\\"'),
    ],
)
def test_a_value_has_one_text(value: object, text: bytes) -> None:
    """Integers outside 64 bits become floats when that is exact."""
    kept = canonical({"v": value})
    assert kept.text == b'{"v":%s}' % text
    assert same_value(kept.value, decode(kept.text))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (math.nan, "document.v: NaN"),
        (math.inf, "document.v: NaN and infinity"),
        (-math.inf, "document.v: NaN and infinity"),
        ((1, 2), "document.v: tuple is not JSON"),
        ({1, 2}, "document.v: set is not JSON"),
        (b"bytes", "document.v: bytes is not JSON"),
        (bytearray(b"x"), "document.v: bytearray is not JSON"),
        (datetime.datetime(2024, 1, 15, tzinfo=datetime.UTC), "document.v: datetime is not JSON"),
        (datetime.date(2024, 1, 15), "document.v: date is not JSON"),
        (decimal.Decimal("1.5"), "document.v: Decimal is not JSON"),
        (1j, "document.v: complex is not JSON"),
        (object(), "document.v: object is not JSON"),
        ({1: 2}, "document.v: attribute names are strings, found a number 1"),
        ({None: 2}, "document.v: attribute names are strings, found null"),
        ({True: 2}, "document.v: attribute names are strings, found a boolean"),
        ({b"x": 2}, "document.v: attribute names are strings, found bytes"),
        (2**64 - 1, "document.v: an integer of 64 bits"),
        (2**63 + 1, "document.v: an integer of 64 bits"),
        (-(2**63) - 1, "document.v: an integer of 64 bits"),
        (10**400, "document.v: an integer of 1329 bits"),
        ("\ud800", "document.v: a lone surrogate at character 0"),
        ({"a\udfff": 1}, "document.v: a lone surrogate at character 1"),
        ([0, {"deep": [math.nan]}], r"document.v\[1\].deep\[0\]: NaN"),
    ],
)
@pytest.mark.parametrize("more", [{}, LONG], ids=["fast", "slow"])
def test_what_is_not_json_is_refused_with_its_place(value: object, complaint: str, more: dict[str, Any]) -> None:
    """On either road."""
    with pytest.raises(InvalidDocumentError, match=complaint):
        canonical({"v": value, **more})


@pytest.mark.parametrize("document", [None, [], "x", 1, [("a", 1)]])
def test_a_document_is_an_object(document: object) -> None:
    """The message says what was found."""
    with pytest.raises(InvalidDocumentError, match=r"document: expected an object \(a dict\), found"):
        canonical(document)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Letter.A, "a"),
        (Number.ONE, 1),
        (Text("x"), "x"),
        (Real(1.5), 1.5),
        (Whole(3), 3),
        (Object(a=Real(2.0)), {"a": 2.0}),
        (Array([Whole(1)]), [1]),
        ({Letter.A: 1}, {"a": 1}),
        ({Text("k"): 1}, {"k": 1}),
    ],
)
@pytest.mark.parametrize("more", [{}, LONG], ids=["fast", "slow"])
def test_a_subclass_of_a_json_type_is_kept_as_its_plain_value_or_refused(
    value: object, plain: object, more: dict[str, Any]
) -> None:
    """The same on either road, and never as something else."""
    try:
        kept = canonical({"v": value, **more})
    except InvalidDocumentError:
        return
    assert same_value(kept.value["v"], plain)
    assert types_in(kept.value) <= {dict, list, str, int, float, bool, type(None)}
    assert same_value(decode(kept.text), kept.value)


def test_a_subclass_is_treated_alike_beside_a_long_number() -> None:
    """Another field can't decide what becomes of a value."""
    for value in (Letter.A, Number.ONE, Text("x"), Real(1.5), {Letter.A: 1}):
        outcomes = []
        for more in ({}, LONG):
            try:
                outcomes.append(encode(canonical({"v": value, **more}).value["v"]))
            except InvalidDocumentError:
                outcomes.append(b"refused")
        assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("more", [{}, LONG], ids=["fast", "slow"])
def test_a_document_has_at_most_64_levels_on_either_road(more: dict[str, Any]) -> None:
    """64 are kept, 65 are not; and a document that holds itself is refused too."""
    canonical({**nested(DEPTH_MAX), **more})
    with pytest.raises(InvalidDocumentError, match="deeper than 64"):
        canonical({**nested(DEPTH_MAX + 1), **more})
    endless: dict[str, Any] = {**more}
    endless["itself"] = endless
    with pytest.raises(InvalidDocumentError, match="deeper than 64"):
        canonical(endless)


def levels_of(value: object) -> int:
    """How deep the containers of a value nest, by the definition."""
    match value:
        case dict():
            return 1 + max(map(levels_of, value.values()), default=0)
        case list():
            return 1 + max(map(levels_of, value), default=0)
        case _:
            return 0


@given(
    st.recursive(
        st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3)
    ),
    st.integers(0, 5),
)
def test_depth_is_that_of_the_deepest_container(value: object, levels: int) -> None:
    assert depth_exceeds(value, levels) == (levels_of(value) > levels)


def test_many_braces_are_not_depth() -> None:
    """Width and braces inside strings have no limit but the size."""
    document = {"wide": [{} for _ in range(1000)], "text": "{[" * 1000}
    assert canonical(document).value == document


@pytest.mark.parametrize("padding", ["a", "é"])
def test_a_document_has_at_most_a_mebibyte_of_text(padding: str) -> None:
    """Counted in bytes of UTF-8."""
    room = (DOCUMENT_BYTES_MAX - len(b'{"p":""}')) // len(padding.encode())
    canonical({"p": padding * room})
    with pytest.raises(InvalidDocumentError, match="1048577|1048578"):
        canonical({"p": padding * (room + 1)})


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (b' { "a" :\n1 } ', b'{"a":1}'),
        (b'"\\u0041\\/\\ud83d\\ude00"', '"A/😀"'.encode()),
        (b"1E5", b"100000.0"),
        (b"1.50", b"1.5"),
        (b"-0", b"0"),
        (b"-0.0", b"-0.0"),
        (b"9223372036854775808", b"9.223372036854776e18"),
        (b"10000000000000000000000", b"1e22"),
        (b'{"b":1,"a":2}', b'{"b":1,"a":2}'),
        (b'{"a":{"a":{}},"b":[{"a":1},{"a":1}]}', b'{"a":{"a":{}},"b":[{"a":1},{"a":1}]}'),
        (b"[" * 64 + b"]" * 64, b"[" * 64 + b"]" * 64),
    ],
)
def test_a_strict_text_is_rewritten_without_changing_its_value(text: bytes, kept: bytes) -> None:
    """And the order of attributes stays."""
    assert strict_text(text) == kept
    assert strict_text(kept) == kept


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "not JSON at line 1, column 1"),
        (b"{", "not JSON"),
        (b"[1,]", "not JSON at line 1, column"),
        (b'{"a":1}x', "Extra data"),
        (b"{'a':1}", "not JSON"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'"\x01"', "not JSON"),
        (b"01", "not JSON"),
        (b"NaN", "NaN is not JSON"),
        (b'{"a":Infinity}', "Infinity is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"1e400", "out of range"),
        (b'{"a":1,"a":1}', "the key 'a' stands twice"),
        (b'{"x":[{"a":1,"\\u0061":2}]}', "the key 'a' stands twice"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"\\udc00":1}', "lone surrogate"),
        (b"1" * 33, "33 digits, at most 32"),
        (b"0." + b"1" * 33, "at most 32 digits"),
        (b"18446744073709551615", "cannot be kept exactly"),
        (b"9" * 32, "cannot be kept exactly"),
        (b"[" * 65 + b"]" * 65, "deeper than"),
        (b"[" * 100_000, "deeper than"),
        (b'{"a":' * 100_000, "deeper than"),
    ],
)
def test_a_text_that_is_not_strict_json_is_refused(text: bytes, complaint: str) -> None:
    """With what is wrong, and never by another error."""
    with pytest.raises(JsonTextError, match=complaint):
        strict_text(text)


@settings(deadline=None)
@given(st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_strict_json_or_a_json_text_error(text: bytes) -> None:
    """And what is returned is canonical."""
    try:
        kept = strict_text(text)
    except JsonTextError:
        return
    assert strict_text(kept) == kept
