"""Registration, incarnations and the status of a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from solidb_sync.protocol.messages import SyncRequest
from solidb_sync.server.client_notes import ClientNotes
from solidb_sync.server.sync_request import checked_call


def register(server: Any, **fields: Any) -> dict[str, Any]:
    answer = server.post("/_api/sync/clients/db", {"client_id": "phone", **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_incarnation_is_never_given_out_twice(open_server: Callable[[], Any]) -> None:
    server = open_server()
    assert register(server)["incarnation"] == 0
    assert register(server, reset=True)["incarnation"] == 1
    assert server.request("DELETE", "/_api/sync/clients/db/phone").status_code == 404
    server.device("phone", actor="phone~5").push(server.device("phone", actor="phone~5").insert("a", {}), last_counter=1)
    server.close()
    server = open_server()
    assert register(server)["incarnation"] == 5
    assert register(server, reset=True)["incarnation"] == 6
    assert register(server, reset=True)["incarnation"] == 7


def test_an_incarnation_this_server_has_forgotten_is_not_given_out_again(server: Any) -> None:
    """12: put back to a backup, it knows of none; a device that had five would count under names it has used."""
    assert register(server, actor="phone~5", reset=True)["incarnation"] == 6
    assert register(server, actor="phone", reset=True)["incarnation"] == 7


def test_a_client_named_like_a_number_starts_at_the_first_incarnation(server: Any) -> None:
    device = server.device("42")
    device.push(device.insert("a", {}))
    assert register(server, client_id="42")["incarnation"] == 0


def test_registering_tells_which_changes_have_had_their_effect(server: Any) -> None:
    phone = server.device("phone")
    applied, waiting = phone.insert("a", {}), phone.update("b", {"n": 1})
    phone.push(applied, waiting)
    answer = register(server, reset=True, known=["never-seen", waiting["id"], applied["id"]])
    assert answer["known"] == {applied["id"]: ["phone", 1, 1]}


def test_a_device_starts_again_under_a_new_incarnation(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {"n": 1}), phone.insert("c", {"n": 1}))
    restored = server.device("phone")
    pending = restored.insert("b", {"n": 2})
    assert restored.push(pending)["replica"]["reset"] == "rolled_back"
    actor = f"phone~{register(server, reset=True, known=[pending['id']])['incarnation']}"
    reborn = server.device("phone", actor=actor)
    reborn.counter = 1
    assert reborn.statuses({**pending, "counter": 1}) == ["applied"]
    assert server.document("b") == {"n": 2}


def test_the_status_counts_what_the_next_pull_would_send(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    laptop.pull(collections=["notes"])
    phone.push(phone.insert("a", {}), phone.insert("b", {}), phone.insert("c", {}, collection="other"))
    status = server.get("/_api/sync/status/db?client_id=laptop").json()
    assert status == {
        "client_id": "laptop",
        "server_version": {"server": 3},
        "pending_for_client": 2,
        "last_sync": "2024-01-15T10:30:00.000Z",
        "collections_synced": ["notes"],
    }
    laptop.pull(collections=["notes"])
    laptop.sync(collections=["notes"])
    assert server.get("/_api/sync/status/db?client_id=laptop").json()["pending_for_client"] == 0


def test_the_status_leaves_out_the_excluded_collections(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {}), phone.insert("b", {}, collection="other"), phone.insert("c", {}, collection="more"))
    laptop.sync(excluded=["other"], limit=0)
    status = server.get("/_api/sync/status/db?client_id=laptop").json()
    assert (status["pending_for_client"], status["collections_synced"]) == (2, ["more", "notes"])


def test_the_status_of_an_unknown_device_is_that_it_was_never_here(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    status = server.get("/_api/sync/status/db?client_id=new").json()
    assert (status["last_sync"], status["pending_for_client"], status["collections_synced"]) == (None, 1, [])


def test_notes_on_devices_are_written_after_some_seconds_with_a_push_and_at_the_end(open_server: Callable[[], Any]) -> None:
    server = open_server()
    laptop, phone = server.device("laptop"), server.device("phone")
    laptop.pull()
    assert server.rows("SELECT count(*) FROM clients") == [(0,)]
    server.clock.seconds += 6
    laptop.pull()
    assert server.rows("SELECT client_id FROM clients") == [("laptop",)]
    server.device("tablet").pull()
    phone.push(phone.insert("a", {}))
    assert server.rows("SELECT client_id FROM clients ORDER BY 1") == [("laptop",), ("tablet",)]
    server.close()
    server = open_server()
    assert server.get("/_api/sync/status/db?client_id=phone").json()["last_sync"] is not None


def test_a_note_that_comes_while_an_older_one_is_written_is_kept(clock: Any) -> None:
    call = checked_call(SyncRequest(client_id="phone"), [])
    notes = ClientNotes(clock)
    notes.note(call)
    writing = notes.unwritten()
    notes.note(call)
    notes.wrote(writing)
    assert len(notes.unwritten()) == 1
    notes.wrote(notes.unwritten())
    assert notes.unwritten() == []


def test_a_forgotten_client_was_never_here(server: Any) -> None:
    server.device("phone").pull()
    assert server.request("DELETE", "/_api/sync/clients/db/phone").json() == {"deleted": True}
    assert server.get("/_api/sync/status/db?client_id=phone").json()["last_sync"] is None
    assert server.request("DELETE", "/_api/sync/clients/db/phone").json()["type"] == "ClientNotFound"


def test_a_client_belongs_for_good_to_who_used_it_first(open_server: Callable[[], Any]) -> None:
    """5.16: also after a restart, and after it was forgotten; a look at its status gives it to nobody."""
    server = open_server()
    server.post("/_api/database", {"name": "db"})
    ann, bob = (
        server.post("/_api/auth/api-keys", {"name": name, "database": "db"}).json()["key"] for name in ("ann", "bob")
    )
    status = "/_api/sync/status/db?client_id=phone"
    assert server.get(status, key=bob).status_code == 200
    asked = {"client_id": "phone"}
    assert server.post("/_api/sync/clients/db", asked, key=ann).status_code == 200
    assert server.post("/_api/sync/clients/db", asked, key=bob).status_code == 403
    server.close()
    server = open_server()
    refused = server.post("/_api/sync/clients/db", asked, key=bob)
    assert (refused.status_code, refused.json()["type"]) == (403, "ClientOfAnother")
    assert "ann" not in refused.text
    assert server.get(status, key=bob).status_code == 403
    assert server.get(status).status_code == 200
    assert server.request("DELETE", "/_api/sync/clients/db/phone").status_code in (200, 404)
    assert server.post("/_api/sync/clients/db", asked, key=bob).status_code == 403
    assert server.post("/_api/sync/clients/db", asked, key=ann).status_code == 200
