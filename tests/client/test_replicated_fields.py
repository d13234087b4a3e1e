"""H1 to H8 on devices over a real server: every type, alone and together, offline and online."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from device_types import DeviceMaker
from replicated_fields import field, in_step, states
from solidb_sync import CrdtTypeError, InvalidDocumentError, SyncManager
from solidb_sync.model.crdt.field_states import (
    FIELD_ELEMENTS_MAX,
    FIELD_STATE_BYTES_MAX,
    FIELDS_MAX,
    OPERATIONS_PER_CHANGE_MAX,
)

pytestmark = pytest.mark.anyio
engines = pytest.mark.parametrize("engine", ["sqlite", "memory", "rocksdb"])


@pytest.fixture
def device(device: DeviceMaker, tmp_path: Path) -> DeviceMaker:
    """Makes managers whose stores are files where the engine has any."""
    return lambda name, engine="memory": device(name, engine=engine, path=tmp_path / name)


@engines
async def test_counts_of_all_devices_add_up(device: DeviceMaker, engine: str) -> None:
    """H1, H5, H7, invariant 31: made offline, amounts above one, up and down; no conflict, the same state everywhere."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    assert await phone.crdt_increment("notes", "k", "n") == 1
    assert await phone.crdt_increment("notes", "k", "n", 5) == 6
    assert await laptop.crdt_decrement("notes", "k", "n", 10) == -10
    assert await phone.query("FOR d IN notes FILTER d.n > 5 RETURN d.n") == [6]
    await in_step(phone, laptop)
    for manager in (phone, laptop):
        assert await field(manager, "n") == -4
        assert await manager.query("FOR d IN notes FILTER d.n < 0 RETURN d.n") == [-4]
        assert await manager.get_conflicts() == []
    assert states(phone) == states(laptop)


@engines
async def test_every_type_merges_and_all_devices_show_the_same(device: DeviceMaker, engine: str) -> None:
    """H1 to H4, H7, invariants 21, 22: whoever syncs first."""
    for order in (1, -1):
        devices = [device(f"{name}{order}", engine=engine) for name in ("a", "b", "c")]
        key = f"k{order}"
        for number, manager in enumerate(devices):
            await manager.crdt_increment("notes", key, "/stats/n", number)
            await manager.crdt_set("notes", key, "last", number)
            await manager.crdt_add_to_set("notes", key, "tags", {"number": number})
            await manager.crdt_orset_add("notes", key, "names", number)
            await manager.crdt_map_put("notes", key, "map", "same", number)
            await manager.crdt_map_put("notes", key, "map", str(number), [number])
        await in_step(*devices[::order])
        await in_step(*devices)
        shown = [await manager.get_document("notes", key) for manager in devices]
        assert shown[0] == shown[1] == shown[2]
        assert shown[0] is not None
        assert shown[0]["stats"] == {"n": 3}
        assert shown[0]["tags"] == [{"number": number} for number in range(3)]
        assert shown[0]["names"] == [0, 1, 2]
        assert shown[0]["map"] == {"same": 2, "0": [0], "1": [1], "2": [2]}
        assert shown[0]["last"] == 2
        assert states(devices[0], key) == states(devices[1], key) == states(devices[2], key)
        assert [await manager.get_conflicts() for manager in devices] == [[], [], []]


@pytest.mark.parametrize("amount", [-1, 1.5, True, "1", 2**53])
async def test_an_amount_that_is_none_is_refused(device: DeviceMaker, amount: Any) -> None:
    """H1: negative amounts are rejected, and nothing is recorded."""
    phone = device("phone")
    for method in (phone.crdt_increment, phone.crdt_decrement, phone.crdt_bounded_increment):
        with pytest.raises(InvalidDocumentError, match="amount: expected"):
            await method("notes", "k", "n", amount)
    assert (await phone.status()).pending == 0


@pytest.mark.parametrize("name", ["", "_key", "/_id/x", 5])
async def test_a_field_that_is_none_is_refused(device: DeviceMaker, name: Any) -> None:
    """A field is named as in a delta; what reads add is no field."""
    phone = device("phone")
    with pytest.raises(InvalidDocumentError, match="field: "):
        await phone.crdt_increment("notes", "k", name)
    with pytest.raises(InvalidDocumentError, match="value: NaN"):
        await phone.crdt_set("notes", "k", "f", float("nan"))
    assert (await phone.status()).pending == 0


