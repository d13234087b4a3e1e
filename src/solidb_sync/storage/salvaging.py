"""Copy, record by record, what can be read of a damaged store, and note what can't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import msgspec
from msgspec.structs import replace

from solidb_sync.errors import StorageCorruptError
from solidb_sync.model.attachment import MARKER
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.protocol.messages import WireChange
from solidb_sync.storage.attachments import read_chunk
from solidb_sync.storage.edits import pending_change
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.opening import new_replica
from solidb_sync.storage.overlay import rebuild
from solidb_sync.storage.records import Mark, Replica, StoredBase, StoredBlob, StoredChange, StoredRow
from solidb_sync.storage.text_forms import RandomBytes, decode_change, new_id, parse_vector, vector_text
from solidb_sync.storage.verify import DAMAGE, check_base, check_change, check_row, check_states

RECORDS_PER_TRANSACTION = 5_000
Place = tuple[str, str]
Result = TypeVar("Result")


class DamagedStore(EngineReader, Protocol):
    """A reader that passes over what can't be read, and says of each table what that came to."""

    def readable_rows(self, collection: str, report: Callable[[str], None]) -> Iterator[tuple[str, StoredRow]]:
        """Yield the rows of a collection that can be read."""

    def readable_changes(self, report: Callable[[str], None]) -> Iterator[StoredChange]:
        """Yield the changes of this device that can be read, oldest first."""

    def unreadable(self) -> list[str]:
        """Return what else was passed over."""


