"""Selective sync from one end to the other: devices with filters over the real server (J1, J2, J4, C4, C5, N15; 26-29)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.filters.conftest import World, rows, synced, wire_of

from solidb_sync import SyncCommand
from solidb_sync.errors import FilterError

ACTIVE = "FOR n IN notes FILTER n.status == 'active' RETURN n"
RunIn = Callable[[Callable[[World], Any]], Any]


async def with_notes(world: World, **documents: dict[str, Any]) -> Any:
    """Return an unfiltered device that has written these notes to the server."""
    writer = world.device("writer")
    for key, document in documents.items():
        await writer.save_document("notes", key, document)
    await synced(writer)
    return writer


A, D = {"status": "active"}, {"status": "done"}


def test_j1_filters_of_two_collections_both_hold_and_a_second_one_takes_the_place_of_the_first(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=D)
        for n in range(4):
            await writer.save_document("tasks", f"t{n}", {"n": n})
        await synced(writer)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await phone.set_sync_filter("FOR t IN tasks FILTER t.n >= @least RETURN t", {"least": 2})
        await synced(phone)
        assert await rows(phone) == {"a": A}
        assert sorted(await rows(phone, "tasks")) == ["t2", "t3"]
        await phone.set_sync_filter("FOR t IN tasks FILTER t.n >= @least RETURN t", {"least": 3})
        await synced(phone)
        assert (sorted(await rows(phone)), sorted(await rows(phone, "tasks"))) == (["a"], ["t3"])

    in_world(test)


def test_j2_the_whole_map_is_set_at_once_or_not_at_all(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=D)
        await writer.save_document("tasks", "t", {"n": 1})
        await synced(writer)
        phone = world.device("phone")
        await phone.set_sync_filter("FOR t IN tasks FILTER t.n > 5 RETURN t")
        with pytest.raises(FilterError, match="LIMIT"):
            await phone.set_collection_sync_filters(
                [("notes", ACTIVE, None), ("tasks", "FOR t IN tasks LIMIT 1 RETURN t", None)]
            )
        await synced(phone)
        assert (sorted(await rows(phone)), sorted(await rows(phone, "tasks"))) == (["a", "b"], [])
        await phone.set_collection_sync_filters([("notes", ACTIVE, None), ("tasks", None, None)])
        await synced(phone)
        assert (sorted(await rows(phone)), sorted(await rows(phone, "tasks"))) == (["a"], ["t"])
        await phone.set_collection_sync_filters([])
        await synced(phone)
        assert sorted(await rows(phone)) == ["a", "b"]

    in_world(test)


def test_c4_a_subscription_with_a_bare_predicate_brings_what_is_there_on_the_next_round(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        await with_notes(world, a=A, b=D)
        phone = world.device("phone", collections=("other",))
        await synced(phone)
        commands = await phone.start()
        await commands.send(SyncCommand.Subscribe("notes", "status == 'active' AND doc._key != 'z'"))
        await commands.send(SyncCommand.SyncNow())
        stream = phone.changes("notes")
        event = await anext(stream)
        assert (event.key, event.source) == ("a", "remote")
        assert await rows(phone) == {"a": A}

    in_world(test)


def test_c5_an_unsubscribed_collection_keeps_its_rows_and_is_made_sound_when_subscribed_again(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=A)
        phone = world.device("phone", collections=("other",))
        await phone.subscribe("notes", "status == 'active'")
        await synced(phone)
        await phone.unsubscribe("notes")
        await writer.save_document("notes", "a", D)
        await synced(writer, phone)
        assert await rows(phone) == {"a": A, "b": A}
        await phone.subscribe("notes", "status == 'active'")
        await synced(phone)
        assert await rows(phone) == {"b": A}

    in_world(test)


def test_c5_a_row_whose_edit_has_been_answered_stays_when_catching_up_is_given_up(in_world: RunIn) -> None:
    """The edit has not come back yet, so the row lies over one that is doubted: it leaves when that is settled."""

    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=A)
        phone = world.device("phone", batch_size=1)
        await synced(phone)
        for key in ("a", "b"):
            await phone.save_document("notes", key, {"n": 1})
        await writer.save_document("notes", "a", {"m": 1})
        await synced(writer)
        wire_of(phone).faults = ["", "request"]
        assert not (await phone.sync_now()).success
        await phone.unsubscribe("notes")
        await phone.subscribe("notes")
        wire_of(phone).faults = ["request"]
        assert not (await phone.sync_now()).success
        await phone.unsubscribe("notes")
        await synced(phone)
        assert await rows(phone) == {"a": {**A, "n": 1}, "b": {**A, "n": 1}}
        await phone.subscribe("notes")
        await synced(phone, writer)
        assert await rows(phone) == await rows(writer) == {"a": {**A, "n": 1, "m": 1}, "b": {**A, "n": 1}}

    in_world(test)


@pytest.mark.parametrize("collections", [(), ("other",)], ids=["all", "configured"])
@pytest.mark.parametrize("filter_text", [None, "status == 'active'"], ids=["whole", "filtered"])
def test_c5_a_collection_unsubscribed_before_it_has_caught_up_keeps_its_rows(
    in_world: RunIn, filter_text: str | None, collections: tuple[str, ...]
) -> None:
    """Catching up begins with doubting every row; when it is given up, no answer will say which of them are gone."""

    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=A, c=A)
        phone = world.device("phone", collections=collections)
        await phone.subscribe("notes")
        await synced(phone)
        await phone.unsubscribe("notes")
        await phone.save_document("notes", "c", {"seen": 1})  # not sent: it lies over what is doubted
        await phone.subscribe("notes", filter_text)
        wire_of(phone).faults = ["request"]
        assert not (await phone.sync_now()).success
        await phone.unsubscribe("notes")
        await synced(phone, phone)
        assert await rows(phone) == {"a": A, "b": A, "c": {**A, "seen": 1}}
        await writer.save_document("notes", "a", D)
        await synced(writer)
        await phone.subscribe("notes", "status == 'active'")
        await synced(phone, writer)
        assert await rows(phone) == {"b": A, "c": {**A, "seen": 1}}
        assert await rows(writer) == {"a": D, "b": A, "c": {**A, "seen": 1}}

    in_world(test)


def test_26_27_documents_move_in_and_out_as_they_match(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=D)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        events: list[Any] = []
        phone.on_change(events.append)
        await writer.save_document("notes", "a", D)
        await writer.save_document("notes", "b", A)
        await synced(writer, phone)
        assert await rows(phone) == {"b": A}
        assert [(event.type, event.key, event.source, event.reason) for event in events] == [
            ("delete", "a", "remote", "filter"),
            ("insert", "b", "remote", ""),
        ]

    in_world(test)


@pytest.mark.parametrize("fault", ["request", "answer"])
def test_a_removal_whose_answer_is_lost_comes_with_the_next_round(in_world: RunIn, fault: str) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        await writer.save_document("notes", "a", D)
        await synced(writer)
        wire_of(phone).faults = [fault]
        assert not (await phone.sync_now()).success
        assert await rows(phone) == {"a": A}
        await synced(phone)
        assert await rows(phone) == {}

    in_world(test)


def test_28_a_row_with_unsent_edits_is_not_dropped_and_goes_when_they_are_settled(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a={**A, "n": 0})
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        await writer.save_document("notes", "a", D)
        await synced(writer)
        await phone.save_document("notes", "a", {"n": 1})
        await phone.unsubscribe("notes")
        assert await rows(phone) == {"a": {**A, "n": 1}}
        await phone.set_sync_filter(ACTIVE)
        wire_of(phone).faults = ["", "request"]
        await phone.sync_now()
        assert await rows(phone) == {"a": {**A, "n": 1}}
        await synced(phone, writer)
        assert await rows(phone) == {}
        assert await rows(writer) == {"a": {**D, "n": 1}}

    in_world(test)


def test_28_a_refused_edit_on_a_leaving_row_keeps_it_until_it_is_discarded(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a={**A, "n": 0})
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        async with phone.transaction() as transaction:
            await transaction.save_document("notes", "a", {"n": 1})
            await transaction.save_document("notes", "b", A)
        change = (await phone.pending_changes())[0]
        phone._store.transact(lambda engine: spoil(engine, change.key))
        await writer.save_document("notes", "a", D)
        await synced(writer)
        await phone.sync_now()
        assert [rejected.key for rejected in await phone.rejected_changes()] == ["a", "b"]
        assert (await rows(phone))["a"] == {**A, "n": 1}
        for rejected in await phone.rejected_changes():
            await phone.discard_rejected(rejected.id)
        await synced(phone)
        assert await rows(phone) == {}

    in_world(test)


def spoil(engine: Any, key: str) -> None:
    """Make the pending change of a key one that the server refuses for good."""
    from msgspec.structs import replace

    from solidb_sync.storage.text_forms import decode_change, encode_change

    change = engine.changes_of("notes", key)[0]
    wire = decode_change(change.wire)
    wire.transaction_size = 7
    engine.replace_change(replace(change, wire=encode_change(wire)))


def test_an_edit_that_makes_ones_own_document_leave_takes_it_away_and_nobody_loses_it(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        await phone.save_document("notes", "a", D)
        await phone.save_document("notes", "mine", D)
        await phone.save_document("notes", "kept", A)
        await synced(phone, writer)
        assert await rows(phone) == {"kept": A}
        assert await rows(writer) == {"a": D, "mine": D, "kept": A}

    in_world(test)


def test_a_key_that_left_can_be_made_anew_and_nothing_of_its_old_self_is_claimed(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await phone.save_document("notes", "a", {**A, "old": 1})
        await synced(phone, writer)
        await writer.save_document("notes", "a", {"status": "done", "other": 2})
        await synced(writer, phone)
        assert await rows(phone) == {}
        await phone.save_document("notes", "a", {"status": "active", "new": 3})
        await synced(phone, writer)
        assert (await rows(phone)) == (await rows(writer))
        assert (await rows(phone))["a"]["new"] == 3
        document = await phone.get_document("notes", "a", meta=True)
        assert document is not None
        assert set(document["_version"]) == {"phone", "phone~1", "writer"}

    in_world(test)


def test_a_filter_and_its_view_outlive_both_programs(in_world: RunIn, tmp_path: Any) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=D)
        path = str(tmp_path / "phone.sqlite")
        phone = world.device("phone", engine="sqlite", path=path)
        await phone.set_sync_filter("FOR n IN notes FILTER n.status == @s RETURN n", {"s": "active"})
        await synced(phone)
        phone._store.close()
        await writer.save_document("notes", "a", D)
        await writer.save_document("notes", "b", A)
        await synced(writer)
        world.kill_server()
        phone = world.device("phone", engine="sqlite", path=path)
        await synced(phone)
        assert await rows(phone) == {"b": A}
        sent = wire_of(phone).sent
        assert len(sent) == 1, "nothing had to be begun again"

    in_world(test)


def test_29_another_filter_fetches_what_is_new_and_only_that(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, **{f"k{n}": {"n": n, "text": "x" * 200} for n in range(20)})
        phone = world.device("phone", batch_size=4)
        await phone.set_sync_filter("FOR n IN notes FILTER n.n < 12 RETURN n")
        await synced(phone)
        events: list[Any] = []
        phone.on_change(events.append)
        await phone.set_sync_filter("FOR n IN notes FILTER n.n >= 10 RETURN n")
        await synced(phone)
        assert sorted(await rows(phone)) == sorted(f"k{n}" for n in range(10, 20))
        assert len([event for event in events if event.type == "insert"]) == 8
        assert len([event for event in events if event.type == "delete"]) == 10
        await phone.subscribe("notes")
        await synced(phone)
        assert await rows(phone) == await rows(writer)

    in_world(test)


def test_a_device_that_gets_its_first_filter_late_drops_the_rest_without_fetching_anything(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        await with_notes(world, **{f"k{n}": {"n": n} for n in range(20)})
        phone = world.device("phone")
        await synced(phone)
        events: list[Any] = []
        phone.on_change(events.append)
        await phone.set_sync_filter("FOR n IN notes FILTER n.n < 5 RETURN n")
        await synced(phone)
        assert sorted(await rows(phone)) == ["k0", "k1", "k2", "k3", "k4"]
        assert {event.type for event in events} == {"delete"}

    in_world(test)


def test_26_a_filter_set_in_the_middle_of_a_fetch_takes_away_what_came_along_with_a_transaction(in_world: RunIn) -> None:
    """The rest of a transaction comes with a page though it lies beyond the page's cursor: the device holds it too."""

    async def test(world: World) -> None:
        writer = await with_notes(world, first=A)
        async with writer.transaction() as transaction:
            await transaction.save_document("notes", "a", A)
            await transaction.save_document("notes", "b", A)
        await synced(writer)
        await writer.save_document("notes", "c", A)
        await synced(writer)
        await writer.save_document("notes", "b", D)
        await synced(writer)
        half_fetched = 0
        for answered in range(4):
            phone = world.device(f"phone{answered}", batch_size=1)
            wire_of(phone).faults = [*[""] * answered, *["request"] * 10]
            assert not (await phone.sync_now()).success
            wire_of(phone).faults = []
            half_fetched += sorted(await rows(phone)) == ["a", "b", "first"]
            await phone.set_sync_filter(ACTIVE)
            await synced(phone)
            assert await rows(phone) == {"first": A, "a": A, "c": A}, answered
        assert half_fetched

    in_world(test)