@engines
async def test_a_field_of_another_type_is_refused_here(device: DeviceMaker, engine: str) -> None:
    """H6: also one that holds a plain value of another kind, or lies inside another such field."""
    phone = device("phone", engine=engine)
    await phone.save_document("notes", "k", {"text": "hello"})
    await phone.crdt_increment("notes", "k", "n")
    with pytest.raises(CrdtTypeError, match="notes/k: n: is a counter, not a grow-only set"):
        await phone.crdt_add_to_set("notes", "k", "n", 1)
    with pytest.raises(
        CrdtTypeError, match="text: its plain value can't become a counter: expected a number, found a string"
    ):
        await phone.crdt_increment("notes", "k", "text")
    with pytest.raises(CrdtTypeError, match="/n/x: stands around or inside n"):
        await phone.crdt_increment("notes", "k", "/n/x")
    with pytest.raises(CrdtTypeError, match="/text/x: text is not an object"):
        await phone.crdt_increment("notes", "k", "/text/x")
    assert (await phone.status()).pending == 2


@engines
async def test_of_two_types_at_once_the_first_to_arrive_stays(device: DeviceMaker, engine: str) -> None:
    """H6: the other device sees its change refused with the reason, and the field as it is; both ways."""
    for key, first, second in (("k1", "phone", "laptop"), ("k2", "laptop", "phone")):
        devices = {name: device(name + key, engine=engine) for name in ("phone", "laptop")}
        await devices["phone"].crdt_increment("notes", key, "f")
        await devices["laptop"].crdt_add_to_set("notes", key, "f", "x")
        await in_step(devices[first])
        await devices[second].sync_now()
        (refused,) = await devices[second].rejected_changes()
        assert "CrdtTypeError" in refused.reason
        shown = 1 if first == "phone" else ["x"]
        assert [await field(manager, "f", key) for manager in devices.values()] == [shown, shown]
        await devices[second].discard_rejected(refused.id)
        assert await field(devices[second], "f", key) == shown


@engines
async def test_what_a_device_knew_is_removed_and_what_it_did_not_know_stays(device: DeviceMaker, engine: str) -> None:
    """H4, invariant 33: add wins, for keys of maps and elements of sets."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_map_put("notes", "k", "m", "theme", "dark")
    await phone.crdt_map_put("notes", "k", "m", "font", "serif")
    await phone.crdt_orset_add("notes", "k", "s", "x")
    await phone.crdt_orset_add("notes", "k", "s", "y")
    await in_step(phone, laptop)
    await laptop.crdt_map_put("notes", "k", "m", "theme", "light")
    assert not await laptop.crdt_orset_add("notes", "k", "s", "x")  # it is there, and is added again all the same
    assert await phone.crdt_map_remove("notes", "k", "m", "theme")
    assert await phone.crdt_map_remove("notes", "k", "m", "font")
    assert not await phone.crdt_map_remove("notes", "k", "m", "nothing")
    assert await phone.crdt_orset_remove("notes", "k", "s", "x")
    assert await phone.crdt_orset_remove("notes", "k", "s", "y")
    await in_step(phone, laptop)
    for manager in (phone, laptop):
        assert await field(manager, "m") == {"theme": "light"}
        assert await field(manager, "s") == ["x"]
    assert states(phone) == states(laptop)


@engines
async def test_what_was_put_and_removed_before_the_first_sync_is_gone(device: DeviceMaker, engine: str) -> None:
    """H4: a removal covers this device's own puts, under whatever dots they arrive."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_map_put("notes", "k", "m", "a", 1)
    await phone.crdt_map_put("notes", "k", "m", "b", 2)
    await phone.crdt_map_remove("notes", "k", "m", "a")
    await in_step(phone, laptop)
    assert await field(laptop, "m") == {"b": 2}


