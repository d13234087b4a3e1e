"""The whole system from seeds: every world keeps its promises, and every deliberate bug is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

from solidb_sync.testing.mutants import MUTANTS, SEEDS_MAX, notice, planted
from solidb_sync.testing.simulation import main, simulate, simulate_twice

SEEDS = 60
BLOCKS = 6


def _seeds_that_failed_once() -> list[int]:
    return [int(line.split()[0]) for line in _lines("seeds.txt")]


def _seeds_that_notice() -> dict[str, int]:
    return {line.split()[0]: int(line.split()[1]) for line in _lines("mutant_seeds.txt")}


def _lines(name: str) -> list[str]:
    lines = Path(__file__).with_name(name).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("block", range(BLOCKS))
def test_every_world_keeps_its_promises(block: int) -> None:
    """Sixty worlds, each twice; `make simulation` runs more than a thousand."""
    size = SEEDS // BLOCKS
    reports = [simulate_twice(seed) for seed in range(block * size, (block + 1) * size)]
    assert {report.seed: report.broken for report in reports if report.broken} == {}


@pytest.mark.parametrize("seed", _seeds_that_failed_once())
def test_a_seed_that_failed_once_does_not_fail_again(seed: int) -> None:
    """What each of them found stands beside it in seeds.txt."""
    assert simulate(seed).broken == ""


@pytest.mark.parametrize("seed", [3, 11])
def test_the_same_seed_gives_the_same_trace(seed: int) -> None:
    """Every step, its outcome and the hash of every message, twice."""
    first, second = simulate(seed), simulate(seed)
    assert len(first.trace) > first.actions >= 50
    assert first.messages > 0
    assert first == second


def test_another_process_gives_the_same_trace() -> None:
    """Neither addresses nor the order of hashes play a part."""
    command = [sys.executable, "-m", "solidb_sync.testing.simulation", "--trace", "5"]
    told = [
        subprocess.run(command, env={"PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=True).stdout
        for hash_seed in ("1", "2")
    ]
    assert told[0].splitlines()[:-1] == told[1].splitlines()[:-1]
    assert told[0].splitlines()[:-1] == list(simulate(5).trace)


@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_a_deliberate_bug_is_noticed(name: str) -> None:
    """By the seed that is known to notice it; the others are tried only when the worlds have changed since."""
    seeds = [_seeds_that_notice()[name], *range(SEEDS_MAX)]
    assert notice(name, seeds) is not None, MUTANTS[name].__doc__


def test_the_command_line_names_the_seed_and_the_broken_promise(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, so that a nightly run fails."""
    with planted("sequence_in_vectors"):
        assert main(["--seeds", "1", "--jobs", "1"]) == 1
    told = capsys.readouterr().out
    assert "seed 0: 13 vector honesty" in told
    assert "1 seeds" in told
    assert "failed: 0" in told
    assert main(["--seeds", "1", "--first", "1"]) == 0
    assert main(["--seeds", "1", "--steps-min", "1000000"]) == 1
