"""What a device says it knows: the sequence an edit was made on, and what its unsent edits may have been made on."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from solidb_sync.protocol.messages import ChangeResult
from solidb_sync.storage.known_versions import base_seq, forget_sequences
from solidb_sync.storage.outbox import settle
from solidb_sync.storage.records import ChangeState, Mark
from solidb_sync.storage.text_forms import decode_change


def said(device: Any) -> list[int]:
    """Return the sequences that the changes of the device say they were made on."""
    return [decode_change(change.wire).base_seq for change in device.engine.changes(state=None)]


def arrange(device: Any, name: str) -> None:
    """Cast a doubt on what the cursor says of notes/a."""
    replica = device.engine.replica()
    with device.transaction() as engine:
        match name:
            case "backfill":
                engine.put_backfill("notes", 0)
            case "excluded":
                engine.save_replica(replace(replica, excluded=("notes",)))
            case "another scope":
                engine.save_replica(replace(replica, covered=("tasks",)))
            case "resync":
                engine.save_replica(replace(replica, is_resyncing=True))
            case "offering":
                engine.save_replica(replace(replica, offered='["",""]'))
            case "leaving":
                engine.mark(Mark.LEAVING, "notes", "a")
            case "doubted":
                engine.mark(Mark.DOUBTED, "notes", "a")


def test_an_edit_of_a_pulled_document_says_the_cursor_it_was_made_at(device: Any, server: Any) -> None:
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    device.pull(to=8)
    device.save("a", {"v": 2})
    device.save("a", {"v": 3})
    device.pull(to=9)
    device.delete("a")
    assert said(device) == [8, 8, 9]


def test_a_new_document_says_nothing_until_the_server_has_had_it(device: Any, server: Any) -> None:
    """Somebody else may have made it too, up to the cursor, without this device having been told: by a filter, say."""
    device.pull(server.whole("b", {"v": 1}, {"x": 1}), to=5)
    device.save("a", {"v": 1})
    device.save("a", {"v": 2})
    assert said(device) == [0, 0]
    device.answer("applied", "applied")
    device.save("a", {"v": 3})
    assert said(device) == [5]


@pytest.mark.parametrize("doubt", ["backfill", "excluded", "another scope", "resync", "offering", "leaving", "doubted"])
def test_an_edit_of_a_row_that_the_cursor_does_not_speak_for_says_nothing(device: Any, server: Any, doubt: str) -> None:
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    assert base_seq(device.engine, "notes", "a") == 5
    arrange(device, doubt)
    device.save("a", {"v": 2})
    assert said(device) == [0]


def test_the_stable_sequence_stands_still_while_an_edit_waits(device: Any, server: Any) -> None:
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    assert device.engine.replica().stable == 5
    device.save("a", {"v": 2})
    device.pull(server.whole("a", {"v": 3}, {"x": 2}), to=9)
    assert device.engine.replica().stable == 5
    device.answer("merged")
    device.pull(to=12)
    assert device.engine.replica().stable == 12


def test_an_edit_that_may_not_be_sent_holds_up_nobody(device: Any, server: Any) -> None:
    """Of a collection that is not synced, or refused."""
    with device.transaction() as engine:
        engine.save_replica(replace(engine.replica(), excluded=("private",)))
    device.save("a", {"v": 1}, collection="private")
    device.save("b", {"v": 1})
    device.answer("rejected", batch=device.batch(covered={"notes"}))
    device.pull(to=7)
    assert device.engine.replica().stable == 7


def test_a_held_change_is_in_a_version_of_its_sequence_whatever_the_vector_says(device: Any, server: Any) -> None:
    """38: the server has compacted the vector, so it names no dot of this device any more."""
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    device.save("a", {"v": 2})
    batch = device.batch()
    with device.transaction() as engine:
        settle(engine, batch.changes, [ChangeResult(batch.changes[0].change_id, "merged", seq=7)])
    before, after = (server.whole("a", {"v": 2, "w": 1}, {"server": seq}) for seq in (6, 7))
    before.seq, after.seq = 6, 7
    device.pull(before, to=6)
    assert [change.state for change in device.engine.changes(state=None)] == [ChangeState.HELD]
    device.pull(after, to=7)
    assert device.engine.changes(state=None) == []
    assert (device.visible("a"), device.vector("a")) == ({"v": 2, "w": 1}, {"server": 7})


def test_another_history_makes_changes_forget_their_sequences(device: Any, server: Any) -> None:
    device.pull(server.whole("a", {"v": 1}, {"x": 1}), to=5)
    device.save("a", {"v": 2})
    with device.transaction() as engine:
        forget_sequences(engine)
    assert said(device) == [0]
