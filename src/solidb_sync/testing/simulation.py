"""Devices and a server in one process, from one seed: real code and real bytes over a network, disks and a clock that fail.

A run makes a world, takes it through random steps, lets every fault end, syncs until nothing moves, and looks whether
the promises were kept; they are also checked after every request and every step. The same seed gives the same trace.

    python -m solidb_sync.testing.simulation --seeds 200
    python -m solidb_sync.testing.simulation --trace 17
    python -m solidb_sync.testing.simulation --hours 2
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import random
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest

from solidb_sync.testing.final_checks import check_everything
from solidb_sync.testing.simulated_disks import ENGINES
from solidb_sync.testing.simulated_server import quiet_log
from solidb_sync.testing.simulated_steps import Steps
from solidb_sync.testing.simulated_world import FEATURES, World
from solidb_sync.testing.single_thread import leave_out_locks
from solidb_sync.testing.virtual_loop import VirtualClockLoop, run

ITERATIONS_MAX = 300_000
"""How often the loop of one world may go round: more is a world that asks for ever."""

SEEDS_PER_PROCESS = 200
BATCH_SEEDS = 200


@dataclass(frozen=True, slots=True)
class Report:
    """What one run came to; `broken` is empty when every promise was kept.

    `actions` are what people and fate did: an edit, a round of sync, a crash. `messages` are the requests that reached the
    server and the answers it gave. A step is one of either: there, faults strike.
    """

    seed: int
    actions: int
    messages: int
    trace: tuple[str, ...]
    broken: str = ""
    runs: int = 1
    """How often the world was run."""

    @property
    def steps(self) -> int:
        """How much happened in one run."""
        return self.actions + self.messages


async def live(world: World) -> None:
    """Take a world through its whole story."""
    steps = Steps(world, world.rng)
    for _ in range(await world.begin()):
        world.trace.append(f"{world.actions_done} {await steps.take_one()}")
        world.actions_done += 1
        world.look_around()
    await world.calm_down()
    await steps.take_last()
    await check_everything(world)


def simulate(seed: int, features: Collection[str] = FEATURES, engine: str = "sqlite") -> Report:
    """Run one world from its seed to its end; `features` are what it may have, `engine` keeps the stores of its devices."""
    gc.disable()  # a world is small and soon gone; looking for cycles in it while it lives costs a tenth of the time
    try:
        return _run_world(seed, features, engine)
    finally:
        gc.collect(0)  # now that it is gone: nothing younger than this process's beginnings is looked at twice
        gc.enable()


def _run_world(seed: int, features: Collection[str], engine: str) -> Report:
    loop = VirtualClockLoop(iterations_max=ITERATIONS_MAX)
    world = World(seed, loop, features=features, engine=engine)
    problem = ""
    try:
        with quiet_log():
            run(live(world), loop=loop)
    except Exception as raised:  # noqa: BLE001 - whatever it is, it is the finding
        found = world.findings[0] if world.findings else raised
        problem = str(found) if isinstance(found, AssertionError) else f"{type(found).__name__}: {found}"
    finally:
        world.close()
    return Report(seed, world.actions_done, world.messages(), tuple(world.trace), problem)


def simulate_twice(seed: int, features: Collection[str] = FEATURES, engine: str = "sqlite") -> Report:
    """Run one world twice; that the two runs are the same to the last message is one more promise."""
    report = replace(simulate(seed, features, engine), runs=2)
    again = simulate(seed, features, engine)
    if report.broken or again.trace == report.trace:
        return report
    at = next(at for at, lines in enumerate(zip_longest(report.trace, again.trace)) if lines[0] != lines[1])
    return replace(report, broken=f"23 determinism: two runs part at line {at} of the trace")


def simulate_many(
    seeds: Iterable[int],
    *,
    jobs: int = 1,
    twice_every: int = 0,
    features: Collection[str] = FEATURES,
    engine: str = "sqlite",
) -> Iterator[Report]:
    """Run one world after the other and yield their reports in order; with several `jobs`, in as many processes.

    Every so many worlds, `twice_every`, one is run twice.
    """
    tasks = ((seed, twice_every > 0 and at % twice_every == 0, features, engine) for at, seed in enumerate(seeds))
    if jobs == 1:
        yield from map(_simulate_task, tasks)
        return
    gc.collect()
    gc.freeze()  # what is loaded stays for ever: no search for cycles between two worlds needs to look at it
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=SEEDS_PER_PROCESS) as pool:
        while batch := list(islice(tasks, BATCH_SEEDS)):  # a pool takes all it is given at once, and seeds may have no end
            yield from pool.imap(_simulate_task, batch)


def _simulate_task(task: tuple[int, bool, Collection[str], str]) -> Report:
    seed, is_twice, features, engine = task
    return simulate_twice(seed, features, engine) if is_twice else simulate(seed, features, engine)


@dataclass(slots=True)
class Tally:
    """What many worlds came to. `steps` are all that were run, `different` are those of each world's first run."""

    worlds: int = 0
    actions: int = 0
    different: int = 0
    steps: int = 0
    failed: list[int] = field(default_factory=list)
    _begun: float = field(default_factory=time.perf_counter)

    def add(self, report: Report) -> None:
        """Count one world, and say at once when a promise was broken in it."""
        self.worlds += 1
        self.actions += report.actions
        self.different += report.steps
        self.steps += report.steps * report.runs
        if report.broken:
            self.failed.append(report.seed)
            _say(f"seed {report.seed}: {report.broken}")

    def __str__(self) -> str:
        seconds = time.perf_counter() - self._begun
        return (
            f"{self.worlds} seeds, {len(self.failed)} failed; {self.steps} steps, {self.different} of them different, "
            f"{self.actions} actions; {seconds:.1f} s, {self.steps / seconds:.0f} steps a second"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate devices and a server from seeds.")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", type=int, help="run one seed and print its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes")
    parser.add_argument("--twice-every", type=int, default=0, help="run every n-th seed twice and compare the traces")
    parser.add_argument("--steps-min", type=int, default=0, help="fail when the different worlds come to fewer steps")
    parser.add_argument("--hours", type=float, help="run random seeds for so long; the failing ones are printed")
    parser.add_argument("--features", nargs="*", choices=sorted(FEATURES), help="what the worlds may have (all of them)")
    parser.add_argument("--engine", choices=ENGINES, default="sqlite", help="what keeps the stores of the devices")
    asked = parser.parse_args(arguments)
    tally = Tally()
    features = FEATURES if asked.features is None else frozenset(asked.features)
    if asked.trace is not None:
        report = simulate(asked.trace, features, asked.engine)
        _say("\n".join(report.trace))
        tally.add(report)
    else:
        seeds = range(asked.first, asked.first + asked.seeds) if asked.hours is None else _random_seeds(asked.hours)
        worlds = simulate_many(seeds, jobs=asked.jobs, twice_every=asked.twice_every, features=features, engine=asked.engine)
        for report in worlds:
            tally.add(report)
    _say(str(tally))
    if tally.failed:
        _say(f"failed: {' '.join(map(str, tally.failed))}")
    is_short = tally.different < asked.steps_min
    if is_short:
        _say(f"{tally.different} different steps, at least {asked.steps_min} were asked for")
    return 1 if tally.failed or is_short else 0


def _random_seeds(hours: float) -> Iterator[int]:
    """Yield seeds that nobody has tried, until the time is over."""
    source = random.SystemRandom()
    end = time.monotonic() + hours * 3600
    while time.monotonic() < end:
        yield source.randrange(1_000_000, 2**53)


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    leave_out_locks()
    sys.exit(main())
