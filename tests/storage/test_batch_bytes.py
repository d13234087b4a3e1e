"""A batch is bounded in bytes, as they go over the wire, whatever the script its documents are written in."""

from __future__ import annotations

import pytest

from solidb_sync.json_value import canonical
from solidb_sync.storage.edits import Minted, record_save
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.outbox import PUSH_BYTES_MAX, next_batch


@pytest.mark.parametrize("letter", ["a", "é", "京", "😀"])
def test_a_backlog_in_any_script_goes_in_batches_that_a_request_can_carry(letter: str) -> None:
    document = canonical({"text": letter * (900_000 // len(letter.encode()))})

    def save_ten(engine: StorageEngine) -> None:
        for number in range(10):
            record_save(engine, Minted(f"id-{number}", "t"), ("notes", f"k{number}"), document, merge=True)

    with LocalStore.open(":memory:", "phone", engine="memory") as store:
        store.transact(save_ten)
        sent, after = 0, 0
        while sent < 10:
            batch = store.view(lambda reader, after=after: next_batch(reader, count=100, after=after))  # type: ignore[misc]
            assert 0 < len("".join(batch.texts).encode()) <= PUSH_BYTES_MAX
            sent, after = sent + len(batch.changes), batch.changes[-1].id
            assert batch.is_last == (sent == 10)
