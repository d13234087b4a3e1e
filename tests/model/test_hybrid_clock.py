"""The stamps of a hybrid logical clock: their order, and how far ahead they may be."""

from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.model.hybrid_clock import (
    LOGICAL_MAX,
    MILLISECONDS_MAX,
    clamped,
    is_stamp,
    next_stamp,
    stamp_text,
)

times = st.integers(0, MILLISECONDS_MAX)
stamps = st.builds(stamp_text, times, st.integers(0, LOGICAL_MAX))


@given(times, stamps)
def test_the_next_stamp_is_greater_than_what_was_seen_and_not_before_now(now_ms: int, seen: str) -> None:
    """G2: whatever the clock says; only after the very last stamp there is none."""
    stamp = next_stamp(now_ms=now_ms, seen=seen)
    assert is_stamp(stamp)
    assert stamp >= stamp_text(now_ms)
    assert stamp > seen or seen == stamp_text(MILLISECONDS_MAX, LOGICAL_MAX)


@given(st.tuples(times, st.integers(0, LOGICAL_MAX)), st.tuples(times, st.integers(0, LOGICAL_MAX)))
def test_stamps_sort_as_text_in_the_order_of_their_times(one: tuple[int, int], other: tuple[int, int]) -> None:
    """Milliseconds first, then the counter."""
    assert (stamp_text(*one) < stamp_text(*other)) == (one < other)


@given(stamps, times)
def test_a_stamp_from_the_future_is_set_back_and_one_of_the_past_stays(stamp: str, now_ms: int) -> None:
    """G2: at most so far ahead, never changed backwards."""
    kept = clamped(stamp, now_ms=now_ms, ahead_ms_max=500)
    assert kept == stamp or (kept < stamp and kept == stamp_text(now_ms + 500))
    assert kept <= stamp_text(now_ms + 500)


def test_what_is_no_stamp_is_known_as_such() -> None:
    """Text of other shapes would sort anywhere."""
    assert is_stamp("018d0a1b2c3d-00ff")
    assert not any(is_stamp(text) for text in ("", "018d0a1b2c3d", "018D0A1B2C3D-00FF", "018d0a1b2c3d-00ff\n"))
