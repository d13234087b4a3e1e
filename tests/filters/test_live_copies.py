"""Two copies of one store that both live, each with filters of its own: they share no more than a client id (26, 27)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.filters.conftest import World, rows, synced, wire_of

from solidb_sync import ConflictStrategy, SyncManager

RunIn = Callable[[Callable[[World], Any]], Any]

LOW = "FOR n IN notes FILTER n.n < 20 RETURN n"
HIGH = "FOR n IN notes FILTER n.n >= 10 RETURN n"
NOTES = 30
QUIET_ROUNDS = 10


async def two_copies(world: World, path: Path, *, first_filter: str | None = None) -> tuple[SyncManager, SyncManager]:
    """Return two live devices made of one store, which had everything that its filter lets through."""
    writer = world.device("writer")
    for n in range(NOTES):
        await writer.save_document("notes", f"k{n:02}", {"n": n})
    await synced(writer)
    first = world.device("phone", engine="sqlite", path=str(path / "phone.db"))
    if first_filter:
        await first.set_sync_filter(first_filter)
    await synced(first)
    world.store_of(first).backup(path / "copy.db")
    return first, world.device("phone", engine="sqlite", path=str(path / "copy.db"))


async def requests_of_rounds(*devices: SyncManager, rounds: int) -> int:
    """Let devices sync in turns and return how many requests that took."""
    before = sum(len(wire_of(device).sent) for device in devices)
    for _ in range(rounds):
        await synced(*devices)
    return sum(len(wire_of(device).sent) for device in devices) - before


async def keys_of(device: SyncManager) -> list[int]:
    """Return the numbers of the notes on a device."""
    return sorted(document["n"] for document in (await rows(device)).values())


def test_two_live_copies_with_different_filters_ask_once_a_round_when_nothing_happens(
    in_world: RunIn, tmp_path: Path
) -> None:
    """Seed 326 of the simulation once made 1,800 messages: each registered its filter in the place of the other's."""

    async def test(world: World) -> None:
        low, high = await two_copies(world, tmp_path)
        await low.set_sync_filter(LOW)
        await high.set_sync_filter(HIGH)
        settling = await requests_of_rounds(low, high, rounds=3)
        assert settling <= 24
        assert await requests_of_rounds(low, high, rounds=QUIET_ROUNDS) == 2 * QUIET_ROUNDS
        assert await keys_of(low) == list(range(20))
        assert await keys_of(high) == list(range(10, 30))

    in_world(test)


def test_a_copy_that_lifts_its_filter_leaves_the_other_its_own(in_world: RunIn, tmp_path: Path) -> None:
    """26, 27: without a filter the views of a client were all forgotten, those of the other copy too."""

    async def test(world: World) -> None:
        low, all_of_it = await two_copies(world, tmp_path, first_filter=LOW)
        await all_of_it.set_collection_sync_filters([])
        await requests_of_rounds(low, all_of_it, rounds=3)
        assert await requests_of_rounds(low, all_of_it, rounds=QUIET_ROUNDS) == 2 * QUIET_ROUNDS
        assert await keys_of(low) == list(range(20))
        assert await keys_of(all_of_it) == list(range(NOTES))

    in_world(test)


def test_copies_with_one_filter_that_came_apart_do_not_take_each_others_view_away(in_world: RunIn, tmp_path: Path) -> None:
    """A document left the view of both while one of them was away: beyond its floor that one begins a view of its own."""

    async def test(world: World) -> None:
        first, second = await two_copies(world, tmp_path, first_filter=LOW)
        other = world.device("other")
        await synced(other)
        for n in (3, 4):
            await other.save_document("notes", f"k{n:02}", {"n": 100 + n})
            await synced(other, first, first)
        await requests_of_rounds(first, second, rounds=3)
        assert await requests_of_rounds(first, second, rounds=QUIET_ROUNDS) == 2 * QUIET_ROUNDS
        assert await keys_of(first) == await keys_of(second) == [n for n in range(20) if n not in (3, 4)]

    in_world(test)


def test_copies_that_both_edit_lose_nothing_and_each_filter_holds(in_world: RunIn, tmp_path: Path) -> None:
    async def test(world: World) -> None:
        low, high = await two_copies(world, tmp_path)
        await low.set_sync_filter(LOW)
        await high.set_sync_filter(HIGH)
        for turn in range(6):
            await low.save_document("notes", f"low{turn}", {"n": -1 - turn})
            await high.save_document("notes", f"high{turn}", {"n": 40 + turn})
            await low.save_document("notes", "k15", {"n": 15, "low": turn})
            await high.save_document("notes", "k16", {"n": 16, "high": turn})
            await high.save_document("notes", f"k{turn + 10}", {"n": 60 + turn})
            await synced(low, high)
        await requests_of_rounds(low, high, rounds=3)
        assert await requests_of_rounds(low, high, rounds=QUIET_ROUNDS) == 2 * QUIET_ROUNDS
        reader = world.device("reader")
        await synced(reader)
        every = await rows(reader)
        assert len(every) == NOTES + 12
        assert await rows(low) == {key: row for key, row in every.items() if row["n"] < 20}
        assert await rows(high) == {key: row for key, row in every.items() if row["n"] >= 10}

    in_world(test)


def test_a_device_that_changes_its_filter_to_and_fro_is_taken_for_one(in_world: RunIn, tmp_path: Path) -> None:
    """Only a device that asks for nothing new shows a copy: the views that a single one has left are forgotten."""

    async def test(world: World) -> None:
        await two_copies(world, tmp_path)
        single = world.device("tablet")
        for turn in range(6):
            await single.set_sync_filter(LOW if turn % 2 else HIGH)
            await synced(single, single)
        assert await world.noticed("tablet") == (False, 1)

    in_world(test)


def test_copies_are_forgotten_when_nothing_shows_them_for_the_retention_time(in_world: RunIn, tmp_path: Path) -> None:
    async def test(world: World) -> None:
        low, high = await two_copies(world, tmp_path)
        await low.set_sync_filter(LOW)
        await high.set_sync_filter(HIGH)
        await requests_of_rounds(low, high, rounds=3)
        assert await world.noticed("phone") == (True, 2)
        await world.maintain_after(days=31)
        assert await world.noticed("phone") == (False, 2)
        await synced(low, low)  # the one with the newer view: now it looks like a single device
        assert await world.noticed("phone") == (False, 1)

    in_world(test)


def test_each_copy_has_its_conflicts_decided_by_its_own_strategy(in_world: RunIn, tmp_path: Path) -> None:
    """24: what a request asks for counts, whichever of the copies has registered last."""

    async def test(world: World) -> None:
        first, last = await two_copies(world, tmp_path)
        await first.set_conflict_strategy("notes", ConflictStrategy.FIRST_WRITE_WINS)
        await last.set_conflict_strategy("notes", ConflictStrategy.LAST_WRITE_WINS)
        await requests_of_rounds(first, last, rounds=3)
        other = world.device("other")
        await synced(other)
        for turn, copy in enumerate((first, last, first, last)):
            mine, theirs = 100 + turn, 200 + turn
            await synced(first, last)
            await copy.save_document("notes", "k01", {"n": mine})
            await other.save_document("notes", "k01", {"n": theirs})
            await synced(other, copy, other)
            assert (await rows(other))["k01"]["n"] == (mine if copy is last else theirs)

    in_world(test)
