"""Deliberate bugs, each put into the real code for as long as a block lasts: the simulation has to notice every one.

    python -m solidb_sync.testing.mutants --seeds 500

says of each bug which seeds notice it first. Those stand in tests/simulation/mutant_seeds.txt, so that CI need not look for
them; they are found anew when the worlds change.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from solidb_sync.testing.client_mutants import CLIENT_MUTANTS
from solidb_sync.testing.feature_mutants import FEATURE_MUTANTS
from solidb_sync.testing.planter import Mutant, Planter
from solidb_sync.testing.server_mutants import SERVER_MUTANTS
from solidb_sync.testing.simulation import simulate
from solidb_sync.testing.single_thread import leave_out_locks

_ALL = (*CLIENT_MUTANTS, *SERVER_MUTANTS, *chain.from_iterable(mutants for _, mutants in FEATURE_MUTANTS))

MUTANTS: dict[str, Mutant] = {mutant.__name__: mutant for mutant in _ALL}

NEEDS: dict[str, frozenset[str]] = {mutant.__name__: needs for needs, mutants in FEATURE_MUTANTS for mutant in mutants}
"""What the worlds must have that notice a bug of a feature; all others are noticed in worlds without any feature."""

PROMISE = re.compile(r"\d+ |LivelockError")
"""How a broken promise begins: with its number. Any other error is one of the bug's own making, and proves nothing."""

SEEDS_MAX = 500
"""Within how many seeds every deliberate bug must be noticed."""


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Put one bug into the code for the length of a block."""
    planter = Planter()
    try:
        MUTANTS[name](planter)
        yield
    finally:
        planter.put_back()


def notice(name: str, seeds: Sequence[int]) -> tuple[int, str] | None:
    """Return the first of these seeds in which a bug breaks a promise, and the promise; None when it goes unnoticed."""
    for seed in seeds:
        with planted(name):
            report = simulate(seed, NEEDS.get(name, frozenset()))
        if PROMISE.match(report.broken):
            return seed, report.broken.split(":")[0]
    return None


def main(arguments: Sequence[str] | None = None) -> int:
    """Look for the seeds that notice each bug; returns the exit code."""
    parser = argparse.ArgumentParser(description="Find the seeds that notice each deliberate bug.")
    parser.add_argument("--seeds", type=int, default=SEEDS_MAX, help="how many seeds to try at most")
    parser.add_argument("names", nargs="*", help="the bugs to look for; all of them when left out")
    asked = parser.parse_args(arguments)
    unnoticed = 0
    for name in asked.names or sorted(MUTANTS):
        found = notice(name, range(asked.seeds))
        unnoticed += found is None
        _say(f"{name} {found[0]} {found[1]}" if found else f"{name} goes unnoticed by {asked.seeds} seeds")
    return 1 if unnoticed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    leave_out_locks()
    sys.exit(main())
