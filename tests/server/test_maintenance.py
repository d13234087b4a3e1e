"""What the server forgets (5.1, 5.2): tombstones and long vectors, when nobody needs them, and never before."""

from __future__ import annotations

from typing import Any

import pytest

DAY = 86_400
RETENTION = 30 * DAY
MAINTENANCE = "/_api/sync/maintenance/db"


def maintain(server: Any) -> dict[str, Any]:
    answer = server.post(MAINTENANCE)
    assert answer.status_code == 200, answer.text
    return answer.json()


def tombstones(server: Any) -> int:
    return server.rows("SELECT count(*) FROM c_1 WHERE body IS NULL")[0][0]


@pytest.fixture
def deleted(server: Any, clock: Any) -> Any:
    """A server with a document that phone has made and deleted; laptop and phone know. The retention time has gone by."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1}), phone.insert("b", {"n": 1}))
    laptop.pull()
    phone.push(phone.delete("a", base={"phone": 1}))
    for device in (phone, laptop):
        device.pull()
    clock.seconds += RETENTION + 1
    server.phone, server.laptop = phone, laptop
    return server


def everybody_is_here(server: Any) -> None:
    """Let both devices pull, and say with the next request that they have what came."""
    for _ in range(2):
        server.phone.pull(acknowledged=server.phone.counter)
        server.laptop.pull()


def test_a_tombstone_goes_when_it_is_old_and_known_to_all(deleted: Any) -> None:
    everybody_is_here(deleted)
    assert maintain(deleted) == {
        "attachments_collected": 0,
        "tombstones_collected": 1,
        "vectors_compacted": 0,
        "stable": 3,
        "floor": 3,
    }
    assert (tombstones(deleted), deleted.document("b")) == (0, {"n": 1})
    assert deleted.rows("SELECT seq FROM latest") == [(2,)]
    assert maintain(deleted)["tombstones_collected"] == 0


def test_a_young_tombstone_stays(deleted: Any, clock: Any) -> None:
    everybody_is_here(deleted)
    deleted.phone.push(deleted.phone.delete("b", base={"phone": 2}))
    everybody_is_here(deleted)
    assert maintain(deleted)["tombstones_collected"] == 1
    assert tombstones(deleted) == 1
    clock.seconds += RETENTION + 1
    everybody_is_here(deleted)
    assert maintain(deleted)["tombstones_collected"] == 1


def test_a_tombstone_waits_for_a_device_that_does_not_know_it_and_was_here_lately(deleted: Any) -> None:
    tablet = deleted.device("tablet")
    tablet.cursor = tablet.caught_up = 2
    assert tablet.pull(limit=0) == []
    everybody_is_here(deleted)
    assert (maintain(deleted)["stable"], tombstones(deleted)) == (2, 1)
    assert [change["operation"] for change in tablet.pull()] == ["delete"]
    tablet.pull()
    assert maintain(deleted)["tombstones_collected"] == 1


def test_a_tombstone_waits_for_edits_made_before_it_was_known(deleted: Any) -> None:
    """The device has pulled it, and has an edit to send that was made before."""
    everybody_is_here(deleted)
    deleted.laptop.pull(stable=1)
    assert (maintain(deleted)["stable"], tombstones(deleted)) == (1, 1)


def test_a_device_that_was_away_for_longer_than_the_retention_is_not_waited_for_and_fetches_anew(deleted: Any) -> None:
    away = deleted.device("away")
    away.cursor = away.caught_up = 2
    deleted.phone.pull(acknowledged=3)
    maintain(deleted)
    answer = away.send()
    assert (answer.status_code, answer.json()["details"]["reason"]) == (410, "below_floor")
    by_hand = deleted.post("/_api/sync/pull/db", {"client_id": "hand", "version_vector": {"server": 2}})
    assert by_hand.status_code == 410
    away.cursor = away.caught_up = 0
    assert [change["key"] for change in away.pull()] == ["b"]


def test_a_device_that_begins_from_nothing_goes_on_below_the_floor(deleted: Any) -> None:
    """Its second page is asked for from a cursor below the floor; but the floor was there when it began."""
    deleted.laptop.push(*[deleted.laptop.insert(f"k{number}", {}) for number in range(3)])
    deleted.phone.push(deleted.phone.delete("b", base={"phone": 2}))
    deleted.clock.seconds += RETENTION + 1
    everybody_is_here(deleted)
    assert maintain(deleted)["floor"] == 7
    fresh = deleted.device("fresh")
    first = fresh.sync(limit=1)
    assert (first["cursor"], first["floor"]) == (4, 7)
    fresh.cursor = first["cursor"]
    assert fresh.send(limit=1).status_code == 410
    assert [change["key"] for change in fresh.pull(limit=1, floor=7)] == ["k1"]
    deleted.phone.push(deleted.phone.delete("k2", base={"laptop": 3}))
    deleted.clock.seconds += RETENTION + 1
    everybody_is_here(deleted)
    assert maintain(deleted)["floor"] == 8
    assert fresh.send(floor=7).status_code == 410


@pytest.mark.parametrize(
    ("strategy", "document", "winner"),
    [
        ("last_write_wins", {"n": 2}, "local"),
        ("first_write_wins", None, "remote"),
        ("merge_fields", {"n": 2}, "local"),
        ("manual", None, ""),
    ],
)
def test_an_edit_from_before_a_collected_deletion_is_in_conflict_with_it(
    deleted: Any, strategy: str, document: Any, winner: str
) -> None:
    """5.2: a base on a key without a record means that it was deleted, never that it is new."""
    deleted.request("PUT", "/_api/sync/policies/db/notes", content=f'{{"strategy": "{strategy}"}}')
    everybody_is_here(deleted)
    maintain(deleted)
    away = deleted.device("away")
    update = away.update("a", {"n": 2}, base={"phone": 1}, base_seq=2)
    assert away.statuses(update) == ["need_full"]
    answer = away.push({**update, "document": {"n": 2}})
    assert [result["status"] for result in answer["results"]] == ["conflict"]
    assert [(conflict["winner"], conflict["remote_version"]["deleted"]) for conflict in answer["conflicts"]] == [
        (winner, True)
    ]
    assert deleted.document("a") == document


def test_a_deletion_that_was_known_is_no_conflict_when_its_tombstone_is_gone(deleted: Any) -> None:
    deleted.request("PUT", "/_api/sync/policies/db/notes", content='{"strategy": "first_write_wins"}')
    everybody_is_here(deleted)
    maintain(deleted)
    revival = deleted.laptop.insert("a", {"n": 7}, base={"phone": 3}, base_seq=3)
    assert deleted.laptop.statuses(revival) == ["merged"]
    assert deleted.document("a") == {"n": 7}
    new = deleted.phone.insert("c", {"n": 8})
    assert deleted.phone.statuses(new) == ["applied"]


def test_an_edit_of_a_document_that_went_with_its_whole_collection_makes_it_anew(deleted: Any) -> None:
    everybody_is_here(deleted)
    maintain(deleted)
    assert deleted.request("PUT", "/_api/database/db/collection/notes/truncate").status_code < 300
    edit = deleted.laptop.insert("b", {"n": 9}, base={"phone": 2}, base_seq=3)
    assert deleted.laptop.statuses(edit) == ["applied"]


def test_a_tombstone_with_an_open_conflict_stays(deleted: Any, clock: Any) -> None:
    everybody_is_here(deleted)
    deleted.request("PUT", "/_api/sync/policies/db/notes", content='{"strategy": "manual"}')
    answer = deleted.laptop.push(deleted.laptop.insert("a", {"n": 2}, base={"phone": 1}))
    assert [result["status"] for result in answer["results"]] == ["conflict"]
    clock.seconds += RETENTION + 1
    everybody_is_here(deleted)
    assert maintain(deleted)["tombstones_collected"] == 0


def test_a_tombstone_with_counts_under_it_stays(server: Any, clock: Any) -> None:
    phone = server.device("phone")
    count = {"n": {"t": "counter", "add": 1}}
    phone.push(phone.change("crdt", "k", crdt=count), phone.delete("k", base={"phone": 1}))
    clock.seconds += RETENTION + 1
    phone.pull()
    phone.pull()
    assert maintain(server)["tombstones_collected"] == 0
    assert phone.statuses(phone.change("crdt", "k", crdt=count)) == ["conflict"]  # with the deletion; the operation stays
    assert server.document("k") == {"n": 2}


def test_what_was_kept_beside_a_tombstone_goes_with_it(server: Any, clock: Any) -> None:
    phone = server.device("phone")
    pair = {"transaction": "t", "transaction_size": 2}
    phone.push(phone.insert("a", {}, **pair), phone.insert("b", {}, **pair))
    phone.push(phone.delete("a", base={"phone": 1}))
    clock.seconds += RETENTION + 1
    phone.pull()
    phone.pull()
    assert maintain(server)["tombstones_collected"] == 1
    assert server.rows("SELECT count(*) FROM together WHERE doc = 1") == [(0,)]
    fresh = server.device("fresh")
    assert [change["key"] for change in fresh.pull(limit=1)] == ["b"]


def vector(server: Any, key: str) -> dict[str, int]:
    return server.get(f"/_api/database/db/document/notes/{key}").json()["_version"]


@pytest.fixture
def shared(server: Any) -> Any:
    """A server with a document of two authors; phone and laptop have everything."""
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1, "m": 1}))
    laptop.push(laptop.update("a", {"n": 2}, base={"phone": 1}))
    for device in (phone, laptop):
        device.pull()
        device.pull()
    server.phone, server.laptop = phone, laptop
    return server


def test_a_vector_that_everybody_knows_becomes_one_entry(shared: Any) -> None:
    assert vector(shared, "a") == {"laptop": 1, "phone": 1}
    assert maintain(shared) == {
        "attachments_collected": 0,
        "tombstones_collected": 0,
        "vectors_compacted": 1,
        "stable": 2,
        "floor": 0,
    }
    assert vector(shared, "a") == {"server": 2}
    assert maintain(shared)["vectors_compacted"] == 0
    assert shared.laptop.pull() == []


def test_a_vector_waits_for_whoever_does_not_know_its_version(shared: Any) -> None:
    tablet = shared.device("tablet")
    tablet.cursor = tablet.caught_up = 1
    tablet.pull(limit=0)
    assert maintain(shared)["vectors_compacted"] == 0
    tablet.pull()
    tablet.pull()
    assert maintain(shared)["vectors_compacted"] == 1


@pytest.mark.parametrize("strategy", ["last_write_wins", "first_write_wins", "merge_fields", "manual"])
def test_an_edit_of_a_compacted_version_is_no_conflict(shared: Any, strategy: str) -> None:
    """9: it was made on the long vector, which the server has no longer; its sequence says that it knew that version."""
    shared.request("PUT", "/_api/sync/policies/db/notes", content=f'{{"strategy": "{strategy}"}}')
    maintain(shared)
    laptop = shared.laptop
    first = laptop.update("a", {"n": 3}, base={"laptop": 1, "phone": 1}, base_seq=2)
    second = laptop.update("a", {"n": 4}, base={"laptop": 2, "phone": 1}, base_seq=2)
    answer = laptop.push(first, second)
    assert ([result["status"] for result in answer["results"]], answer["conflicts"]) == (["merged", "merged"], [])
    assert (shared.document("a"), vector(shared, "a")) == ({"n": 4, "m": 1}, {"server": 2, "laptop": 3})
    (change,) = shared.phone.pull()
    assert (change["document"], change["version_vector"]) == ({"n": 4, "m": 1}, {"server": 2, "laptop": 3})


def test_an_edit_of_an_older_version_than_the_compacted_one_is_a_conflict(shared: Any) -> None:
    """10: nobody is silently ordered after what they did not know."""
    maintain(shared)
    away = shared.device("away")
    assert away.statuses(away.update("a", {"n": 9}, base={"phone": 1}, base_seq=1)) == ["conflict"]
    blind = shared.device("blind")
    assert blind.statuses(blind.insert("a", {"n": 10}, base_seq=2)) == ["conflict"]


def test_a_document_with_replicated_fields_keeps_its_vector(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    for device in (phone, laptop):
        device.push(device.change("crdt", "a", crdt={"n": {"t": "counter", "add": 1}}))
    for device in (phone, laptop):
        device.pull()
        device.pull()
    assert maintain(server)["vectors_compacted"] == 0
    assert vector(server, "a") == {"laptop": 1, "phone": 1}


def test_maintenance_is_for_administrators(server: Any) -> None:
    key = server.api_key()
    assert server.post(MAINTENANCE, key=key).status_code == 403
