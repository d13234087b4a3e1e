"""H1 to H4, invariants 2, 21, 31: replicated fields over a faulty network, restores, clones, deletions, resyncs."""

import pytest

from solidb_sync.model.crdt.counter import Counter
from solidb_sync.storage import field_edits
from solidb_sync.storage.refused_fields import NO_REFUSED_FIELDS
from solidb_sync.testing.counting_world import count
from solidb_sync.testing.simulated_server import quiet_log

SEEDS = 40
BLOCKS = 4


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_count_is_exact_whatever_happens(block: int) -> None:
    """Forty worlds; each ends with all devices showing the sum of what was taken, and nothing lost."""
    with quiet_log():
        for seed in range(block, SEEDS, BLOCKS):
            count(seed)


def _notices(seeds: int) -> bool:
    with quiet_log():
        for seed in range(seeds):
            try:
                count(seed)
            except AssertionError:
                return True
    return False


def test_totals_that_are_added_instead_of_joined_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A total that comes twice counts once."""

    def added(one: Counter, other: Counter) -> Counter:
        totals = dict(one.totals)
        for actor, (a, c) in other.totals.items():
            mine = totals.get(actor, (0, 0))
            totals[actor] = (a + mine[0], c + mine[1])
        return Counter(max(one.origin, other.origin), totals)

    monkeypatch.setattr(Counter, "join", added)
    assert _notices(SEEDS)


def test_refused_counts_that_a_save_sends_as_plain_values_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a save takes over counts once, beside what others counted meanwhile."""
    monkeypatch.setattr(field_edits, "refused_fields", lambda *_: NO_REFUSED_FIELDS)
    assert _notices(SEEDS)
