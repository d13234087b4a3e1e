"""Random histories with filters: whatever happens on the way, a device ends with exactly what matches (26, 27, 28, 29, 30).

Devices edit, change filters, lose requests and answers, have old requests delivered again, are put back to a backup; the
server is killed. In the end everybody syncs, and every device holds what its filter lets through of what the server has, as
a fresh device with the same filter would. The same is lived on every engine; a device in memory is not reopened and not
put back to a backup.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.filters.conftest import World, rows, synced, wire_of

from solidb_sync import SyncManager
from solidb_sync.filters.row_filter import row_filter

STEPS = 40
KEYS = ["a", "b", "c", "d", "e", "f"]
FILTERS = [None, "n < 3", "n >= 2", "n == @me", "tag IN ['x', 'y'] AND n > 0", "n + 1 > 2 OR tag == 'x'", "false"]
RunIn = Callable[[Callable[[World], Any]], Any]


class History:
    """One history, from one seed."""

    def __init__(self, world: World, path: Path, seed: int, engine: str) -> None:
        self.world, self.path, self.rng, self.engine = world, path, random.Random(seed), engine
        self.trace: list[str] = []
        self.writer = world.device("writer")
        self.devices = {name: self.open(name) for name in ("one", "two")}
        self.backups: dict[str, str] = {}
        self.filters: dict[tuple[str, str], tuple[str | None, dict[str, Any]]] = {}

    def open(self, name: str, file: str | None = None) -> SyncManager:
        path = self.path / (file or f"{name}.store")
        return self.world.device(name, engine=self.engine, path=str(path), batch_size=self.rng.choice([2, 3, 100]))

    async def run(self) -> None:
        steps = [self.edit, self.edit, self.edit, self.edit, self.sync, self.sync, self.change_filter, self.disturb]
        for _ in range(STEPS):
            await self.rng.choice(steps)()

    async def edit(self) -> None:
        device = self.rng.choice([self.writer, *self.devices.values()])
        collection, key = self.rng.choice(["notes", "tasks"]), self.rng.choice(KEYS)
        self.trace.append(f"edit {device._store.device_id} {collection}/{key}")
        if self.rng.random() < 0.2:
            await device.delete_document(collection, key)
            return
        document = {"n": self.rng.choice([0, 1, 2, 3, [1]]), "tag": self.rng.choice("xyz")}
        picked = dict(self.rng.sample(list(document.items()), self.rng.choice([1, 2])))
        await device.save_document(collection, key, picked, merge=self.rng.random() < 0.8)

    async def sync(self) -> None:
        device = self.rng.choice([self.writer, *self.devices.values()])
        before = await waiting(device)
        wire_of(device).faults = self.rng.choices(["", "", "request", "answer"], k=3) if self.rng.random() < 0.4 else []
        self.trace.append(f"sync {device._store.device_id} {wire_of(device).faults}")
        await device.sync_now()
        wire_of(device).faults = []
        assert await waiting(device) <= before
        for collection, key in await waiting(device):
            row = device._store.view(lambda reader, place=(collection, key): reader.row(*place))
            assert row is not None, f"28: unsent edits of {collection}/{key} were dropped"

    async def change_filter(self) -> None:
        name, collection = self.rng.choice(list(self.devices)), self.rng.choice(["notes", "tasks"])
        text = self.rng.choice(FILTERS)
        binds = {"me": self.rng.choice([0, 1, 2])} if text and "@me" in text else {}
        self.filters[name, collection] = (text, binds)
        self.trace.append(f"filter {name} {collection} {text} {binds}")
        await self.devices[name].subscribe(collection, text, binds or None)

    async def disturb(self) -> None:
        name = self.rng.choice(list(self.devices))
        what = self.rng.choice(["kill server", "old request", "old request", "reopen", "backup", "restore", "resync"])
        self.trace.append(f"{what} {name}")
        device = self.devices[name]
        if self.engine == "memory" and what in ("reopen", "backup", "restore"):
            return
        match what:
            case "kill server":
                self.world.kill_server()
            case "old request" if wire_of(device).sent:
                await wire_of(device).send_again(self.rng.randrange(len(wire_of(device).sent)))
            case "reopen":
                device._store.close()
                self.devices[name] = self.open(name, Path(device._store.path).name)
            case "backup":
                self.backups[name] = f"{name}-{len(self.trace)}.store"
                device._store.backup(self.path / self.backups[name])
            case "restore" if name in self.backups:
                device._store.close()
                self.devices[name] = self.open(name, self.backups.pop(name))
                known = {known.collection: known for known in self.devices[name]._store.list_subscriptions()}
                for collection in ("notes", "tasks"):
                    found = known.get(collection)
                    self.filters[name, collection] = (found.filter, found.bind_vars or {}) if found else (None, {})
            case "resync":
                await device.full_resync()
            case _:
                pass

    async def check(self) -> None:
        for _ in range(3):
            await synced(self.writer, *self.devices.values())
        fresh = self.world.device("fresh")
        await synced(fresh)
        for name, device in self.devices.items():
            for collection in ("notes", "tasks"):
                text, binds = self.filters.get((name, collection), (None, {}))
                truth = await rows(fresh, collection)
                chosen = None if text is None else row_filter(text, binds, collection=collection)
                expected = {key: row for key, row in truth.items() if chosen is None or chosen.matches(key, row)}
                assert await rows(device, collection) == expected, (name, collection, text, binds)
            told = await self.world.get(f"/_api/sync/status/db?client_id={name}")
            assert told["pending_for_client"] == 0, "30"


async def waiting(device: SyncManager) -> set[tuple[str, str]]:
    return {(change.collection, change.key) for change in await device.pending_changes()}


def play(run_in: Callable[..., Any], path: Path, seed: int, engine: str) -> None:
    async def test(world: World) -> None:
        (path / str(seed)).mkdir()
        history = History(world, path / str(seed), seed, engine)
        try:
            await history.run()
            await history.check()
        except BaseException:
            print(f"seed {seed}", *history.trace, sep="\n")
            raise

    run_in(test)


@pytest.mark.parametrize(
    ("engine", "seed"),
    [("sqlite", seed) for seed in (*range(12), 188)]
    + [("rocksdb", seed) for seed in (*range(12, 20), 188)]
    + [("memory", seed) for seed in range(20, 26)],
)
def test_26_27_28_29_30_a_device_ends_with_what_its_filter_lets_through(
    in_world: RunIn, tmp_path: Path, engine: str, seed: int
) -> None:
    play(in_world, tmp_path, seed, engine)
