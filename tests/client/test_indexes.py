"""Local indexes through `SyncManager`: what a unique one refuses and what it never does, and that queries don't change."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import ConfigError, IndexDefinition, SyncManager, UniqueIndexError

pytestmark = pytest.mark.anyio

QUERIES: list[tuple[str, dict[str, Any]]] = [
    ("FOR u IN users FILTER u.age == @x SORT u._key RETURN u._key", {"x": 3}),
    ("FOR u IN users FILTER u.age == @x SORT u._key RETURN u._key", {"x": True}),
    ("FOR u IN users FILTER u.age == @x SORT u._key RETURN u._key", {"x": None}),
    ("FOR u IN users FILTER u.age == @x SORT u._key RETURN u._key", {"x": "3"}),
    ("FOR u IN users FILTER u.age >= 2 AND u.age < 5 SORT u._key RETURN u._key", {}),
    ("FOR u IN users FILTER u.age < 3 SORT u._key RETURN u._key", {}),
    ("FOR u IN users FILTER u.age IN [1, '3', true] SORT u._key RETURN u._key", {}),
    ("FOR u IN users FILTER u.address.city != 'Oslo' SORT u._key RETURN u._key", {}),
    ("FOR u IN users SORT u.age, u._key LIMIT 5 RETURN u._key", {}),
    ("FOR u IN users SORT u.age DESC, u._key LIMIT 5 RETURN u._key", {}),
    ("FOR u IN users COLLECT age = u.age WITH COUNT INTO n SORT age RETURN [age, n]", {}),
]
AGES: list[Any] = [1, 3, 3.0, "3", True, False, None, [3], {"a": 1}, 4, -0.0, 2]


@pytest.fixture(params=["memory", "sqlite", "rocksdb"])
def phone(request: pytest.FixtureRequest, device: DeviceMaker, tmp_path: Any) -> SyncManager:
    """A device on either engine."""
    return device("phone", engine=request.param, path=tmp_path / "phone.db")


async def test_an_edit_that_would_break_a_unique_index_is_refused_and_changes_nothing(phone: SyncManager) -> None:
    await phone.save_document("users", "ann", {"email": "a@x"})
    await phone.save_document("users", "bob", {"email": "b@x", "age": 3})
    await phone.create_index("users", "email", unique=True)
    with pytest.raises(UniqueIndexError) as refused:
        await phone.save_document("users", "bob", {"email": "a@x", "age": 4})
    assert str(refused.value) == (
        'users/bob: email is unique on this device, and "a@x" is in users/ann already; nothing was saved'
    )
    assert (refused.value.collection, refused.value.field, refused.value.collisions) == (
        "users",
        "email",
        (("a@x", ("ann",)),),
    )
    assert await phone.get_document("users", "bob") == {"_key": "bob", "_id": "users/bob", "email": "b@x", "age": 3}
    assert len(await phone.pending_changes()) == 2
    with pytest.raises(UniqueIndexError):
        await phone.save_document("users", "cid", {"email": "b@x"})


async def test_values_that_are_free_null_or_the_documents_own_are_saved(phone: SyncManager) -> None:
    await phone.save_document("users", "ann", {"email": "a@x"})
    await phone.create_index("users", "email", unique=True)
    await phone.save_document("users", "ann", {"email": "a@x", "age": 1})
    for key in ("bob", "cid"):
        await phone.save_document("users", key, {"email": None})
        await phone.save_document("users", f"{key}2", {"age": 1})
    await phone.delete_document("users", "ann")
    await phone.save_document("users", "dan", {"email": "a@x"})
    with pytest.raises(UniqueIndexError):
        await phone.save_document("users", "ann", {"email": "a@x"})
    await phone.drop_index("users", "email")
    await phone.save_document("users", "ann", {"email": "a@x"})


async def test_a_transaction_is_judged_by_what_it_leaves_behind(phone: SyncManager) -> None:
    await phone.save_document("users", "ann", {"email": "a@x"})
    await phone.save_document("users", "bob", {"email": "b@x"})
    await phone.create_index("users", "email", unique=True)
    async with phone.transaction() as exchange:
        await exchange.save_document("users", "ann", {"email": "b@x"})
        await exchange.save_document("users", "bob", {"email": "a@x"})
    both = await phone.transaction().__aenter__()
    await both.save_document("users", "cid", {"email": "c@x"})
    await both.save_document("users", "dan", {"email": "c@x"})
    with pytest.raises(UniqueIndexError):
        await both.__aexit__(None, None, None)
    assert [(key, found["email"]) for key, found in await phone.query_documents("users")] == [("ann", "b@x"), ("bob", "a@x")]


async def test_documents_that_collide_arrive_by_sync_all_the_same_and_can_be_edited(
    phone: SyncManager, device: DeviceMaker
) -> None:
    laptop = device("laptop")
    await phone.save_document("users", "ann", {"email": "a@x"})
    await phone.create_index("users", "email", unique=True)
    await laptop.save_document("users", "bob", {"email": "a@x"})
    await laptop.sync_now()
    assert (await phone.sync_now()).success
    assert (await phone.get_document("users", "bob") or {})["email"] == "a@x"
    await phone.save_document("users", "bob", {"age": 3})
    async with phone.transaction() as there_and_back:
        await there_and_back.save_document("users", "bob", {"email": "b@x"})
        await there_and_back.save_document("users", "bob", {"email": "a@x"})
    await phone.save_document("users", "bob", {"email": "b@x"})
    with pytest.raises(UniqueIndexError):
        await phone.save_document("users", "bob", {"email": "a@x"})


async def test_a_query_gives_the_same_with_and_without_indexes_after_saves_pulls_deletions_and_a_resync(
    phone: SyncManager, device: DeviceMaker
) -> None:
    plain, laptop = device("plain"), device("laptop")
    await phone.save_document("users", "first", {"age": 3})
    await phone.create_index("users", "age")
    await phone.create_index("users", "address.city")
    for number, age in enumerate(AGES):
        maker = phone if number % 2 else laptop
        await maker.save_document("users", f"u{number:02}", {"age": age, "address": {"city": ["Oslo", "Rome"][number % 2]}})
    await phone.delete_document("users", "u01")
    for manager in (phone, laptop, phone, plain):
        assert (await manager.sync_now()).success
    await laptop.save_document("users", "u02", {"age": 4})
    await laptop.delete_document("users", "u04")
    await phone.save_document("users", "u02", {"address": None})
    for manager in (laptop, phone, laptop, plain):
        assert (await manager.sync_now()).success
    for manager in (phone, plain):
        assert (await manager.full_resync()).success
    assert await phone.list_indexes("users") == [IndexDefinition("users", "address.city"), IndexDefinition("users", "age")]
    for text, binds in QUERIES:
        assert await phone.query(text, binds) == await plain.query(text, binds), text


async def test_progress_is_told_on_the_event_loop_before_the_index_is_answered_for(phone: SyncManager) -> None:
    told: list[tuple[int, int]] = []
    for number in range(3):
        await phone.save_document("users", str(number), {})
    await phone.create_index("users", "age", progress=lambda done, count: told.append((done, count)))
    assert (told[0], told[-1]) == ((0, 3), (3, 3))


async def test_a_configured_collection_can_be_indexed_before_anything_is_in_it(device: DeviceMaker) -> None:
    phone = device("phone", collections=["users"])
    await phone.create_index("users", "email", unique=True)
    assert await phone.list_indexes() == [IndexDefinition("users", "email", unique=True)]
    assert await phone.drop_index("users", "email")
    assert not await phone.drop_index("users", "email")
    with pytest.raises(ConfigError, match="collection: 'orders' is not known here"):
        await phone.create_index("orders", "total")
    with pytest.raises(ConfigError, match="collection: '_users'"):
        await phone.create_index("_users", "email")


async def test_the_example_in_the_document_runs(device: DeviceMaker) -> None:
    text = (Path(__file__).parents[2] / "docs/INDEXES.md").read_text("utf-8")
    example = text.split("```python\n")[2].partition("```")[0]
    manager = device("phone", collections=["users"])
    code = compile(example, "docs/INDEXES.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    await eval(code, {"manager": manager})
    assert await manager.list_indexes("users") == [IndexDefinition("users", "email", unique=True)]
