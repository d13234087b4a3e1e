"""Bodies in gzip: which are packed, and that unpacking one is bounded."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.protocol.compression import (
    COMPRESSED_BYTES_MIN,
    NEARBY_BYTES_MAX,
    PackedBodyError,
    UnpackedTooLargeError,
    accepts_gzip,
    is_worth_packing,
    packed,
    unpacked,
)


@given(st.binary(max_size=5000))
def test_unpacking_gives_back_what_was_packed(body: bytes) -> None:
    assert unpacked(packed(body), bytes_max=5000) == body
    assert gzip.decompress(packed(body)) == body
    assert unpacked(gzip.compress(body), bytes_max=5000) == body


def test_unpacking_ends_at_its_bound() -> None:
    body = packed(b"0" * 1001)
    assert len(unpacked(body, bytes_max=1001)) == 1001
    with pytest.raises(UnpackedTooLargeError, match="more than 1000 bytes"):
        unpacked(body, bytes_max=1000)


@given(st.binary(max_size=300))
def test_what_is_not_gzip_is_an_error_of_its_own(body: bytes) -> None:
    try:
        known = gzip.decompress(body)
    except (OSError, EOFError, zlib.error):
        with pytest.raises(PackedBodyError):
            unpacked(body, bytes_max=10_000)
    else:
        assert known == b"" or unpacked(body, bytes_max=10_000) == known


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_body_that_breaks_off_or_goes_on_is_damaged(cut: int) -> None:
    body = packed(b"some text that is packed")
    with pytest.raises(PackedBodyError, match="ends before it is complete"):
        unpacked(body[:-cut], bytes_max=1000)
    with pytest.raises(PackedBodyError, match="something follows"):
        unpacked(body + b"x" * cut, bytes_max=1000)


def test_small_bodies_stay_plain_and_large_ones_too_on_this_machine() -> None:
    assert not is_worth_packing(COMPRESSED_BYTES_MIN - 1, is_nearby=False)
    assert is_worth_packing(COMPRESSED_BYTES_MIN, is_nearby=True)
    assert is_worth_packing(NEARBY_BYTES_MAX, is_nearby=True)
    assert not is_worth_packing(NEARBY_BYTES_MAX + 1, is_nearby=True)
    assert is_worth_packing(NEARBY_BYTES_MAX + 1, is_nearby=False)


@pytest.mark.parametrize(
    ("header", "accepted"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("gzip;q=0", False), ("gzip; q=0.00", False), ("*", False), ("", False)],
)
def test_what_a_sender_accepts_is_read_from_its_header(header: str, accepted: bool) -> None:
    assert accepts_gzip(header) is accepted