def test_15_a_store_put_back_to_before_a_removal_ends_as_it_should(in_world: RunIn, tmp_path: Any) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=A, c=D)
        phone = world.device("phone", engine="sqlite", path=str(tmp_path / "phone.sqlite"))
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        phone._store.backup(str(tmp_path / "backup.sqlite"))
        await writer.save_document("notes", "a", D)
        await synced(writer, phone, phone)
        phone._store.close()
        restored = world.device("phone", engine="sqlite", path=str(tmp_path / "backup.sqlite"))
        assert sorted(await rows(restored)) == ["a", "b"]
        await synced(restored)
        assert await rows(restored) == {"b": A}

    in_world(test)


def test_a_resync_of_a_filtered_device_ends_with_what_matches(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, a=A, b=D)
        phone = world.device("phone")
        await phone.set_sync_filter(ACTIVE)
        await synced(phone)
        phone._store.put_document("notes", "stray", A, {})
        await writer.save_document("notes", "c", A)
        await synced(writer)
        assert (await phone.full_resync()).success
        assert await rows(phone) == {"a": A, "c": A}

    in_world(test)


def test_n15_the_status_shows_the_collections_and_their_filters(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        await with_notes(world, a=A)
        phone = world.device("phone", collections=("tasks",))
        await phone.set_sync_filter("FOR n IN notes FILTER n.status == @s RETURN n", {"s": "active"})
        await synced(phone)
        status = await phone.status()
        assert status.collections == ("notes", "tasks")
        assert status.filters == {"notes": "FOR n IN notes FILTER n.status == @s RETURN n"}
        told = await world.get("/_api/sync/status/db?client_id=phone")
        assert told["collections_synced"] == ["notes", "tasks"]
        assert told["filters"] == {"notes": {"query": status.filters["notes"], "bind_vars": {"s": "active"}}}

    in_world(test)


def test_j5_n14_a_filter_is_explained_by_counts_here_and_on_the_server(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        await with_notes(world, **{f"k{n}": {"n": n} for n in range(8)}, odd={"n": [1]})
        phone = world.device("phone")
        await phone.set_sync_filter("FOR n IN notes FILTER n.n < 3 RETURN n")
        await synced(phone)
        told = await phone.explain_filter("FOR n IN notes FILTER n.n + @more > 5 RETURN n", {"more": 1})
        assert (told.here.matching, told.here.not_matching, told.here.failing) == (0, 3, 0)
        assert told.server is not None
        assert (told.server.matching, told.server.not_matching, told.server.failing) == (3, 5, 1)
        assert told.server.is_complete
        with pytest.raises(FilterError, match="SORT"):
            await phone.explain_filter("FOR n IN notes SORT n.n RETURN n")
        wire_of(phone).faults = ["request"]
        offline = await phone.explain_filter("n > 100", collection="notes")
        assert (offline.server, offline.here.not_matching) == (None, 3)
        assert "lost" in offline.problem

    in_world(test)


def test_30_the_status_of_the_server_counts_what_the_next_pull_brings(in_world: RunIn) -> None:
    async def test(world: World) -> None:
        writer = await with_notes(world, **{f"k{n}": {"n": n} for n in range(8)})
        phone = world.device("phone", batch_size=2)
        await phone.set_sync_filter("FOR n IN notes FILTER n.n < 6 RETURN n")
        await synced(phone, phone)
        for n in range(5, 8):
            await writer.save_document("notes", f"k{n}", {"n": 12 - n})
        await writer.delete_document("notes", "k0")
        await writer.save_document("notes", "new", {"n": 100})
        await synced(writer)
        told = await world.get("/_api/sync/status/db?client_id=phone")
        result = await phone.sync_now()
        assert told["pending_for_client"] == result.pulled == 3

    in_world(test)
