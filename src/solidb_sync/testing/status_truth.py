"""What a device and the server say about themselves, held against what was seen: counts, results of rounds, states.

The account is the ledger's and the device's truth, and the answers that really arrived at the device, decoded anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from solidb_sync.client.results import SyncResult, SyncStatus
from solidb_sync.storage.pending_change import PendingChange
from solidb_sync.testing.device_truth import DeviceTruth
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import ACCEPTED, Ledger, Place

STATUS_TRUTH = "30 status truth"

_decode = msgspec.json.Decoder().decode

Exchange = tuple[bytes, int, bytes]
"""A request that was sent, and the status and body of the answer that arrived."""


@dataclass(frozen=True, slots=True)
class Round:
    """What really went over the wire while a round ran."""

    asked: list[Mapping[str, Any]]
    told: list[Mapping[str, Any]]

    @property
    def is_plain(self) -> bool:
        """True when nothing had to be asked twice: no new incarnation, no settings, no lost view, no whole documents."""
        is_odd = any(told.get("replica") or told.get("register") or told.get("views_lost") for told in self.told)
        return not is_odd and not any(asked.get("full") for asked in self.asked)

    @property
    def acknowledged(self) -> int:
        """How many changes the server answered for."""
        results = (result for told in self.told for result in told["results"])
        return sum((result.get("original") or result["status"]) in ACCEPTED for result in results)

    @property
    def documents(self) -> list[Place]:
        """The documents that came, each as often as it came."""
        return [(change["collection"], change["key"]) for told in self.told for change in told["server_changes"]]


def read_round(exchanges: Iterable[Exchange]) -> Round:
    """Return what a round's pushes and pulls said, from their bytes; an answer that was cut short says nothing."""
    seen = Round([], [])
    for sent, status, got in exchanges:
        if status == 200:
            with suppress(msgspec.DecodeError):
                seen.told.append(_decode(got))
                seen.asked.append(_decode(sent))
    return seen


def check_result(device: str, result: SyncResult, seen: Round, *, was_alone: bool) -> None:
    """A round tells how many changes were answered for, and how many documents came.

    `was_alone`: no round that the device began by itself can have run just before it, and be in what was seen.
    """
    if result.pushed > seen.acknowledged or result.pulled > len(seen.documents):
        broken(STATUS_TRUTH, f"{device}: {result}; {seen.acknowledged} were answered for, {len(seen.documents)} came")
    if not (result.success and seen.is_plain and was_alone):
        return
    if (result.pushed, result.pulled) != (seen.acknowledged, len(seen.documents)):
        broken(
            STATUS_TRUTH,
            f"{device} tells of {result.pushed} pushed and {result.pulled} pulled; {seen.acknowledged} changes "
            f"were answered for, {len(seen.documents)} documents came",
        )


def check_status(truth: DeviceTruth, status: SyncStatus, waiting: Sequence[PendingChange], ledger: Ledger) -> None:
    """Every edit a device keeps is counted once: as waiting, as taken and not seen again yet, or as refused."""
    kept = truth.kept.values()
    if status.pending + status.held + status.rejected != len(kept):
        broken(STATUS_TRUTH, f"{truth.device} keeps {len(kept)} edits and says {status}")
    refused = truth.refused
    taken = {edit.id for edit in kept if ledger.accepted_seq(edit.id) is not None}
    unsent = {edit.id for edit in kept} - taken - refused
    if status.rejected != len(refused) or status.held > len(taken) or status.pending < len(unsent):
        broken(
            STATUS_TRUTH,
            f"{truth.device} says {status}; {len(refused)} are refused, {len(taken)} taken, {len(unsent)} not answered for",
        )
    told = [change.change_id for change in waiting]
    if len(told) != status.pending or not unsent <= set(told) <= unsent | taken:
        broken(STATUS_TRUTH, f"{truth.device} says that {told} wait; {sorted(unsent)} are not answered for")
    if status.cursor != truth.cursor:
        broken(STATUS_TRUTH, f"{truth.device} says it is at {status.cursor}, it is at {truth.cursor}")


def check_state(truth: DeviceTruth, place: Place, state: str, *, is_open: bool) -> None:
    """A document is `rejected` with a refused edit, `conflict` while one is open, `pending` with an edit that is kept."""
    mine = {edit.id for edit in truth.kept.values() if edit.place == place}
    settled = "pending" if mine else "synced"
    expected = "rejected" if mine & truth.refused else "conflict" if is_open else settled
    if state != expected:
        broken(STATUS_TRUTH, f"{truth.device} says that {place} is {state}, it is {expected}: {sorted(mine)} are kept")


def check_waiting(told: int, seen: Round) -> None:
    """30 status truth: what the server says is waiting for a device is what the next pull brings."""
    documents = set(seen.documents)
    if told != len(documents):
        broken(STATUS_TRUTH, f"{told} documents were said to be waiting, the next pull brought {sorted(documents)}")
