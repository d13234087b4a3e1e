"""How far a first sync has come: documents, bytes and an estimated end, told as events and in the status."""

from __future__ import annotations

import pytest

from device_types import DeviceMaker
from solidb_sync.client.pull_progress import TOLD_EVERY_SECONDS, PullProgress, SyncProgress
from solidb_sync.client.sync_events import SyncEvent, SyncEventKind

pytestmark = pytest.mark.anyio


async def test_a_first_sync_tells_how_far_it_has_come_and_ends_with_everything(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop", batch_size=10)
    for number in range(95):
        await phone.save_document("notes", f"{number}", {"text": "x" * 50})
    await phone.sync_now()
    told: list[SyncEvent] = []
    statuses: list[SyncProgress | None] = []

    def note(event: SyncEvent) -> None:
        if event.kind is SyncEventKind.SYNC_PROGRESS:
            told.append(event)
            statuses.append(laptop._round.progress)

    laptop.on_event(note)
    await laptop.sync_now()
    last = told[-1].progress
    assert last is not None
    assert (last.documents, last.documents_total, last.seconds_left) == (95, 95, 0.0)
    assert last.bytes >= 95 * 50
    assert statuses == [event.progress for event in told]
    assert (await laptop.status()).progress is None


async def test_one_page_is_no_long_pull(device: DeviceMaker) -> None:
    phone, laptop = device("phone"), device("laptop")
    await phone.save_document("notes", "one", {})
    await phone.sync_now()
    told: list[SyncEvent] = []
    laptop.on_event(told.append)
    await laptop.sync_now()
    assert SyncEventKind.SYNC_PROGRESS not in [event.kind for event in told]


def test_the_rest_is_estimated_from_the_stretch_so_far_and_told_now_and_then() -> None:
    now = [100.0]
    progress = PullProgress(1_000, lambda: now[0])
    assert progress.page(cursor=1_100, target=2_000, documents=50, content_bytes=500) is None, "too soon to tell"
    now[0] += TOLD_EVERY_SECONDS * 5
    told = progress.page(cursor=1_200, target=2_000, documents=50, content_bytes=500)
    assert told == SyncProgress(documents=100, documents_total=500, bytes=1_000, seconds_left=TOLD_EVERY_SECONDS * 5 * 4)
    assert progress.page(cursor=2_000, target=2_000, documents=400, content_bytes=0) == SyncProgress(500, 500, 1_000, 0.0)