@engines
async def test_a_plain_save_over_every_type_is_merged_by_the_type(device: DeviceMaker, engine: str) -> None:
    """H6: a difference, a union, additions and removals, a write; the other device's edits at the same time are kept."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_increment("notes", "k", "n", 10)
    await phone.crdt_add_to_set("notes", "k", "g", 1)
    await phone.crdt_orset_add("notes", "k", "s", 1)
    await phone.crdt_map_put("notes", "k", "m", "a", 1)
    await phone.crdt_set("notes", "k", "r", 1)
    await phone.crdt_bounded_increment("notes", "k", "b", 5)
    await in_step(phone, laptop)
    await laptop.crdt_increment("notes", "k", "n", 100)
    await laptop.crdt_orset_add("notes", "k", "s", 3)
    await laptop.crdt_map_put("notes", "k", "m", "c", 3)
    await phone.save_document("notes", "k", {"n": 12, "g": [2], "s": [2], "m": {"b": 2}, "r": 2, "b": 3, "plain": 1})
    assert await field(phone, "g") == [1, 2]
    await in_step(laptop, phone)
    await in_step(laptop, phone)
    for manager in (phone, laptop):
        document = await manager.get_document("notes", "k")
        assert document is not None
        assert (document["n"], document["g"], document["s"]) == (112, [1, 2], [2, 3])
        assert (document["m"], document["r"], document["b"], document["plain"]) == ({"b": 2, "c": 3}, 2, 3, 1)
        assert await manager.get_conflicts() == []
    assert states(phone) == states(laptop)


@engines
async def test_a_replacing_save_leaves_out_no_replicated_field(device: DeviceMaker, engine: str) -> None:
    """H6: a field of its own type stays where a save leaves it out; one it has no place for is refused."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"a": {"x": 1}, "y": 1})
    await phone.crdt_increment("notes", "k", "/a/n", 3)
    await phone.save_document("notes", "k", {"z": 1}, merge=False)
    with pytest.raises(CrdtTypeError, match="leaves no place"):
        await phone.save_document("notes", "k", {"a": 5})
    with pytest.raises(CrdtTypeError, match="/a/n: expected a number, found a string"):
        await phone.save_document("notes", "k", {"a": {"n": "five"}})
    await in_step(phone, laptop)
    for manager in (phone, laptop):
        document = await manager.get_document("notes", "k")
        assert document is not None
        assert {name: document[name] for name in document if not name.startswith("_")} == {"a": {"n": 3}, "z": 1}


@engines
async def test_a_plain_number_becomes_a_counter_on_two_devices_at_once(device: DeviceMaker, engine: str) -> None:
    """H6: it is where the count begins, once."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"n": 10})
    await in_step(phone, laptop)
    assert await phone.crdt_increment("notes", "k", "n") == 11
    assert await laptop.crdt_increment("notes", "k", "n", 2) == 12
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [13, 13]
    assert states(phone) == states(laptop)


@engines
async def test_a_counter_that_began_with_a_fraction_keeps_it(device: DeviceMaker, engine: str) -> None:
    """H6: it moves by whole numbers; a save that asks for another step is refused."""
    phone = device("phone", engine=engine)
    await phone.save_document("notes", "k", {"n": 2.5})
    assert await phone.crdt_increment("notes", "k", "n") == 3.5
    assert await phone.crdt_decrement("notes", "k", "n", 2) == 1.5
    with pytest.raises(CrdtTypeError, match="n: a counter moves by whole numbers, and 2 is 0.5 away from 1.5"):
        await phone.save_document("notes", "k", {"n": 2})
    await phone.save_document("notes", "k", {"n": 4.5})
    await in_step(phone)
    assert (await field(phone, "n"), states(phone) is None) == (4.5, False)


@engines
async def test_a_plain_save_that_did_not_know_the_counter_gives_way(device: DeviceMaker, engine: str) -> None:
    """H6, invariant 1: the rest of it is merged; the value that lost is in the conflict log."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"n": 10, "x": 1})
    await in_step(phone, laptop)
    await phone.crdt_increment("notes", "k", "n")
    await laptop.save_document("notes", "k", {"n": 50, "x": 2})
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    for manager in (phone, laptop):
        assert (await field(manager, "n"), await field(manager, "x")) == (11, 2)
    (conflict,) = await laptop.get_conflicts() or await laptop.conflict_log()
    assert (conflict.fields, conflict.local_version["n"]) == (("n",), 50)


@engines
async def test_deleting_and_reviving_keeps_the_count(device: DeviceMaker, engine: str) -> None:
    """5.6, invariant 31: on the device that deleted, and on one that counted meanwhile."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_increment("notes", "k", "n", 4)
    await in_step(phone, laptop)
    await phone.delete_document("notes", "k")
    assert await field(phone, "n") is None
    await in_step(phone, laptop)
    assert await laptop.get_document("notes", "k") is None
    assert await laptop.crdt_increment("notes", "k", "n") == 5
    await phone.save_document("notes", "k", {"x": 1})
    assert await field(phone, "n") == 4
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [5, 5]
    assert states(phone) == states(laptop)


@engines
async def test_an_increment_brings_a_document_back_that_was_deleted_meanwhile(device: DeviceMaker, engine: str) -> None:
    """5.6: with everything else that was in it, and counted once."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"name": "Ann", "n": 7})
    await phone.crdt_increment("notes", "k", "n")
    await in_step(phone, laptop)
    await phone.delete_document("notes", "k")
    await laptop.crdt_increment("notes", "k", "n", 10)
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    for manager in (phone, laptop):
        assert (await field(manager, "n"), await field(manager, "name")) == (18, "Ann")


