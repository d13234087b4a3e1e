"""The promises of the sync, each as a check by its number in the list of invariants.

A check compares what a device or the server really holds with what the ledger says it must hold; the first that fails
raises `InvariantBrokenError`, which names the promise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

import msgspec

from solidb_sync.server.conflict_records import DECIDED
from solidb_sync.server.storage.records import ConflictRecord, StoredDocument
from solidb_sync.server.storage.records import Outcome as StoredOutcome
from solidb_sync.testing.model_fields import STAMPED, FieldsTruth, plain
from solidb_sync.testing.model_judgement import WHOLE, Path, at
from solidb_sync.testing.model_oracle import ACCEPTED, Ledger, Outcome, Place, Version, parse_path

LARGE = "large"
"""What every value that a server may find too large has in it."""

FINAL = ACCEPTED | {"rejected"}

_decode = msgspec.json.Decoder().decode


class InvariantBrokenError(AssertionError):
    """A promise was not kept; `invariant` is its number and name."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(f"{invariant}: {message}")
        self.invariant = invariant


def broken(invariant: str, message: str) -> NoReturn:
    """Say which promise was not kept, and how."""
    raise InvariantBrokenError(invariant, message)


class ServerInvariants:
    """What must be true of the server after every request and every restart."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def check_outcomes(self, ids: Sequence[str], found: Sequence[StoredOutcome], places: Mapping[str, Place]) -> None:
        """Check the recorded outcomes of changes, in the order they were accepted."""
        by_id = {outcome.change_id: outcome for outcome in found}
        for change_id in ids:
            if change_id not in by_id:
                self._check_not_lost(change_id)
        for stored in sorted(found, key=lambda outcome: outcome.seq):
            outcome = Outcome(stored.status, stored.seq, stored.actor, stored.counter)
            known = self._ledger.outcomes.get(stored.change_id)
            self._check_dot(stored)
            if known is not None and known.status in FINAL:
                self._check_exactly_once(stored.change_id, known, outcome)
                continue
            self._ledger.outcomes[stored.change_id] = outcome
            if stored.status == "rejected":
                self._check_refusal(stored, places[stored.change_id])
            if stored.status in ACCEPTED:
                self._check_sequence(stored)
                self._check_verdict(stored, outcome, places[stored.change_id])

    def _check_not_lost(self, change_id: str) -> None:
        """1 no lost acknowledged write: an outcome that was ever seen is still recorded."""
        if change_id in self._ledger.outcomes:
            broken(
                "1 no lost acknowledged write", f"{change_id} had the outcome {self._ledger.outcomes[change_id]}, now none"
            )

    def _check_exactly_once(self, change_id: str, known: Outcome, outcome: Outcome) -> None:
        """3 exactly once: a final outcome, its sequence and its dot never change."""
        if known != outcome:
            broken("3 exactly once", f"{change_id} was {known}, now {outcome}")

    def _check_dot(self, stored: StoredOutcome) -> None:
        """12 dot uniqueness: no two changes under one actor and counter."""
        owner = self._ledger.dots.setdefault((stored.actor, stored.counter), stored.change_id)
        if owner != stored.change_id:
            broken("12 dot uniqueness", f"{stored.actor}:{stored.counter} is {owner} and {stored.change_id}")

    def _check_sequence(self, stored: StoredOutcome) -> None:
        """14 sequence order: a new change comes after all that anybody was told to have scanned."""
        if stored.seq <= max(self._ledger.highest_cursor, self._ledger.newest):
            broken(
                "14 sequence order",
                f"{stored.change_id} got {stored.seq}, but {self._ledger.highest_cursor} was given out as a cursor "
                f"and {self._ledger.newest} as a sequence",
            )

    def _check_verdict(self, stored: StoredOutcome, outcome: Outcome, place: Place) -> None:
        """9 no false conflict, 10 no missed conflict: the verdict agrees with who had really seen and written what."""
        edit = self._ledger.edits.get(stored.change_id)
        if edit is None:
            broken("3 exactly once", f"{stored.change_id} was accepted, but no device ever made it")
        unseen = self._ledger.newest_version(place).ids - edit.knew
        was_overruled = self._ledger.was_overruled(place, outcome.actor)  # it may be told `merged`, then
        judgement = self._ledger.accept(stored.change_id, place, outcome)
        is_reset = place[0] in self._ledger.resets  # its device may not know yet
        is_restamped = not STAMPED.isdisjoint(self._ledger.sent[stored.change_id].operations)
        if stored.status == judgement.status or (
            (is_restamped or was_overruled or is_reset) and (stored.status, judgement.status) == ("merged", "applied")
        ):
            return
        told = (
            f"{stored.change_id} at {place} was {stored.status}, it should be {judgement.status}; unseen: {sorted(unseen)}"
        )
        if judgement.status == "applied" or stored.status == "conflict":
            broken("9 no false conflict", told)
        broken("10 no missed conflict", f"{told}; both wrote {judgement.overlap}")

    def _check_refusal(self, stored: StoredOutcome, place: Place) -> None:
        """17 isolation of failure: refused is only what is large, or what goes into a document where something large is."""
        sent = self._ledger.sent[stored.change_id]
        writes = [self._ledger.sent.get(edit.id) for edit in self._ledger.edits.values() if edit.place == place]
        is_of_a_dropped_one = self._ledger.drops.get(place[0], 0) and "CollectionDropped" in stored.detail
        if not (sent.is_in_transaction or is_of_a_dropped_one or LARGE in repr(writes)):
            broken("17 isolation of failure", f"{stored.change_id} at {place} was refused: {stored.detail}")

    def check_documents(self, documents: Mapping[Place, StoredDocument]) -> None:
        """1 no lost acknowledged write, 13 vector honesty: each document is what its accepted edits make of it."""
        for place, stored in documents.items():
            version = self._ledger.newest_version(place)
            whole = None if stored.body is None else _decode(stored.body)
            body = plain(whole)
            problem = self._ledger.fields.get(place, FieldsTruth()).problem(whole) if whole is not None else None
            if problem is not None:
                broken(problem[0], f"{place} at {stored.seq} {problem[1]}")
            if stored.seq != version.seq or body != version.body:
                broken(
                    "1 no lost acknowledged write",
                    f"{place} is {body} at {stored.seq}; the accepted edits make it {version.body} at {version.seq}",
                )
            if _decode(stored.vector) != version.vector:
                broken("13 vector honesty", f"{place} at {stored.seq} has {stored.vector}, its edits are {version.vector}")

    def check_answer(self, asked: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        """Check what an answer says against what the server's tables say."""
        for change, result in zip(asked.get("changes", []), told["results"], strict=True):
            self._check_result(change["id"], result)
        cursor = asked.get("version_vector", {}).get("server", 0)
        self._check_page_order(cursor, told)
        if asked.get("limit", 1):
            self._ledger.highest_cursor = max(self._ledger.highest_cursor, told["cursor"])

    def _check_result(self, change_id: str, result: Mapping[str, Any]) -> None:
        """4 idempotent push: the answer is the recorded outcome, the first time and every other time."""
        status = result.get("original") or result["status"]
        if status not in FINAL:
            return
        outcome = self._ledger.outcomes.get(change_id)
        if outcome is None or (outcome.status, outcome.seq) != (status, result.get("seq", 0)):
            broken("4 idempotent push", f"{change_id} was answered {result}, recorded is {outcome}")
        self._ledger.acknowledged[change_id] = outcome

    def _check_page_order(self, cursor: int, told: Mapping[str, Any]) -> None:
        """14 sequence order: a page goes up from the cursor asked from to the cursor it leads to."""
        seqs = [change["seq"] for change in told["server_changes"]]
        while seqs and seqs[-1] > told["cursor"]:
            seqs.pop()  # what belongs to a transaction of the page comes along from beyond its end
        bounds = [cursor, *seqs, told["cursor"]]
        if seqs and (bounds != sorted(bounds) or len(set(bounds[:-1])) != len(bounds) - 1):
            broken("14 sequence order", f"a page from {cursor} to {told['cursor']} has {seqs}")

    def is_final(self, told: Mapping[str, Any]) -> bool:
        """Return whether every change of a request has its final outcome."""
        return all((result.get("original") or result["status"]) in FINAL for result in told["results"])