@dataclass(slots=True)
class Salvaging:
    """One salvage: what it has found, and what it has not."""

    reader: DamagedStore
    random_bytes: RandomBytes
    lost: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("documents", "changes", "attachments", "queued_again"), 0)
    )
    left: int = RECORDS_PER_TRANSACTION
    knows_what_was_sent: bool = True

    def replica(self, device_id: str) -> Replica:
        """Return who the store is; raises when that is lost and nobody says it."""
        try:
            self.reader.collections()
        except DAMAGE as problem:
            raise StorageCorruptError(
                f"the list of collections can't be read, nothing can be salvaged: {problem}"
            ) from problem
        try:
            return self.reader.replica()
        except DAMAGE as problem:
            if not device_id:
                raise StorageCorruptError(f"the store's own record can't be read; say the device id: {problem}") from problem
            self.knows_what_was_sent = False
            self.lost.append("the record of the store itself: it goes on as a new store of the device")
            return new_replica(device_id, self.random_bytes)

    def into(self, engine: StorageEngine, replica: Replica) -> None:
        """Copy everything that can be read."""
        engine.begin()
        engine.save_replica(replace(replica, last_change=0))
        kept: dict[tuple[str, str], set[int]] = {}
        for change in self._sound(
            "edits of this device",
            self.reader.readable_changes,
            lambda found: check_change([found]),
            lambda found: f"edit {found.id} of {found.collection}/{found.key}",
        ):
            engine.save_replica(replace(engine.replica(), last_change=change.id - 1))
            engine.add_change(change)
            kept.setdefault((change.collection, change.key), set()).add(change.counter)
            self._count(engine, "changes")
        for collection in self.reader.collections():
            engine.add_collection(collection)
            self._collection(engine, collection, kept, replica)
        for place in kept:
            self._lay_together(engine, place, replica)
        self._books(engine)
        self._attachments(engine)
        self.lost += self.reader.unreadable()
        fresh = engine.replica()
        engine.save_replica(
            replace(
                replica,
                last_change=max(fresh.last_change, replica.last_change),
                counter=max(fresh.counter, replica.counter),
                cursor=0,
                caught_up=0,
                stable=0,
                covered=None,
                offered="",
                is_resyncing=True,
                must_renew=True,
            )
        )
        engine.mark_all_unseen()
        engine.commit()

    def _collection(
        self, engine: StorageEngine, collection: str, kept: dict[tuple[str, str], set[int]], replica: Replica
    ) -> None:
        rows = self._sound(
            f"documents of {collection}",
            lambda report: self.reader.readable_rows(collection, report),
            lambda found: check_row(found[1]),
            lambda found: f"{collection}/{found[0]}",
        )
        for key, row in rows:
            engine.put_row(collection, key, row)
            place = collection, key
            states = self._try(f"{collection}/{key} (states)", partial(self.reader.states, *place), check_states)
            if states is not None:
                engine.put_states(collection, key, states)
            if row.body is not None and MARKER in row.body:
                engine.mark(Mark.ATTACHED, collection, key)
            if place not in kept and self._was_unsent(row, replica):
                self._queue_again(engine, place, row, replica)
            self._count(engine, "documents")
        for place in [place for place in kept if place[0] == collection]:
            base = self._try(f"{place[0]}/{place[1]} (base copy)", partial(self.reader.base, *place), check_base)
            if base is not None:
                engine.put_base(*place, base)

    def _lay_together(self, engine: StorageEngine, place: Place, replica: Replica) -> None:
        """See to it that a document with changes shows what it showed, as far as anything of it is left."""
        row, base = engine.row(*place), engine.base(*place)
        if row is None and base is None and decode_change(engine.changes_of(*place)[0].wire).operation != "insert":
            self.lost.append(f"{place[0]}/{place[1]}: all but its unsent edits, which are kept")
        elif row is None:
            rebuild(engine, *place)
        elif base is None and (seen := _sent(row, replica)):
            engine.put_base(*place, StoredBase(row.body, row.body is None, vector_text(VersionVector(seen)), row.stamp))

    def _was_unsent(self, row: StoredRow, replica: Replica) -> bool:
        return self.knows_what_was_sent and parse_vector(row.vector).counter(replica.actor) > replica.settled

    def _queue_again(self, engine: StorageEngine, place: tuple[str, str], row: StoredRow, replica: Replica) -> None:
        """Queue the document as it is: which of its fields were not sent is lost with the change."""
        change = WireChange(*place, "delete", id=new_id(0, self.random_bytes), timestamp=row.stamp)
        if row.body is not None:
            change.operation, change.document = "insert", msgspec.Raw(row.body.encode())
        change.base_version = _sent(row, replica)
        dot = engine.next_dot()
        change.counter = dot.counter
        engine.add_change(pending_change(change, dot.actor))
        self.counts["queued_again"] += 1

    def _books(self, engine: StorageEngine) -> None:
        """Copy the small tables; each is read as a whole."""
        for name, read, put in (
            ("subscriptions", self.reader.subscriptions, engine.put_subscription),
            ("indexes", self.reader.indexes, engine.put_index),
            ("conflict log", self.reader.conflicts, engine.put_conflict),
            ("settings", lambda: list(self.reader.settings().items()), lambda item: engine.put_setting(*item)),
        ):
            for record in self._try(name, read) or ():  # type: ignore[attr-defined]
                put(record)

    def _attachments(self, engine: StorageEngine) -> None:
        for blob in self._try("attachments", self.reader.blobs) or ():
            found = self._try(f"attachment {blob.name}", partial(self._chunks, blob))
            if found is None:
                continue
            engine.put_blob(blob)
            for number, chunk in enumerate(found):
                engine.put_chunk(blob.chunks, number, chunk)
            self._count(engine, "attachments")

    def _chunks(self, blob: StoredBlob) -> list[bytes]:
        for number in range(blob.stored):
            read_chunk(self.reader, blob, number)
        return [self.reader.chunk(blob.chunks, number) or b"" for number in range(blob.stored)]

    def _sound(
        self,
        name: str,
        read: Callable[[Callable[[str], None]], Iterator[Result]],
        check: Callable[[Result], None],
        label: Callable[[Result], str],
    ) -> Iterable[Result]:
        """Yield the records that can be read and hold together; notes what is lost."""

        def report(lost: str) -> None:
            if lost:
                self.lost.append(f"{name}: {lost}")

        for record in read(report):
            try:
                check(record)
            except DAMAGE as problem:
                self.lost.append(f"{label(record)}: {problem}")
            else:
                yield record

    def _try(self, name: str, read: Callable[[], Result], check: Callable[[Result], None] = lambda _: None) -> Result | None:
        try:
            found = read()
            check(found)
        except DAMAGE as problem:
            self.lost.append(f"{name}: {problem}")
            return None
        return found

    def _count(self, engine: StorageEngine, name: str) -> None:
        self.counts[name] += 1
        self.left -= 1
        if self.left == 0:
            engine.commit()
            engine.begin()
            self.left = RECORDS_PER_TRANSACTION


def _sent(row: StoredRow, replica: Replica) -> dict[str, int]:
    """Return what of a row's vector the server has: of this life's own edits those that are settled."""
    seen = dict(parse_vector(row.vector))
    if own := min(seen.pop(replica.actor, 0), replica.settled):
        seen[replica.actor] = own
    return seen
