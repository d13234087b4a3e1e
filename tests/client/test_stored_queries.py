"""Queries of a manager over a store in a file: they run inside SQLite as far as possible, and say so."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

import sdbql
from solidb_sync import HttpClient, LocalStore, SyncConfig, SyncManager
from solidb_sync.clock import SystemClock
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.records import StoredRow

pytestmark = pytest.mark.anyio
COUNT = 6_000


class JumpingClock(SystemClock):
    """A clock that stands still until it has been looked at so many times, and then is an hour later."""

    def __init__(self) -> None:
        self.looks_left: int | None = None

    def monotonic(self) -> float:
        if self.looks_left is None:
            return 0.0
        self.looks_left -= 1
        return 0.0 if self.looks_left >= 0 else 3_600.0


def fill(engine: StorageEngine) -> None:
    cities = itertools.cycle(["Paris", "Oslo", "Porto"])
    for number in range(COUNT):
        engine.put_row("users", f"u{number:05}", StoredRow(f'{{"age":{number % 80},"city":"{next(cities)}"}}', "{}", ""))


@pytest.fixture
def clock() -> JumpingClock:
    return JumpingClock()


@pytest.fixture
async def manager(tmp_path: Path, clock: JumpingClock, anyio_backend: str) -> AsyncIterator[SyncManager]:
    """A manager over users in a file, without a server."""
    store = LocalStore.open(tmp_path / "store.db", "phone", clock=clock)
    store.transact(fill)
    manager = SyncManager(store, HttpClient("http://127.0.0.1:9", database="none"), SyncConfig(auto_sync=False))
    yield manager
    await manager.stop()
    store.close()


async def test_a_query_sees_keys_ids_and_the_last_save(manager: SyncManager) -> None:
    await manager.save_document("users", "u00002", {"city": "Rome"})
    found = await manager.query("FOR u IN users FILTER u.city == 'Rome' OR u._id == 'users/u00001' RETURN u")
    assert found == [
        {"age": 1, "city": "Oslo", "_key": "u00001", "_id": "users/u00001"},
        {"age": 2, "city": "Rome", "_key": "u00002", "_id": "users/u00002"},
    ]


async def test_a_deleted_document_is_in_no_result(manager: SyncManager) -> None:
    await manager.delete_document("users", "u00000")
    assert await manager.query("FOR u IN users COLLECT WITH COUNT INTO n RETURN n") == [COUNT - 1]
    assert await manager.query("FOR u IN users FILTER u.age < 1 LIMIT 1 RETURN u._key") == ["u00080"]


async def test_explain_tells_what_runs_where_and_through_which_index(manager: SyncManager) -> None:
    query = "FOR u IN users FILTER u.city == @city SORT u.age LIMIT 3 RETURN UPPER(u.city)"
    before = (await manager.explain(query, {"city": "Oslo"})).split("\n")
    assert before[0] == "in SQLite"
    assert "    SCAN users" in before
    assert before[-2:] == ["in the interpreter", "  return UPPER(u.city)"]
    await manager.create_index("users", "city")
    after = (await manager.explain(query, {"city": "Oslo"})).split("\n")
    assert "    SEARCH users USING INDEX ON users.city (<expr>=?)" in after


async def test_explain_without_its_binds_shows_the_steps_alone(manager: SyncManager) -> None:
    assert await manager.explain("FOR u IN users FILTER u.city == @city RETURN u") == (
        "for each u in users\nfilter u.city == @city\nreturn u"
    )


async def test_the_same_query_after_an_index_was_made_and_dropped_gives_the_same(manager: SyncManager) -> None:
    query = "FOR u IN users FILTER u.age >= 79 AND u.city == 'Oslo' RETURN u._key"
    first = await manager.query(query)
    await manager.create_index("users", "age")
    assert await manager.query(query) == first
    await manager.drop_index("users", "age")
    assert await manager.query(query) == first
    assert len(first) == COUNT / 80 / 3


async def test_a_query_out_of_time_ends_inside_sqlite_and_the_store_goes_on(
    manager: SyncManager, clock: JumpingClock
) -> None:
    query = "FOR u IN users FILTER u.city == 'Nowhere' RETURN u"
    clock.looks_left = 2  # as it begins
    with pytest.raises(sdbql.QueryLimitError, match="time_ms_max"):
        await manager.query(query, limits=sdbql.Limits(time_ms_max=1_000))
    clock.looks_left = None
    assert await manager.query(query, limits=sdbql.Limits(time_ms_max=1_000)) == []


async def test_rows_from_sqlite_count_against_the_bound_on_rows_held(manager: SyncManager) -> None:
    with pytest.raises(sdbql.QueryLimitError, match="rows_held_max"):
        await manager.query("FOR u IN users SORT u.age RETURN u", limits=sdbql.Limits(rows_held_max=100))


async def test_an_unknown_collection_is_named(manager: SyncManager) -> None:
    with pytest.raises(sdbql.CollectionNotFoundError, match="did you mean users"):
        await manager.query("FOR u IN user RETURN u")
    with pytest.raises(sdbql.CollectionNotFoundError, match="did you mean users"):
        await manager.explain("FOR u IN user RETURN u")
