"""The hybrid clock: it never goes back, follows what it has seen, and believes no stamp from the far future."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.model.hybrid_clock import AHEAD_MS_MAX, MS_MAX, TICK_MAX, ZERO, Stamp, clamped, next_stamp

STAMPS = st.builds(Stamp, st.integers(0, 2**44), st.integers(0, TICK_MAX))
TIMES = st.integers(0, 2**44)


@given(STAMPS, TIMES)
def test_the_next_stamp_is_later_than_the_last_and_not_before_the_wall_clock(last: Stamp, now_ms: int) -> None:
    stamp = next_stamp(last, now_ms=now_ms)
    assert stamp > last
    assert stamp.ms >= now_ms


@given(STAMPS, STAMPS)
def test_texts_compare_as_their_stamps_do(one: Stamp, other: Stamp) -> None:
    assert (one.text() < other.text()) == (one < other)
    assert Stamp.parse(one.text()) == one


@given(STAMPS, TIMES)
def test_a_stamp_is_clamped_from_above_only(stamp: Stamp, now_ms: int) -> None:
    """G2: a clock a day ahead is believed for five minutes of it, one behind is believed."""
    received = clamped(stamp, now_ms=now_ms)
    assert received == stamp if stamp.ms <= now_ms + AHEAD_MS_MAX else received.ms == now_ms + AHEAD_MS_MAX


@given(TIMES, st.lists(STAMPS, min_size=2, max_size=5))
def test_clamping_keeps_the_order_of_what_it_does_not_make_equal(now_ms: int, stamps: list[Stamp]) -> None:
    for one in stamps:
        for other in stamps:
            if one.ms < other.ms:
                assert clamped(one, now_ms=now_ms).ms <= clamped(other, now_ms=now_ms).ms


def test_a_tick_that_overflows_takes_a_millisecond() -> None:
    assert next_stamp(Stamp(5, TICK_MAX), now_ms=0) == Stamp(6, 0)
    assert next_stamp(ZERO, now_ms=MS_MAX + 5) == Stamp(MS_MAX, 0)


@pytest.mark.parametrize("text", ["", "018d0ca15e40", "018d0ca15e40-00", "018D0ca15e40-0000", "018d0ca15e40+0000", "-" * 17])
def test_a_text_that_is_no_stamp_says_what_one_looks_like(text: str) -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        Stamp.parse(text)