@engines
async def test_a_transaction_counts_once_or_not_at_all(device: DeviceMaker, engine: str) -> None:
    """Operations are edits like any other: seen inside, recorded together, dropped together."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    async with phone.transaction() as edits:
        await edits.save_document("notes", "k", {"name": "Ann", "n": 1})
        await edits.crdt_increment("notes", "k", "n", 4)
        await edits.crdt_decrement("notes", "k", "n", 1)
        await edits.crdt_orset_add("notes", "k", "s", "x")
        await edits.crdt_orset_remove("notes", "k", "s", "x")
        await edits.crdt_map_put("notes", "k", "m", "a", 1)
        await edits.crdt_set("notes", "other", "r", 1)
        assert (await edits.get_document("notes", "k") or {})["n"] == 4
        assert (await edits.get_document("notes", "k") or {})["s"] == []
    clashing = phone.transaction()
    await clashing.__aenter__()
    await clashing.crdt_increment("notes", "k", "n", 100)
    await clashing.crdt_add_to_set("notes", "k", "n", 1)
    with pytest.raises(CrdtTypeError):
        await clashing.__aexit__(None, None, None)
    assert await field(phone, "n") == 4
    await in_step(phone, laptop)
    assert [await field(laptop, name) for name in ("n", "s", "m")] == [4, [], {"a": 1}]
    assert await field(laptop, "r", "other") == 1


@engines
async def test_what_changes_nothing_is_not_recorded(device: DeviceMaker, engine: str) -> None:
    """An element that is there, a key that is not, nothing added: no change waits for the server."""
    phone = device("phone", engine=engine)
    assert await phone.crdt_increment("notes", "k", "n", 0) == 0
    assert await phone.crdt_add_to_set("notes", "k", "g", 1)
    assert await phone.crdt_add_to_set("notes", "k", "g", 1.0)
    waiting = (await phone.status()).pending
    assert await phone.crdt_increment("notes", "k", "n", 0) == 0
    assert not await phone.crdt_add_to_set("notes", "k", "g", 1)
    await phone.save_document("notes", "k", {"n": 0, "g": [1]})
    assert (await phone.status()).pending == waiting == 3


@engines
async def test_meta_tells_which_fields_are_of_their_own_type(device: DeviceMaker, engine: str) -> None:
    """H5: reads show plain values; the types only where they are asked for."""
    phone = device("phone", engine=engine)
    await phone.crdt_increment("notes", "k", "n")
    await phone.crdt_set("notes", "k", "/a/r", None)
    document = await phone.get_document("notes", "k", meta=True)
    assert document is not None
    assert document["_crdt"] == {"/a/r": "register", "n": "counter"}
    assert await phone.query("FOR d IN notes RETURN d") == [{"_key": "k", "_id": "notes/k", "n": 1, "a": {"r": None}}]
    (_, change) = await phone.pending_changes()
    assert (change.operation, change.crdt) == ("crdt", {"/a/r": {"t": "register", "set": None}})


@engines
async def test_listeners_are_told_when_a_value_changes(device: DeviceMaker, engine: str) -> None:
    """L3: once for each change that shows, here and from elsewhere."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    told: list[tuple[str, Any]] = []
    laptop.on_change(lambda event: told.append((event.source, (event.document or {}).get("s"))))
    await phone.crdt_orset_add("notes", "k", "s", 1)
    await in_step(phone, laptop)
    await laptop.crdt_orset_add("notes", "k", "s", 1)
    await laptop.crdt_orset_add("notes", "k", "s", 2)
    assert told == [("remote", [1]), ("local", [1, 2])]


