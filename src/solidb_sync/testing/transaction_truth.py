"""What must be true of the transactions of a simulated world: all of one is there, or nothing, at the server and on devices.

The ledger knows which edits were made together. The server may not take one of them and leave another; and a device that
shows one of them shows all, wherever its pages end and whenever it dies.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from solidb_sync.testing.invariants import FINAL, broken
from solidb_sync.testing.model_oracle import ACCEPTED, Edit, Ledger, Place

Screen = Callable[[Place], frozenset[str]]
"""Tells which edits the document at a place includes."""


def check_answered_together(changes: Sequence[Mapping[str, Any]], results: Sequence[Mapping[str, Any]]) -> None:
    """17 isolation of failure: the members of a transaction are taken together, refused together, or wait together."""
    answered: dict[str, set[str]] = {}
    for change, result in zip(changes, results, strict=True):
        if change.get("transaction"):
            answered.setdefault(change["transaction"], set()).add(_fate(result))
    for transaction, fates in answered.items():
        if len(fates) > 1:
            broken("17 isolation of failure", f"parts of the transaction {transaction} were {sorted(fates)}")


def _fate(result: Mapping[str, Any]) -> str:
    status = result.get("original") or result["status"]
    return "taken" if status in ACCEPTED else status if status in FINAL else "not decided"


def check_shown_together(device: str, places: Iterable[Place], screen: Screen, ledger: Ledger) -> None:
    """16 atomic page: of a transaction that the server has taken, a device shows all or nothing.

    `places` are the documents that may show less or more than before, among those that are up to one cursor.
    """
    within = set(places)
    touched = {name for place in within for name in ledger.transactions_of.get(place, ())}
    for name in sorted(touched):
        taken = [edit for edit in ledger.transactions[name] if edit.place in within and _is_taken(edit, ledger)]
        seen = [edit for edit in taken if edit.id in screen(edit.place)]
        if seen and len(seen) < len(taken):
            missing = sorted({edit.place for edit in taken if edit not in seen})
            broken(
                "16 atomic page", f"{device} shows {sorted({e.place for e in seen})} of transaction {name}, not {missing}"
            )


def _is_taken(edit: Edit, ledger: Ledger) -> bool:
    """Return whether the server has taken an edit, and not emptied its collection since."""
    seq = ledger.accepted_seq(edit.id)
    return seq is not None and seq > ledger.resets.get(edit.place[0], 0)