def check_provenance(ledger: Ledger, logged: set[str]) -> None:
    """1 no lost acknowledged write: each value is in the document, written over by a later edit, or in the conflict log."""
    for change_id in ledger.acknowledged:
        outcome = ledger.outcomes[change_id]
        if outcome.status not in ACCEPTED:
            continue
        edit = ledger.edits[change_id]
        final = ledger.newest_version(edit.place)
        later = [version.change_id for version in ledger.versions[edit.place] if version.seq > outcome.seq]
        if outcome.status == "conflict" and change_id not in logged:
            broken("1 no lost acknowledged write", f"{change_id} was a conflict that is not in the log")
        is_overruled = ledger.judgements[change_id].winner != "local" and outcome.status == "conflict"
        for path, value in edit.write.values.items():
            if is_overruled:
                continue  # it is in the log, as the side that lost or waits
            if not _is_in(final, path, value) and not any(_writes(ledger, other, path) for other in later):
                broken("1 no lost acknowledged write", f"{change_id} wrote {path}={value!r} at {edit.place}; it is gone")


def check_conflict_log(ledger: Ledger, logged: Iterable[ConflictRecord]) -> None:
    """25 conflict closure: every conflict is in the log once, with its winner and the paths both sides wrote.

    One that was left to people is open until an accepted edit settles it, or a newer one stands for it.
    """
    records = {record.change_id: record for record in logged}
    for change_id, judgement in ledger.judgements.items():
        record = records.pop(change_id, None)
        if judgement.status != "conflict":
            if record is not None:
                broken("9 no false conflict", f"{change_id} was {judgement.status}, and is in the log of conflicts")
            continue
        if record is None:
            broken("25 conflict closure", f"{change_id} was a conflict that is not in the log")
        paths = {parse_path(text) for text in _decode(record.fields)} or {WHOLE}
        stands_for_older = record.status != DECIDED and (WHOLE in paths or paths >= set(judgement.overlap))
        is_whole = stands_for_older or paths == set(judgement.overlap)
        if record.winner != judgement.winner or not is_whole:
            broken(
                "25 conflict closure",
                f"{change_id}: the log says {record.winner!r} won over {sorted(paths)}, it should be {judgement.winner!r} "
                f"over {sorted(judgement.overlap)}",
            )
        _check_sides(ledger, record)
        status = ledger.conflicts.status.get(change_id, DECIDED)
        if record.status != status:
            broken("25 conflict closure", f"{change_id} is {record.status} in the log, it should be {status}")
    if records:
        broken("9 no false conflict", f"in the log of conflicts, and never accepted: {sorted(records)}")


