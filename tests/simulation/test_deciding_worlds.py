"""Conflicts that people, functions and an administrator decide, and take back, over a network that fails."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.server import apply_changes
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.storage import conflict_log, resolutions
from solidb_sync.testing.deciding_world import decide
from solidb_sync.testing.simulated_server import quiet_log

SEEDS = 40
BLOCKS = 4

SEEDS_THAT_FAILED_ONCE = {
    60: "a decision to delete what was gone already was taken back by an old version of it",
    102: "a function was asked before the other side was fetched, and its decisions met the same conflict without end",
    120: "a decision that made an empty document was taken back as if it had changed nothing",
}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_value_is_shown_written_over_knowingly_or_in_a_log_and_every_decision_is_kept(block: int) -> None:
    """Forty worlds: invariants 1, 21, 25, 36, with MANUAL, functions, callbacks, decisions at the server, and undo."""
    with quiet_log():
        for seed in range(block, SEEDS, BLOCKS):
            decide(seed)


@pytest.mark.parametrize("seed", SEEDS_THAT_FAILED_ONCE)
def test_a_world_that_failed_once_does_not_fail_again(seed: int) -> None:
    """What each of them found stands beside it."""
    with quiet_log():
        decide(seed)


def _notices(promise: str) -> bool:
    with quiet_log():
        for seed in range(SEEDS):
            try:
                decide(seed)
            except AssertionError as broken:
                return str(broken).startswith(promise)
    return False


def test_conflicts_told_in_the_wrong_order_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their device takes the one that was replaced for open."""
    in_order: Any = apply_changes._conflicts_in_order
    monkeypatch.setattr(apply_changes, "_conflicts_in_order", lambda *given: in_order(*given)[::-1])
    assert _notices("25 conflict closure")


def test_decisions_the_server_does_not_close_conflicts_for_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """They stay open there for ever."""
    monkeypatch.setattr(WorkingSet, "resolve_conflicts", lambda *_: None)
    assert _notices("25 conflict closure")


def test_an_undo_that_knows_nothing_of_what_a_decision_has_overwritten_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """It brings back no more than the fields that both sides had written."""
    monkeypatch.setattr(resolutions, "_overruled", lambda _: None)
    assert _notices("25 conflict closure")


def test_conflicts_that_never_reach_the_log_of_their_device_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is open at the server only, nobody decides."""
    monkeypatch.setattr(conflict_log, "PENDING", conflict_log.REPLACED)
    assert _notices("25 conflict closure")
