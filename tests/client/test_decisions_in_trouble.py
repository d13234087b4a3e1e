"""Decisions about conflicts where something else is in the way: a refusal, a deletion, a further edit of the same device."""

from __future__ import annotations

import json

import pytest

from conflict_devices import LWW, MANUAL, MERGE_MANUAL, clash, document, pair, settled, shown
from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import ConflictResolution, ConflictStatus, SyncManager

pytestmark = pytest.mark.anyio


async def with_a_refused_decision(device: DeviceMaker, server: ServerProcess, database: str) -> SyncManager:
    """Return a device whose decision came too late: the collection had been dropped."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    client = server.client(database)
    await client.exchange("DELETE", f"/_api/database/{database}/collection/notes")
    await client.close()
    assert not (await laptop.sync_now()).success
    assert await laptop.get_conflicts() == []
    return laptop


async def test_a_conflict_is_open_again_when_the_refused_decision_is_discarded(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """Invariant 25: the server has it open, so somebody has to see it."""
    laptop = await with_a_refused_decision(device, server, database)
    (refused,) = await laptop.rejected_changes()
    assert await laptop.discard_rejected(refused.id)
    (conflict,) = await laptop.get_conflicts()
    assert conflict.winner == ""
    await laptop.resolve_conflict("notes", "a", {"title": "anew"})
    await settled(laptop)
    assert await shown(laptop) == {"title": "anew"}
    assert (await laptop._server.open_conflicts("laptop", after="")).conflicts == []


async def test_a_conflict_is_open_again_when_a_save_takes_over_the_refused_decision(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    laptop = await with_a_refused_decision(device, server, database)
    await laptop.save_document("notes", "a", {"title": "saved"})
    await settled(laptop)
    (conflict,) = await laptop.get_conflicts()
    assert conflict.status is ConflictStatus.PENDING
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_REMOTE)
    await settled(laptop)
    assert (await laptop._server.open_conflicts("laptop", after="")).conflicts == []


async def test_a_conflict_that_was_settled_elsewhere_stays_so_when_a_refused_decision_is_discarded(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """Invariant 25 (seed 2267)."""
    laptop = await with_a_refused_decision(device, server, database)
    (conflict,) = await laptop.conflict_log()
    client = server.client(database)
    body = json.dumps({"conflict": conflict.id, "resolution": "accept_remote"}).encode()
    assert (await client.exchange("POST", f"/_api/sync/resolve/{database}", body=body)).status == 200
    await client.close()
    await settled(laptop)
    (refused,) = await laptop.rejected_changes()
    assert await laptop.discard_rejected(refused.id)
    assert await laptop.get_conflicts() == []


async def test_a_decision_that_revives_a_document_shows_the_counters_that_outlived_it(device: DeviceMaker) -> None:
    """Invariant 21: the server joins the states of replicated fields into it, so the deciding device has to show them."""
    phone, laptop = await pair(device, MANUAL)
    await laptop.crdt_increment("notes", "a", "count", 3)
    await settled(laptop, phone)
    await phone.delete_document("notes", "a")
    await laptop.save_document("notes", "a", {"title": "laptop"})
    await settled(phone, laptop)
    await laptop.resolve_conflict("notes", "a", {"title": "both"})
    assert await shown(laptop) == {"title": "both", "count": 3}
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == {"title": "both", "count": 3}


async def test_a_later_edit_beside_a_second_conflict_is_not_undone_by_the_first(device: DeviceMaker) -> None:
    """What the later edit wrote was merged in; the side that both conflicts come to must not bring back the older value."""
    phone, laptop = await pair(device, MERGE_MANUAL)
    for title, tag in (("1", "first"), ("2", "second")):
        await phone.save_document("notes", "a", {"title": f"phone {title}", **({"tag": "phone"} if title == "1" else {})})
        await laptop.save_document("notes", "a", {"title": f"laptop {title}", "tag": tag})
        await settled(phone, laptop, phone)
    (conflict,) = await laptop.get_conflicts()
    assert conflict.local_version.document == document("laptop 2", "start", "second")
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    await settled(laptop, phone)
    assert await shown(phone) == document("laptop 2", "start", "second")


async def test_taking_a_decision_back_takes_over_what_was_refused_as_a_save_does(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """Otherwise it goes out on top of the refused edit, whole, and the device keeps another version than the server."""
    phone, laptop = await pair(device, LWW)
    await clash(phone, laptop)
    await laptop.save_document("notes", "a", {"body": "refused"})
    client = server.client(database)
    await client.exchange("DELETE", f"/_api/database/{database}/collection/notes")
    await client.close()
    assert not (await laptop.sync_now()).success
    (conflict,) = await laptop.conflict_log()
    await laptop.undo_resolution(conflict.id)
    assert await laptop.rejected_changes() == []
    await settled(laptop)
    tablet = device("tablet")
    await settled(tablet)
    assert await shown(laptop) == await shown(tablet) == document("phone", "refused", "laptop")


MERGED = ConflictResolution.merge(document("laptop", "phone", "start"))


@pytest.mark.parametrize("choice", [ConflictResolution.ACCEPT_LOCAL, MERGED], ids=["accepted", "merged"])
async def test_a_decision_about_a_document_behind_a_filter_changes_only_what_was_at_stake(
    device: DeviceMaker, choice: ConflictResolution
) -> None:
    """The device that decides does not see what the others have written since, and must not write over it."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.set_sync_filter("FOR doc IN notes FILTER doc.here == true RETURN doc")
    await settled(laptop)
    assert await shown(laptop) is None
    await phone.save_document("notes", "a", {"body": "later"})
    await settled(phone, laptop)
    await laptop.resolve_conflict("notes", "a", choice)
    await settled(laptop, phone)
    assert (await shown(phone) or {})["body"] == "later"
    (again,) = await laptop.get_conflicts()  # others still have to agree: the decision was made without seeing the document
    assert "body" not in again.fields
    assert again.local_version.document is not None
    assert "body" not in again.local_version.document
