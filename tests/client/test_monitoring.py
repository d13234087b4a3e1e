"""What a device tells of itself: results, conflicts as list and number, problems in parts, metrics (E1 to E5)."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from device_types import DeviceMaker
from solidb_sync import HttpClient, SyncManager

pytestmark = pytest.mark.anyio

SAMPLE = re.compile(r'^[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? [0-9.e+-]+$')


async def conflicting(device: DeviceMaker) -> tuple[SyncManager, Any]:
    """Return a device that has just found a conflict, and the result of that round."""
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "one", {"text": "1"})
    await phone.sync_now()
    await laptop.sync_now()
    await phone.save_document("notes", "one", {"text": "phone"})
    await laptop.save_document("notes", "one", {"text": "laptop"})
    await phone.sync_now()
    return laptop, await laptop.sync_now()


async def test_conflicts_are_a_list_and_a_number(device: DeviceMaker) -> None:
    """E3: as the first documentation shows them, in both places."""
    _, result = await conflicting(device)
    found = result.conflicts
    assert [conflict.document_key for conflict in found] == ["one"]
    assert (len(found), int(found), result.conflict_count, f"{found}", f"{found:03d}") == (1, 1, 1, "1", "001")
    assert found == 1
    assert found != 0
    assert found > 0
    assert found >= 1
    assert found < 2
    assert found <= 1
    assert found != 2
    assert not found > 1
    assert found == [found[0]]
    assert found != []
    assert bool(found)


async def test_a_round_without_conflicts_has_none_by_either_reading(device: DeviceMaker) -> None:
    result = await device("phone").sync_now()
    assert result.conflicts == 0
    assert result.conflicts == []
    assert not result.conflicts
    assert f"{result.conflicts} conflicts" == "0 conflicts"


async def test_problems_are_told_for_people_and_in_parts(device: DeviceMaker) -> None:
    """E4: a refused change names its document and is not worth the same attempt again; E1: it is no success."""
    phone, other = device("phone"), device("other")
    await phone.save_document("notes", "large", {f"a{number}": "x" * 10_000 for number in range(60)})
    await phone.sync_now()
    await other.sync_now()
    await other.save_document("notes", "large", {f"b{number}": "y" * 10_000 for number in range(40)})
    await phone.save_document("notes", "large", {f"c{number}": "z" * 10_000 for number in range(40)})
    await other.sync_now()
    result = await phone.sync_now()
    (problem,) = result.error_details
    assert (result.success, len(result.errors)) == (False, 1)
    assert (problem.type, problem.collection, problem.key, problem.is_retryable) == (
        "ChangeRejected",
        "notes",
        "large",
        False,
    )
    assert problem.message == result.errors[0]
    assert (await phone.metrics()).errors == {"ChangeRejected": 1}
    assert (await phone.metrics()).rejected == 1


async def test_metrics_add_up_what_rounds_did(device: DeviceMaker) -> None:
    """E5: pending changes, durations, the rate of conflicts, errors by type."""
    laptop, _ = await conflicting(device)
    await laptop.save_document("notes", "two", {"text": "2"})
    before = await laptop.metrics()
    assert (before.pending, before.pushed, before.pulled, before.conflicts) == (1, 1, 2, 1)
    assert (before.conflict_rate, before.rounds, before.failed_rounds, before.errors) == (1.0, 2, 0, {})
    assert before.mean_duration_ms is not None
    assert before.last_duration_ms is not None
    assert before.duration_ms_total >= before.last_duration_ms > 0
    assert before.bytes_sent > 0 < before.bytes_received
    laptop._server.database = "no such name!"
    await laptop.sync_now()
    after = await laptop.metrics()
    assert (after.pending, after.rounds, after.failed_rounds, after.consecutive_failures) == (1, 3, 1, 1)
    assert after.errors == {"ServerError": 1}


async def test_metrics_are_readable_for_prometheus(device: DeviceMaker) -> None:
    """E5: every sample has a type and a help line, and labels are escaped."""
    laptop, _ = await conflicting(device)
    laptop._server.database = "no such name!"
    await laptop.sync_now()
    text = (await laptop.metrics()).prometheus(device='the "old"\nlap\\top')
    lines = text.splitlines()
    samples = [line for line in lines if not line.startswith("#")]
    assert text.endswith("\n")
    assert all(SAMPLE.match(sample) for sample in samples), samples
    for sample in samples:
        name = re.split(r"[{ ]", sample)[0]
        assert sum(line.startswith(f"# TYPE {name} ") for line in lines) == 1
        assert sum(line.startswith(f"# HELP {name} ") for line in lines) == 1
    assert r'solidb_sync_conflicts_total{device="the \"old\"\nlap\\top"} 1' in samples
    assert r'solidb_sync_errors_total{device="the \"old\"\nlap\\top",type="ServerError"} 1' in samples
    assert "solidb_sync_pending_changes 0" in (await laptop.metrics()).prometheus()


async def test_metrics_tell_that_credentials_are_wanted_and_when_a_round_last_succeeded(device: DeviceMaker) -> None:
    """E5, N2: what an alarm can be raised on, without listening to events."""
    phone = device("phone")
    assert "solidb_sync_last_success" not in (await phone.metrics()).prometheus()
    before = time.time() - 1
    await phone.sync_now()
    fine = await phone.metrics()
    assert before <= (fine.last_success_seconds or 0) <= time.time() + 1
    assert isinstance(phone._transport, HttpClient)
    phone._transport.set_credentials(token="expired")
    await phone.sync_now()
    refused = await phone.metrics()
    assert (fine.is_auth_required, refused.is_auth_required) == (False, True)
    assert refused.last_success_seconds == fine.last_success_seconds
    assert refused.consecutive_failures == 0
    assert "solidb_sync_auth_required 1\n" in refused.prometheus()


async def test_n16_the_vectors_of_a_document_are_shown_as_they_grow(device: DeviceMaker) -> None:
    """Nothing, an edit that waits, the same one taken, and another on top of it."""
    phone = device("phone")
    assert (await phone.debug_vectors("notes", "a")).visible is None
    await phone.save_document("notes", "a", {"n": 1})
    waiting = await phone.debug_vectors("notes", "a")
    assert (waiting.visible, waiting.server, waiting.known_upto) == ({"phone": 1}, None, 0)
    assert [(one.state, one.dot, one.base) for one in waiting.changes] == [("pending", ("phone", 1), {})]
    await phone.sync_now()
    taken = await phone.debug_vectors("notes", "a")
    assert (taken.visible, taken.server, taken.known_upto, taken.changes) == ({"phone": 1}, {"phone": 1}, 1, ())
    await phone.delete_document("notes", "a")
    deleted = await phone.debug_vectors("notes", "a")
    assert (deleted.visible, deleted.server, deleted.is_deleted) == ({"phone": 2}, {"phone": 1}, True)
    assert [(one.dot, one.base) for one in deleted.changes] == [(("phone", 2), {"phone": 1})]