def _check_sides(ledger: Ledger, record: ConflictRecord) -> None:
    """1 no lost acknowledged write: the log has what the edit wrote, and the document that it met."""
    place, write = (record.collection, record.key), ledger.sent[record.change_id]
    local, remote = (plain(_decode(side).get("document")) for side in (record.local, record.remote))
    met = ledger.version_before(place, record.change_id).body
    if remote != met:
        broken("1 no lost acknowledged write", f"{record.change_id}: the log says it met {remote} at {place}, it met {met}")
    if write.operation == "delete":
        if local is not None:
            broken("1 no lost acknowledged write", f"{record.change_id} deleted {place}, the log says it wrote {local}")
        return
    for path, value in write.values.items():
        if local is None or at(local, path) != value:
            broken(
                "1 no lost acknowledged write", f"{record.change_id} wrote {path}={value!r} at {place}; logged is {local}"
            )


def _is_in(version: Version, path: Path, value: object) -> bool:
    here: Any = version.body
    for name in path:
        if not isinstance(here, dict) or name not in here:
            return False
        here = here[name]
    return bool(here == value)


def _writes(ledger: Ledger, change_id: str, path: Path) -> bool:
    write = ledger.sent[change_id]
    return any(path[: len(other)] == other or other[: len(path)] == path for other in write.paths()) or (
        write.document is not None
    )
