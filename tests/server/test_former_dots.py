"""31, 5.17: operations sent again under a new life, which others may know by the dot of the old one, count exactly once."""

from __future__ import annotations

from typing import Any

import pytest

from solidb_sync.model.version_vector import COUNTER_MAX

FIVE = {"n": {"t": "counter", "add": 5}}


def again(device: Any, fields: dict[str, Any] = FIVE, *, counter: int = 3, last: int = 4, **rest: Any) -> dict[str, Any]:
    """Return the operations of phone's third edit, sent again by its second life."""
    former = {"actor": "phone", "counter": counter, "last": last, "after": rest.pop("after", 0)}
    return device.change("crdt", "k", crdt=fields, former=former, **rest)


def offer(server: Any, added: int, vector: dict[str, int], document: bool = True) -> int:
    """Let another device offer the document as it had it; return how many were taken."""
    state = {"n": {"t": "counter", "s": [0, {"phone": [added, 0]}]}}
    offered = {"collection": "notes", "key": "k", "version_vector": vector, "timestamp": "t", "crdt": state}
    offered |= {"document": {"n": added}} if document else {}
    return server.post("/_api/sync/offer/db", {"client_id": "laptop", "protocol": 1, "documents": [offered]}).json()["taken"]


@pytest.fixture
def phone(server: Any) -> Any:
    """The second life of a device, of whose first the server knows nothing (any more)."""
    answer = server.post("/_api/sync/clients/db", {"client_id": "phone", "reset": True, "actor": "phone"})
    assert answer.json()["incarnation"] == 1
    return server.device("phone", actor="phone~1")


def test_what_was_offered_already_is_not_counted_again_and_its_author_is_told_so(server: Any, phone: Any) -> None:
    assert offer(server, 5, {"phone": 3}) == 1
    answer = phone.push(change := again(phone))
    assert [result["status"] for result in answer["results"]] == ["merged"]
    assert phone.statuses(change) == ["duplicate"]
    assert server.document("k") == {"n": 5}


@pytest.mark.parametrize("others", [0, 2])
def test_what_comes_first_counts_under_its_old_name_and_an_offer_of_it_adds_nothing(
    server: Any, phone: Any, others: int
) -> None:
    """`others`: what another edit of the old life, which this server never had, added before."""
    earlier = {"phone": 2} if others else {}
    if others:
        assert offer(server, others, earlier) == 1
    assert phone.statuses(again(phone, after=2 if others else 0, base=earlier)) == ["merged"]
    assert server.document("k") == {"n": 5 + others}
    assert offer(server, 5 + others, {"phone": 3}) == 0
    assert offer(server, 12 + others, {"phone": 4}) == 1, "with an edit more"
    assert server.document("k") == {"n": 12 + others}


def test_the_old_name_does_not_speak_for_edits_that_are_not_here(server: Any, phone: Any) -> None:
    """The document's second edit exists elsewhere only: with it the vector would say that it is included."""
    assert phone.statuses(again(phone, after=2)) == ["applied"]
    assert server.document("k") == {"n": 5}
    assert offer(server, 2, {"phone": 2}) == 1
    assert server.document("k") == {"n": 7}


def test_a_life_that_got_further_than_its_author_knows_has_used_its_dots_twice(server: Any, phone: Any) -> None:
    """The device was put back to a backup too: what others have under the dot is another edit."""
    assert offer(server, 40, {"phone": 9}) == 1
    assert phone.statuses(again(phone, base={"phone": 2})) == ["merged"]
    assert server.document("k") == {"n": 45}


def test_what_is_included_does_not_bring_a_deleted_document_back(server: Any, phone: Any) -> None:
    assert offer(server, 5, {"phone": 3, "laptop": 1}, document=False) == 1
    assert phone.statuses(again(phone)) == ["merged"]
    assert server.document("k") is None


def test_a_plain_part_is_judged_as_ever(server: Any, phone: Any) -> None:
    """How it was decided before is not known any more; only the operation is not repeated."""
    assert offer(server, 5, {"phone": 3}) == 1
    former = {"actor": "phone", "counter": 3, "last": 3}
    change = phone.update("k", {"v": 1}, crdt=FIVE, former=former, base={"phone": 2})
    assert phone.statuses(change) == ["conflict"], "who wrote what in an offered version is not known"
    assert server.document("k") == {"n": 5, "v": 1}


def test_an_edit_of_a_version_that_names_an_old_dot_comes_after_it(server: Any, phone: Any) -> None:
    assert phone.statuses(again(phone)) == ["merged"]
    laptop = server.device("laptop")
    (shown,) = laptop.pull()
    assert shown["version_vector"] == {"phone": 3, "phone~1": 1}
    assert laptop.statuses(laptop.update("k", {"v": 1}, base=shown["version_vector"])) == ["applied"]


@pytest.mark.parametrize(
    ("former", "field"),
    [
        ({"actor": "laptop", "counter": 3, "last": 3}, "former.actor"),
        ({"actor": "phone~x", "counter": 3, "last": 3}, "former.actor"),
        ({"actor": "phone", "counter": 0, "last": 3}, "former"),
        ({"actor": "phone", "counter": 4, "last": 3}, "former"),
        ({"actor": "phone", "counter": 3, "last": 3, "after": 3}, "former"),
        ({"actor": "phone", "counter": 3, "last": COUNTER_MAX + 1}, "former"),
    ],
)
def test_an_old_dot_that_can_not_be_is_rejected_and_says_where(
    server: Any, phone: Any, former: dict[str, Any], field: str
) -> None:
    (result,) = phone.push(phone.change("crdt", "k", crdt=FIVE, former=former))["results"]
    assert (result["status"], result["error"]["type"]) == ("rejected", "InvalidChange")
    assert result["error"]["message"].startswith(f"changes[0].{field}:")
