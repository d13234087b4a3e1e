"""I1 to I4: whatever the policy, an edit that is sent means the same; fields are sent where they are short enough."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import apply_delta
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.outbox import PUSH_BYTES_MAX
from solidb_sync.storage.text_forms import decode_change, wire_delta

TEXT = "x" * 100


def sent(device: Any, policy: DeltaPolicy) -> list[WireChange]:
    return [decode_change(text) for text in device.batch(100, policy=policy).texts]


@pytest.mark.parametrize(
    ("policy", "is_whole"),
    [
        (DeltaPolicy(0.5), False),
        (DeltaPolicy(0.0), True),
        (DeltaPolicy(1.0), False),
        (DeltaPolicy(1.0, frozenset({"notes"})), True),
        (DeltaPolicy(0.01), True),
    ],
)
def test_the_policy_says_whether_fields_or_the_document_go(device: Any, policy: DeltaPolicy, is_whole: bool) -> None:
    device.save("a", {"n": 1, "text": TEXT})
    device.push_all()
    device.save("a", {"n": 2, "text": TEXT, "deep": {"er": 1}})
    (wire,) = sent(device, policy)
    assert isinstance(wire.document, type(wire.delta)) is False
    assert (wire.fields == ["n", "deep"]) is is_whole
    if is_whole:
        assert decode(bytes(wire.document)) == {"n": 2, "text": TEXT, "deep": {"er": 1}}  # type: ignore[arg-type]
    assert wire_delta(wire).values == {("n",): 2, ("deep",): {"er": 1}}


def test_an_insert_and_a_delete_have_one_form(device: Any) -> None:
    device.save("a", {"n": 1})
    device.save("b", {"operation": "update", "text": '"operation":"update"'})
    device.delete("a")
    assert [wire.fields for wire in sent(device, DeltaPolicy(0.0))] == [[], [], []]
    assert device.batch(100, policy=DeltaPolicy(0.0)).texts == device.batch(100, policy=DeltaPolicy(1.0)).texts


def test_a_whole_document_is_the_one_of_its_edit_not_of_a_later_one(device: Any) -> None:
    device.save("a", {"n": 1})
    device.push_all()
    for number in (2, 3):
        device.save("a", {"n": number})
    first, second = sent(device, DeltaPolicy(0.0))
    assert (decode(bytes(first.document)), decode(bytes(second.document))) == ({"n": 2}, {"n": 3})  # type: ignore[arg-type]


def test_a_transaction_too_long_with_whole_documents_goes_as_fields(device: Any) -> None:
    long = "x" * (PUSH_BYTES_MAX // 6)
    for key in "abcdefgh":
        device.save(key, {"n": 1, "text": long})
    device.push_all()
    for key in "abcdefgh":
        device.save(key, {"n": 2}, merge=True, transaction="t", size=8)
    batch = device.batch(100, policy=DeltaPolicy(0.0))
    assert len(batch.changes) == 8
    assert sum(map(len, batch.texts)) < PUSH_BYTES_MAX


def test_a_document_that_has_moved_on_is_not_sent_for_an_edit(device: Any, server: Any) -> None:
    """The server took the edit, its answer was lost, and somebody else removed the field since (simulation, seed 21)."""
    device.save("a", {"n": 1, "m": 1})
    device.push_all()
    device.save("a", {"n": 2, "m": 1})
    device.pull(server.whole("a", {"m": 1}, {"phone": 2, "laptop": 1}))
    (wire,) = sent(device, DeltaPolicy(0.0))
    assert (wire.fields, decode(bytes(wire.delta))) == ([], {"n": 2})  # type: ignore[arg-type]


def test_the_length_of_the_document_is_recorded_with_an_edit_of_plain_fields(device: Any) -> None:
    """In bytes, not characters; only updates need it."""
    device.save("a", {"n": 1, "text": "é"})
    device.save("a", {"n": 2}, merge=True)
    device.save("a", {"text": TEXT})
    device.delete("a")
    lengths = [change.document_bytes for change in device.batch(100).changes]
    assert lengths == [0, len(encode({"n": 2, "text": "é"})), len(encode({"text": TEXT})), 0]


def test_fields_go_by_the_recorded_length_whatever_the_document_is_now(device: Any, server: Any) -> None:
    """What came meanwhile made it shorter; the document is not read for it."""
    device.save("a", {"n": 1, "text": TEXT})
    device.push_all()
    device.save("a", {"n": 2, "text": TEXT})
    device.pull(server.whole("a", {"n": 1}, {"phone": 1, "laptop": 1}))
    (form,) = device.batch(100, policy=DeltaPolicy(0.5)).forms
    assert (decode_change(form.text).fields, len(encode({"n": 1}))) == ([], 7)
    assert form.full_bytes - form.sent_bytes == len(encode({"n": 2, "text": TEXT})) + len(
        ',"document":,"fields":["n"]'
    ) - len(',"delta":{"n":2}')


VALUES = st.recursive(
    st.none() | st.integers(0, 3) | st.sampled_from(["", "é", "long"]),
    lambda inner: st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=6,
)
DOCUMENTS = st.dictionaries(st.sampled_from(["a", "b", "/c", ""]), VALUES, max_size=4)


@given(old=DOCUMENTS, new=DOCUMENTS, threshold=st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_either_form_makes_the_same_of_a_document_and_is_no_longer_than_it_must_be(
    new_device: Any, old: dict[str, Any], new: dict[str, Any], threshold: float
) -> None:
    """34 delta equivalence, 35 delta economy."""
    device = new_device("memory")
    device.save("a", old)
    device.push_all()
    if not device.save("a", new):
        return
    (wire,) = sent(device, DeltaPolicy(threshold))
    assert apply_delta(old, wire_delta(wire)) == new
    delta = wire_delta(wire)
    size = len(encode(wire.delta)) if wire.delta else 0
    assert size <= max(threshold * len(encode(new)), 2) or wire.fields
    if wire.fields:
        assert set(delta.values) | set(delta.removed)