def test_the_guide_names_every_call_and_every_bound() -> None:
    """docs/crdts.md; its examples are run in `test_guides`."""
    text = (Path(__file__).parents[2] / "docs/crdts.md").read_text("utf-8")
    calls = {name for name in dir(SyncManager) if name.startswith("crdt_")}
    assert set(re.findall(r"`(crdt_\w+)`", text)) >= calls
    for bound in (FIELDS_MAX, f"{FIELD_ELEMENTS_MAX:,}", FIELD_STATE_BYTES_MAX // 1024, OPERATIONS_PER_CHANGE_MAX):
        assert f" {bound} " in text.split("## Transactions")[1]


@engines
async def test_a_filtered_device_keeps_counts_through_move_out_deletion_and_return(device: DeviceMaker, engine: str) -> None:
    """5.8, 5.9, invariant 31: a row that left and came back, or was deleted and revived, counts on from where it was."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.set_sync_filter("FOR d IN notes FILTER d.keep == true RETURN d")
    await laptop.save_document("notes", "k", {"keep": True})
    await laptop.crdt_increment("notes", "k", "n", 2)
    await in_step(laptop, phone)
    assert await field(phone, "n") == 2
    await laptop.save_document("notes", "k", {"keep": False})
    await phone.crdt_increment("notes", "k", "n", 10)
    await in_step(laptop, phone, laptop)
    assert await phone.get_document("notes", "k") is None
    assert await field(laptop, "n") == 12
    await phone.crdt_increment("notes", "k", "n", 100)
    await laptop.save_document("notes", "k", {"keep": True})
    await in_step(laptop, phone, laptop, phone)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [112, 112]
    await laptop.delete_document("notes", "k")
    await in_step(laptop, phone)
    await phone.save_document("notes", "k", {"keep": True})
    await in_step(phone, laptop, phone)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [112, 112]
    assert states(phone) == states(laptop)


@engines
async def test_taking_back_what_a_field_decided_is_an_edit_of_its_type(device: DeviceMaker, engine: str) -> None:
    """G7, H6: the value that gave way comes back by an increment, and later counts go on from it."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.save_document("notes", "k", {"n": 10})
    await in_step(phone, laptop)
    await phone.crdt_increment("notes", "k", "n")
    await laptop.save_document("notes", "k", {"n": 50})
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    (conflict,) = await laptop.conflict_log()
    await phone.crdt_increment("notes", "k", "n", 100)
    await laptop.undo_resolution(conflict.id)
    assert await field(laptop, "n") == 50
    await in_step(phone, laptop)
    await in_step(phone, laptop)
    assert [await field(manager, "n") for manager in (phone, laptop)] == [150, 150]
    assert states(phone) == states(laptop)


@engines
async def test_counting_goes_on_beside_a_refused_change(device: DeviceMaker, engine: str) -> None:
    """N11: an operation leaves the refused change where it is and shows both; a save takes it over."""
    phone, laptop = device("phone", engine=engine), device("laptop", engine=engine)
    await phone.crdt_increment("notes", "k", "f")
    await laptop.crdt_add_to_set("notes", "k", "f", "x")
    await laptop.save_document("notes", "k", {"name": "laptop's"})
    await in_step(phone)
    await laptop.sync_now()
    assert len(await laptop.rejected_changes()) == 2
    assert await laptop.crdt_increment("notes", "k", "g", 5) == 5
    assert [await field(laptop, name) for name in ("f", "g", "name")] == [1, 5, "laptop's"]
    await laptop.sync_now()
    await in_step(phone)
    assert [await field(phone, name) for name in ("f", "g", "name")] == [1, 5, None]
    await laptop.save_document("notes", "k", {"more": 1})
    assert await laptop.rejected_changes() == []
    await in_step(laptop, phone)
    for manager in (phone, laptop):
        assert [await field(manager, name) for name in ("f", "g", "name", "more")] == [1, 5, "laptop's", 1]
    assert states(phone) == states(laptop)


async def test_an_applied_operation_is_in_the_servers_states_as_this_device_keeps_them(device: DeviceMaker) -> None:
    """What the server took as it was made is never sent back: the base copy's states move up to it with its answer."""
    phone, laptop = device("phone"), device("laptop")
    await phone.crdt_increment("notes", "c", "n", 3)
    for manager in (phone, laptop):
        assert (await manager.sync_now()).success
    await phone.crdt_increment("notes", "c", "n", 2)
    assert (await phone.sync_now()).success
    assert (await laptop.sync_now()).success
    kept, sent = [manager._store.view(lambda reader: reader.states("notes", "c")) for manager in (phone, laptop)]
    assert kept is not None
    assert sent is not None
    assert kept.base == sent.base == kept.visible
