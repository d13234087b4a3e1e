"""The same stories over the other engines: every world keeps its promises whatever keeps the stores of its devices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from solidb_sync.storage.memory import MemoryEngine
from solidb_sync.storage.rocksdb.rocksdb_engine import RocksdbEngine
from solidb_sync.testing.simulation import main, simulate, simulate_twice

BLOCKS = 4
SEEDS_OF_A_BLOCK = {"memory": 8, "rocksdb": 3}


@pytest.mark.parametrize("block", range(BLOCKS))
@pytest.mark.parametrize("engine", sorted(SEEDS_OF_A_BLOCK))
def test_every_world_keeps_its_promises_over_another_engine(engine: str, block: int) -> None:
    """`python -m solidb_sync.testing.simulation --engine rocksdb` runs as many as you like."""
    size = SEEDS_OF_A_BLOCK[engine]
    reports = [simulate_twice(seed, engine=engine) for seed in range(block * size, (block + 1) * size)]
    assert {report.seed: report.broken for report in reports if report.broken} == {}


@pytest.mark.parametrize("engine", ["memory", "rocksdb"])
def test_the_world_is_lived_over_the_engine_that_was_asked_for(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a restore and a clone in it: seed 140 has both."""
    kinds = {"memory": MemoryEngine, "rocksdb": RocksdbEngine}
    added: list[str] = []
    original: Callable[..., Any] = kinds[engine].add_change

    def add_change(self: Any, change: Any) -> Any:
        added.append(change.collection)
        return original(self, change)

    monkeypatch.setattr(kinds[engine], "add_change", add_change)
    assert simulate(140, engine=engine).broken == ""
    assert len(added) > 10


def _drops_one_less(original: Callable[..., Any]) -> Callable[..., Any]:
    def drop_changes(self: Any, ids: Sequence[int]) -> Any:
        return original(self, ids[1:])

    return drop_changes


@pytest.mark.parametrize(("engine", "kind"), [("memory", MemoryEngine), ("rocksdb", RocksdbEngine)])
def test_a_bug_of_an_engine_is_noticed(engine: str, kind: type[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind, "drop_changes", _drops_one_less(kind.drop_changes))
    assert any(simulate(seed, engine=engine).broken for seed in range(10))


def test_the_command_line_takes_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seeds", "2", "--jobs", "1", "--engine", "memory"]) == 0
    assert "2 seeds, 0 failed" in capsys.readouterr().out
