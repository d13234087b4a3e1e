"""A server that is put back to backups, and forgets tombstones and vectors on purpose: nothing of anybody's work is lost."""

from typing import Any

import pytest

from solidb_sync.client import recovery
from solidb_sync.server import history, maintenance
from solidb_sync.storage.offers import OfferPage
from solidb_sync.testing.recovery_world import DENSE, recover
from solidb_sync.testing.simulated_server import quiet_log

SEEDS = 60
DENSE_SEEDS = 40
BLOCKS = 4

SEEDS_THAT_FAILED_ONCE = {
    55: "an edit the server had taken was held for ever when its document's tombstone was collected before a full resync",
    165: "an edit the server had taken in a conflict was held for ever when its collection was emptied before the next pull",
    198: "an increment of a device that had never had an answer counted twice, after another device had offered it",
    272: "a document pushed before the first pull stayed on its device though its collection had been emptied meanwhile",
    300: "a device that had only sent dropped what it wrote after an emptying when it learned of that",
    421: "edits of a document that was deleted and forgotten before their device first fetched were held for ever",
}


@pytest.mark.parametrize("block", range(BLOCKS))
def test_what_only_one_device_writes_ends_as_it_left_it_and_every_count_is_there(block: int) -> None:
    """Sixty worlds: invariants 2, 21, 31, 38 after backups, short retention, jumps of the clock, emptied collections."""
    with quiet_log():
        for seed in range(block, SEEDS, BLOCKS):
            recover(seed)


@pytest.mark.parametrize("block", range(BLOCKS))
def test_counts_are_right_after_a_server_was_put_back_again_and_again(block: int) -> None:
    """Forty worlds in which that comes seven times as often, with more increments."""
    with quiet_log():
        for seed in range(block, DENSE_SEEDS, BLOCKS):
            recover(seed, DENSE)


@pytest.mark.parametrize("seed", SEEDS_THAT_FAILED_ONCE)
def test_a_recovery_that_failed_once_does_not_fail_again(seed: int) -> None:
    """What each of them found stands beside it."""
    with quiet_log():
        recover(seed)


def _notices(promise: str) -> bool:
    with quiet_log():
        for seed in range(SEEDS):
            try:
                recover(seed)
            except AssertionError as broken:
                return str(broken).startswith(promise)
    return False


def test_a_device_that_offers_nothing_to_a_restored_server_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What only the devices had is gone then."""
    monkeypatch.setattr(recovery, "next_offers", lambda *_, **__: OfferPage([], '["",""]', is_last=True))
    assert _notices("2 no lost local write")


def test_operations_that_forget_the_dot_they_were_under_way_with_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another device offers them by that dot, and they count twice."""
    begin: Any = recovery.new_incarnation
    monkeypatch.setattr(recovery, "new_incarnation", lambda *given, has_server_lost: begin(*given))
    assert _notices("31 counter conservation")


def test_tombstones_collected_although_somebody_has_not_heard_of_them_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that reads on from below the floor keeps what was deleted."""
    monkeypatch.setattr(history, "check_floor", lambda *_: None)
    assert _notices("21 convergence")


def test_vectors_that_are_never_compacted_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every device that ever wrote a document stays in its vector."""
    is_long: Any = maintenance.is_long
    monkeypatch.setattr(maintenance, "is_long", lambda document: is_long(document) and False)
    assert _notices("38 bounded metadata")
