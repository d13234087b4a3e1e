"""What a local store keeps, as plain records. Bodies and vectors are JSON text: most are moved, few are read.

Those that come by the thousand are msgspec structs, which are made several times faster than frozen dataclasses; change one
with `msgspec.structs.replace`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from msgspec import Raw, Struct

from solidb_sync.protocol.names import actor_name


class ChangeState(IntEnum):
    """Where a change of this device stands.

    PENDING: not answered for. HELD: the server has it, but no pull has brought it back yet. REJECTED: refused for good.
    """

    PENDING = 0
    HELD = 1
    REJECTED = 2


class Mark(IntEnum):
    """What is remembered about a row beside it.

    LEAVING: it goes when its last change is settled. DOUBTED: it goes unless the server sends it again. GHOST: it is gone,
    and had edits of this incarnation in it. ATTACHED: its document has, or had, attachments. EVICTED: it was dropped to save
    room, and is still on the server. EMPTIED: it went with its whole collection, and is here for the sake of changes of this
    device that the server has not taken.
    """

    LEAVING = 1
    DOUBTED = 2
    GHOST = 3
    ATTACHED = 4
    EVICTED = 5
    EMPTIED = 6


DocumentRow = tuple[str, Raw, Raw, str]
"""A document as a page brings it: key, body and vector as JSON text, stamp."""


class StoredRow(Struct, frozen=True, gc=False):
    """What a reader sees of one document; `body` None is a tombstone. `stamp` is an ISO-8601 UTC time."""

    body: str | None
    vector: str
    stamp: str


class StoredBase(Struct, frozen=True, gc=False):
    """The server's last known version of a document that has changes of this device on top.

    A deleted document keeps its last body: a pending edit may revive it whole.
    """

    body: str | None
    is_deleted: bool
    vector: str
    stamp: str


class StoredStates(Struct, frozen=True, gc=False):
    """The states of a document's replicated fields, as JSON: the server's, and those with this device's changes in them."""

    base: str = ""
    visible: str = ""


class StoredChange(Struct, frozen=True, gc=False):
    """One change of this device. `wire` is its JSON as it is sent, without the full copy that `needs_full` asks for.

    `answered`: the sequence of its outcome, for one the server has taken; 0 when that is not known. `document_bytes`: the
    length of the document as an update of plain fields left it; 0 for other changes, and when it is not known.
    """

    id: int
    collection: str
    key: str
    state: ChangeState
    change_id: str
    actor: str
    counter: int
    transaction: str
    needs_full: bool
    wire: str
    reason: str
    answered: int = 0
    document_bytes: int = 0


class BlobState(IntEnum):
    """How much of attached bytes is here: a part that is still coming, all of it, or nothing any more."""

    ARRIVING = 0
    WHOLE = 1
    EVICTED = 2


UNCONFIRMED = -1
PROMISED = -2


class StoredBlob(Struct, frozen=True, gc=False):
    """What is known here of some attached bytes.

    `name`: their digest, or a name of the store's own while they are being put and it is not known yet. `chunks`: the name
    their chunks are kept under, never used twice; `stored` is how many are here. `confirmed`: the incarnation of this device
    to which the server has said that it has them; `UNCONFIRMED`, or `PROMISED` when it has taken an edit that names them.
    """

    name: str
    chunks: str
    length: int
    stored: int
    state: BlobState
    confirmed: int = UNCONFIRMED


class Replica(Struct, frozen=True, gc=False):
    """Who this store is and how far it has got.

    `last_change`: the id of the newest change; ids are never given out twice. `counter`: the last one given out by this
    incarnation. `settled`: the highest own counter whose outcome is stored. `pushes`: how many pushes of it the server
    has taken. `cursor`: the last sequence scanned.
    `caught_up`: the last cursor at which nothing was left to pull: the state that deltas may be relative to.
    `covered`: the collections the cursor speaks for, None for all of them but the `excluded` ones.
    `run`: the server's run that the last answer came from. `horizon`: the highest sequence of which there is anything here.
    `offered`: how far this store has offered its documents to a server that lost a part of its history, else empty.
    `stable`: up to where it had everything when it made the edits that are still to be sent.
    `must_renew`: the next round begins under a new incarnation, because rows that held edits of this one were dropped.
    `alias`: the name it syncs under when its device id belongs to another principal at the server, else empty.
    """

    device_id: str
    store_id: str
    last_change: int = 0
    incarnation: int = 0
    counter: int = 0
    settled: int = 0
    pushes: int = 0
    cursor: int = 0
    caught_up: int = 0
    covered: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    epoch: str = ""
    is_resyncing: bool = False
    must_renew: bool = False
    run: str = ""
    horizon: int = 0
    offered: str = ""
    stable: int = 0
    alias: str = ""

    @property
    def client_id(self) -> str:
        """The name this store syncs under."""
        return self.alias or self.device_id

    @property
    def actor(self) -> str:
        """The name this life of the store counts its edits under."""
        return actor_name(self.client_id, self.incarnation)


@dataclass(frozen=True, slots=True)
class Subscription:
    """A collection this device keeps in step with the server; `filter` None is every document of it."""

    collection: str
    filter: str | None = None
    bind_vars: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class IndexDefinition:
    """A local index over one field of a collection's documents; `field` is a path as `storage/field_path.py` writes it."""

    collection: str
    field: str
    unique: bool = False


@dataclass(frozen=True, slots=True)
class StoredConflict:
    """One decided or open conflict with all its sides, as JSON text; what is absent or deleted has no document.

    `fields` are the paths both wrote, `written` all this device's edit wrote, `lost` those at which it is not in the
    document when both sides won a part; once somebody has decided, what that overwrote (the document `before`, and at
    which `paths`).
    """

    id: str
    collection: str
    key: str
    change_id: str
    status: str
    strategy: str
    winner: str
    fields: str
    local: str
    remote: str
    base: str
    at: str
    written: str = "[]"
    lost: str = "[]"
