"""Devices and a server in one process, from one seed: real code and real bytes over a network, disks and a clock that fail.

A run makes a world, takes it through random steps, lets every fault end, syncs until nothing moves, and looks whether
the promises were kept; they are also checked after every request and every step. The same seed gives the same trace.

    python -m solidb_sync.testing.simulation --seeds 200
    python -m solidb_sync.testing.simulation --trace 17
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from solidb_sync.testing.simulated_world import World
from solidb_sync.testing.virtual_loop import VirtualClockLoop, run

ITERATIONS_MAX = 2_000_000


@dataclass(frozen=True, slots=True)
class Report:
    """What one run came to; `broken` is empty when every promise was kept."""

    seed: int
    steps: int
    trace: tuple[str, ...]
    broken: str = ""


def simulate(seed: int) -> Report:
    """Run one world from its seed to its end."""
    loop = VirtualClockLoop(iterations_max=ITERATIONS_MAX)
    world = World(seed, loop)
    problem = ""
    try:
        run(world.live(), loop=loop)
    except Exception as raised:  # noqa: BLE001 - whatever it is, it is the finding
        problem = f"{type(raised).__name__}: {raised}"
        problem = str(raised) if isinstance(raised, AssertionError) else problem
    finally:
        world.close()
    return Report(seed, world.steps_done, tuple(world.trace), problem)


def simulate_many(seeds: Sequence[int]) -> list[Report]:
    """Run one world after the other."""
    return [simulate(seed) for seed in seeds]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate devices and a server from seeds.")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", type=int, help="run one seed and print its trace")
    asked = parser.parse_args(arguments)
    begun = time.perf_counter()
    if asked.trace is not None:
        report = simulate(asked.trace)
        print("\n".join(report.trace))  # noqa: T201
        reports = [report]
    else:
        reports = simulate_many(range(asked.first, asked.first + asked.seeds))
    failed = [report for report in reports if report.broken]
    for report in failed:
        print(f"seed {report.seed}: {report.broken}")  # noqa: T201
    seconds = time.perf_counter() - begun
    steps = sum(report.steps for report in reports)
    print(  # noqa: T201
        f"{len(reports)} seeds, {steps} steps, {len(failed)} failed, {seconds:.1f} s, {steps / seconds:.0f} steps a second"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
