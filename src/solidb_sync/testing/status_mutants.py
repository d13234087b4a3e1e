"""Deliberate bugs of what devices and the server say about themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from solidb_sync.client import document_view, record_answer
from solidb_sync.client import status as client_status
from solidb_sync.client.manager import observation
from solidb_sync.protocol.client_settings import parse_settings
from solidb_sync.server import sync_status as server_status
from solidb_sync.storage import outbox
from solidb_sync.storage.records import ChangeState
from solidb_sync.testing.planter import Mutant, Planter


def held_counted_as_pending(patch: Planter) -> None:
    """Edits that the server has taken count as waiting until they come back."""
    original = client_status.sync_status

    def sync_status(*arguments: Any, **options: Any) -> Any:
        status = original(*arguments, **options)
        return replace(status, pending=status.pending + status.held, held=0)

    patch.setattr(observation, "sync_status", sync_status)


def held_shown_as_synced(patch: Planter) -> None:
    """A document is said to be synced as soon as the server has answered, also when it made something else of the edit."""

    def sync_state(reader: Any, collection: str, key: str, **_: Any) -> str:
        states = {change.state for change in reader.changes_of(collection, key)}
        return "pending" if ChangeState.PENDING in states else "rejected" if ChangeState.REJECTED in states else "synced"

    patch.setattr(document_view, "sync_state", sync_state)


def pushed_counts_what_was_sent(patch: Planter) -> None:
    """A round counts every change it has sent as pushed, whatever the server answered."""
    original = outbox.settle

    def settle(engine: Any, sent: Any, results: Any) -> Any:
        settled = original(engine, sent, results)
        settled.acknowledged = len(sent)
        return settled

    patch.setattr(record_answer, "settle", settle)


def filters_passed_over_in_the_status(patch: Planter) -> None:
    """The server counts every new document as waiting for a device, also those its filters leave out."""
    original = parse_settings
    patch.setattr(server_status, "parse_settings", lambda text: msgspec.structs.replace(original(text), filters={}))


STATUS_MUTANTS: tuple[Mutant, ...] = (held_counted_as_pending, held_shown_as_synced)
FILTERED_STATUS_MUTANTS: tuple[Mutant, ...] = (filters_passed_over_in_the_status,)
REFUSED_STATUS_MUTANTS: tuple[Mutant, ...] = (pushed_counts_what_was_sent,)
