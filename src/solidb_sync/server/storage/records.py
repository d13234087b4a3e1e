"""What goes in and out of a server database: plain rows, with documents and vectors as JSON text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from msgspec import Struct

from solidb_sync.reconcile.decision import Version

DocumentName = tuple[str, str]
"""A collection and a key."""


class Head(NamedTuple):
    """Which history this is, and how far it goes.

    `newest` is the newest sequence, `stamp` the latest one of a hybrid clock that was taken, `run` the present run, and
    `floor` the sequence up to which tombstones are gone.
    """

    epoch: str
    newest: int
    stamp: str = ""
    run: str = ""
    floor: int = 0


class ActorState(NamedTuple):
    """One life of a device's store, as far as the server has seen it; `pushes` counts its requests with something new.

    `seen` is the highest of its counters in documents that other devices have offered.
    """

    actor: str
    client_id: str
    highest: int
    is_fenced: bool
    pushes: int = 0
    seen: int = 0


class Outcome(NamedTuple):
    """What became of one change; `detail` is a `ChangeError` as JSON text, or empty."""

    actor: str
    counter: int
    change_id: str
    status: str
    seq: int
    detail: str


class Unsettled(NamedTuple):
    """A change whose outcome is not final, with the dot it was last sent under."""

    change_id: str
    actor: str
    counter: int
    collection: str
    key: str


class FoundDocument(NamedTuple):
    """The record of a document, without its body."""

    row: int
    key: str
    seq: int
    updated_ms: int
    vector: str
    dots: str
    is_deleted: bool
    stored_bytes: int = 0
    """About how long the body is."""


class StoredDocument(NamedTuple):
    """A document as it is read out; a tombstone has no body. `crdt` has the states of its replicated fields."""

    row: int
    key: str
    seq: int
    updated_ms: int
    vector: str
    dots: str
    body: str | None
    crdt: str = ""


class Stretch(NamedTuple):
    """How the entries of a page lie in the log; `collection` is None when they are of several."""

    entries: int
    first_seq: int
    last_seq: int
    collection: int | None


class LogEntry(NamedTuple):
    """An entry of the change log: where the latest change of a document stands, whose it is, and whether as it was made."""

    seq: int
    collection: int
    row: int
    author: str
    counter: int
    is_applied: int


class Echo(NamedTuple):
    """Which applied changes of its own a device knows already: counters up to one, and those from first to last."""

    actor: str
    acknowledged: int
    first: int = 0
    last: int = 0


def is_echo(entry: LogEntry, echo: Echo) -> bool:
    """Return whether the device knows this version already, because it is its own edit, applied as it was."""
    return (
        bool(entry.is_applied)
        and entry.author == echo.actor
        and (entry.counter <= echo.acknowledged or echo.first <= entry.counter <= echo.last)
    )


class Reset(NamedTuple):
    """A collection that was emptied, or dropped, as a whole, at a sequence."""

    collection: str
    seq: int
    is_dropped: int


class Together(NamedTuple):
    """A document that a transaction wrote with others; `transaction` is the sequence after its last change."""

    transaction: int
    collection: str
    key: str


class Collection(NamedTuple):
    """A collection and how many live documents it has."""

    name: str
    live_count: int


class ClientNote(NamedTuple):
    """What a device was last seen to do; `collections` is JSON text.

    `stable`: its edits to come are made by one who had everything up to there; None for who gives no account of that.
    """

    client_id: str
    actor: str
    acknowledged: int
    cursor: int
    collections: str
    last_sync_ms: int | None
    stable: int | None = None


class StoredSettings(NamedTuple):
    """The settings a device has registered with, as canonical text, and their hash; both empty for the defaults."""

    text: str
    hash: str


class ConflictRecord(NamedTuple):
    """A conflict. `fields`, `written`, `lost`, `local`, `remote` and `base` (what its author had seen) are JSON text.

    `seq` is the commit it came with, `resolved_seq` the one it was settled in, 0 while it is open or was decided at once.
    """

    change_id: str
    client_id: str
    collection: str
    key: str
    strategy: str
    winner: str
    status: str
    fields: str
    written: str
    lost: str
    local: str
    remote: str
    base: str
    at_ms: int
    seq: int
    resolved_seq: int


class ConflictQuery(NamedTuple):
    """Which conflicts somebody asks for: of one client, in one status (empty: any), after a change id, at most so many."""

    client_id: str = ""
    status: str = ""
    after: str = ""
    limit: int = 100


class SettledConflict(NamedTuple):
    """A conflict that is open no longer: in which commit, and how it stands now."""

    resolved_seq: int
    status: str
    change_id: str


class ApiKey(NamedTuple):
    """An API key without its secret."""

    id: str
    digest: bytes
    name: str
    database: str
    read_only: bool
    created_ms: int


class DocumentWrite(Struct, gc=False):
    """The next version of a document on its way into the database.

    `row` 0 means the document has no record yet; `old_seq` is its entry in the log that this one takes the place of (0:
    none). `version` is the decoded form, kept while the same request may go on editing the document. `crdt` has the states
    of its replicated fields, as JSON text, where the request changes them.
    """

    collection: str
    key: str
    row: int
    old_seq: int
    seq: int
    body: str | None
    vector: str
    dots: str
    author: str
    counter: int
    is_applied: bool
    updated_ms: int
    version: Version | None = None
    crdt: str = ""


@dataclass(slots=True)
class Writes:
    """Everything one request writes; all of it goes into the caller's transaction."""

    documents: Sequence[DocumentWrite] = ()
    new_outcomes: list[Outcome] = field(default_factory=list)
    changed_outcomes: list[Outcome] = field(default_factory=list)
    conflicts: list[ConflictRecord] = field(default_factory=list)
    settled_conflicts: list[SettledConflict] = field(default_factory=list)
    unsettled: list[Unsettled] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    together: list[Together] = field(default_factory=list)
