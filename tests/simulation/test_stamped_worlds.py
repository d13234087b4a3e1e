"""The later edit by the devices' hybrid clocks wins, in whatever order devices sync."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.client import record_answer
from solidb_sync.reconcile import decision
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.testing.simulated_server import quiet_log
from solidb_sync.testing.stamped_world import live_by_stamps

SEEDS = 40
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_field_ends_with_the_value_of_the_greatest_stamp(block: int) -> None:
    """Forty worlds: invariant 24 for `last_write_wins:hlc`, with clocks minutes apart and up to a year behind."""
    with quiet_log():
        for seed in range(block, SEEDS, BLOCKS):
            live_by_stamps(seed)


def _notices() -> bool:
    with quiet_log():
        for seed in range(SEEDS):
            try:
                live_by_stamps(seed)
            except AssertionError as broken:
                return str(broken).startswith("24 strategy laws")
    return False


def test_stamps_that_decide_nothing_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The edit that arrives later wins then."""
    laws: Any = {**decision.LAWS, Strategy.LAST_STAMP_WINS: decision.LAWS[Strategy.LAST_WRITE_WINS]}
    monkeypatch.setattr(decision, "LAWS", laws)
    assert _notices()


def test_a_device_that_does_not_go_on_from_the_stamps_it_was_told_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a clock that is behind it writes what is older than what it writes over."""
    monkeypatch.setattr(record_answer, "note_seen_stamp", lambda *_: None)
    assert _notices()
