"""Devices and a server in one process, from one seed: real code and real bytes over a network, disks and a clock that fail.

A run makes a world, takes it through random steps, lets every fault end, syncs until nothing moves, and looks whether
the promises were kept; they are also checked after every request and every step. The same seed gives the same trace.

    python -m solidb_sync.testing.simulation --seeds 200
    python -m solidb_sync.testing.simulation --trace 17
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from solidb_sync.testing.final_checks import check_everything
from solidb_sync.testing.simulated_server import quiet_server_log
from solidb_sync.testing.simulated_steps import Steps
from solidb_sync.testing.simulated_world import World
from solidb_sync.testing.virtual_loop import VirtualClockLoop, run

ITERATIONS_MAX = 300_000
"""How often the loop of one world may go round: more is a world that asks for ever."""

SEEDS_PER_PROCESS = 200


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

    @property
    def steps(self) -> int:
        """How much happened."""
        return self.actions + self.messages


async def live(world: World) -> None:
    """Take a world through its whole story."""
    steps = Steps(world, world.rng)
    for _ in range(await world.begin()):
        world.trace.append(f"{world.actions_done} {await steps.take_one()}")
        world.actions_done += 1
        world.look_around()
    await world.calm_down()
    await check_everything(world)


def simulate(seed: int) -> Report:
    """Run one world from its seed to its end."""
    loop = VirtualClockLoop(iterations_max=ITERATIONS_MAX)
    world = World(seed, loop)
    problem = ""
    gc.disable()  # a world is small and soon gone; looking for cycles in it costs a tenth of the time
    try:
        with quiet_server_log():
            run(live(world), loop=loop)
    except Exception as raised:  # noqa: BLE001 - whatever it is, it is the finding
        found = world.findings[0] if world.findings else raised
        problem = str(found) if isinstance(found, AssertionError) else f"{type(found).__name__}: {found}"
    finally:
        world.close()
        gc.enable()
    return Report(seed, world.actions_done, world.messages(), tuple(world.trace), problem)


def simulate_many(seeds: Sequence[int], *, jobs: int = 1) -> Iterator[Report]:
    """Run one world after the other and yield their reports in order; with several `jobs`, in as many processes."""
    if jobs == 1:
        yield from map(simulate, seeds)
        return
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=SEEDS_PER_PROCESS) as pool:
        yield from pool.imap(simulate, seeds)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    parser = argparse.ArgumentParser(description="Simulate devices and a server from seeds.")
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--trace", type=int, help="run one seed and print its trace")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many processes")
    asked = parser.parse_args(arguments)
    begun = time.perf_counter()
    seeds = range(asked.first, asked.first + asked.seeds) if asked.trace is None else [asked.trace]
    steps = actions = failed = 0
    for report in simulate_many(seeds, jobs=asked.jobs if len(seeds) > 1 else 1):
        if asked.trace is not None:
            _say("\n".join(report.trace))
        if report.broken:
            _say(f"seed {report.seed}: {report.broken}")
        failed += bool(report.broken)
        steps += report.steps
        actions += report.actions
    seconds = time.perf_counter() - begun
    _say(
        f"{len(seeds)} seeds, {failed} failed; {steps} steps, {actions} of them actions; "
        f"{seconds:.1f} s, {steps / seconds:.0f} steps a second"
    )
    return 1 if failed else 0


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
