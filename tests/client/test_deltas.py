"""Fields or whole documents: switched per collection, weighed by a threshold, and never a difference in what comes out."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import ConfigError, DeltaStats, SyncManager

pytestmark = pytest.mark.anyio
LONG = "x" * 2_000


async def both_have(phone: SyncManager, laptop: SyncManager) -> None:
    """Give both devices a long document."""
    await phone.save_document("notes", "one", {"n": 1, "text": LONG})
    for device in (phone, laptop):
        await device.sync_now()


async def edit_once(author: SyncManager, reader: SyncManager, number: int) -> tuple[DeltaStats, DeltaStats]:
    """Change one field, and return what that took on both ways."""
    await author.save_document("notes", "one", {"n": number})
    await author.sync_now()
    await reader.sync_now()
    document = await reader.get_document("notes", "one")
    assert document is not None
    assert (document["n"], document["text"]) == (number, LONG)
    return await author.get_last_delta_stats(), await reader.get_last_delta_stats()


async def test_one_field_of_a_long_document_costs_its_own_bytes_both_ways(device: DeviceMaker) -> None:
    """O7 and I2."""
    phone, laptop = device("phone"), device("laptop")
    assert await phone.get_last_delta_stats() == DeltaStats(0, 0, 0)
    await both_have(phone, laptop)
    sent, received = await edit_once(phone, laptop, 2)
    assert sent.delta_size < 400 < len(LONG) < sent.full_size
    assert received.delta_size < 20 < len(LONG) < received.full_size
    assert (sent.documents, received.documents) == (1, 1)
    assert received.ratio == received.delta_size / received.full_size


async def test_delta_sync_is_switched_for_each_collection_and_stays_so(device: DeviceMaker, tmp_path: Any) -> None:
    """I1."""
    path = str(tmp_path / "phone.db")
    phone, laptop = device("phone", engine="sqlite", path=path), device("laptop")
    await both_have(phone, laptop)
    await phone.enable_delta_sync("notes", False)
    await laptop.enable_delta_sync("notes", False)
    for stats in await edit_once(phone, laptop, 2):
        assert stats.delta_size == stats.full_size > len(LONG)
    await phone.stop()
    phone._store.close()
    again = device("phone", engine="sqlite", path=path)
    sent, _ = await edit_once(again, laptop, 3)
    assert sent.delta_size == sent.full_size
    await again.enable_delta_sync("notes", True)
    sent, _ = await edit_once(again, laptop, 4)
    assert sent.delta_size < 400


async def test_the_threshold_says_when_the_document_goes(device: DeviceMaker) -> None:
    """I3."""
    phone, laptop = device("phone"), device("laptop", delta_threshold=0)
    await both_have(phone, laptop)
    sent, received = await edit_once(phone, laptop, 2)
    assert sent.delta_size < sent.full_size
    assert received.delta_size == received.full_size
    await phone.set_delta_threshold(0)
    sent, _ = await edit_once(phone, laptop, 3)
    assert sent.delta_size == sent.full_size
    await laptop.set_delta_threshold(1)
    await phone.set_delta_threshold(0.01)
    sent, received = await edit_once(phone, laptop, 4)
    assert sent.delta_size < sent.full_size
    assert received.delta_size < received.full_size


@pytest.mark.parametrize("threshold", [-0.1, 1.5, True, "0.5", None, float("nan")])
async def test_a_threshold_is_a_part_of_one(device: DeviceMaker, threshold: Any) -> None:
    phone = device("phone")
    with pytest.raises(ConfigError, match="threshold: expected 0 to 1"):
        await phone.set_delta_threshold(threshold)


async def play(make: Callable[..., SyncManager], seed: int, prefix: str, **settings: Any) -> list[Any]:
    """Let two devices edit the same documents in an order that follows from a seed; return what both end with."""
    rng = random.Random(seed)
    devices = [make(f"{prefix}-{name}", **settings) for name in ("phone", "laptop")]
    for collection_off in settings.pop("off", ()):
        for device in devices:
            await device.enable_delta_sync(collection_off, False)
    for _ in range(25):
        device, key = rng.choice(devices), rng.choice("ab")
        match rng.randrange(6):
            case 0:
                await device.delete_document("notes", key)
            case 1 | 2:
                await device.sync_now()
            case _:
                name = rng.choice(["a", "b", "c"])
                value = rng.choice([1, LONG[: rng.randrange(50)], {"x": rng.randrange(3), "y": {}}, None])
                await device.save_document("notes", key, {name: value}, merge=rng.random() < 0.7)
    for _ in range(3):
        for device in devices:
            assert (await device.sync_now()).success
    first, second = [await device.query_documents("notes") for device in devices]
    assert first == second
    return first


@pytest.mark.parametrize("seed", range(6))
async def test_deltas_on_off_and_any_threshold_end_the_same(new_database: Callable[[], str], server: Any, seed: int) -> None:
    """34 delta equivalence."""
    outcomes = []
    for threshold in (0.0, 0.3, 1.0):
        database, made = new_database(), []

        def make(name: str, database: str = database, made: list[Any] = made, threshold: float = threshold) -> SyncManager:
            from solidb_sync import LocalStore, SyncConfig

            store = LocalStore.open(":memory:", name, engine="memory")
            config = SyncConfig(auto_sync=False, delta_threshold=threshold)
            made.append(SyncManager(store, server.client(database), config))
            return made[-1]

        outcomes.append(await play(make, seed, "d"))
        for manager in made:
            await manager.stop()
    assert outcomes[0] == outcomes[1] == outcomes[2]
