"""The messages of the sync protocol, as typed structs: a superset of what the first documentation printed.

Every field that a plain HTTP user may leave out has a default, and unknown fields are ignored, so that a request written
by hand works. Documents and field values travel as raw JSON text (`msgspec.Raw`): both ends move the bytes and decode
only what they must look into.

Two kinds of vector share one notation. A *document vector* (`base_version`, `version_vector` of a change) says which
edits a version includes. A *database vector* (`version_vector` of a request, `server_version` of an answer) holds, under
`server`, the pull cursor: the last commit sequence scanned; and under an actor's own name the highest counter whose
outcome that actor has stored (in a request) or that the server has accepted (in an answer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar, cast

from msgspec import UNSET, Raw, Struct, UnsetType, field

from solidb_sync.protocol.limits import DELTA_THRESHOLD_DEFAULT, PROTOCOL


class WireFilter(Struct, omit_defaults=True, frozen=True):
    """Which documents of a collection a device wants: an SDBQL query, and the values of its parameters."""

    query: str
    bind_vars: dict[str, Any] = {}


class ClientSettings(Struct, omit_defaults=True):
    """What a device has asked the server to do for it, from its registration on.

    `default_strategy` and `strategies` (by collection) say how its conflicts are decided; `filters` (by collection) which
    documents it gets; an edit of a collection in `whole`, or whose fields take more than `delta_threshold` of the document,
    comes to it as the whole document. A request names its settings by their hash (`protocol/client_settings.py`).
    """

    default_strategy: str = "last_write_wins"
    strategies: dict[str, str] = {}
    filters: dict[str, WireFilter] = {}
    delta_threshold: float = DELTA_THRESHOLD_DEFAULT
    whole: list[str] = []


class FormerDot(Struct, omit_defaults=True, frozen=True, gc=False):
    """The dot an edit had when the server lost its past; it may be in what other devices have, under this name.

    `after`: the last edit of the same document by this actor before it, 0 for none. `last`: the highest counter that this
    actor ever gave out.
    """

    actor: str
    counter: int
    last: int
    after: int = 0


class WireChange(Struct, omit_defaults=True, gc=False):
    """One edit on its way to the server.

    An insert carries `document`; an update `delta` and `unset`, and `document` beside them when the server asked for the
    full copy; a delete nothing. Instead of the values in `delta` an update may carry the whole `document`, and in `fields`
    the paths it wrote: the same edit. `crdt` has operations on replicated fields, by their paths, beside those or alone
    (operation `crdt`); `hlc` is the stamp of the author's clock, where an operation or a strategy needs one. `id` and
    `counter` make the edit recognisable when it is sent again. Changes that share a `transaction` are applied all or none;
    they stand together in one request, and `transaction_size` is their number. `resolves` are the conflicts that the edit
    settles, by their ids. `base_seq`: the author had every version of this document up to this sequence, which says what
    `base_version` can't any more when the server has compacted the document's vector, or collected its tombstone. `former`
    goes with `crdt` after the server has lost its past, so that no operation counts twice.
    """

    collection: str
    key: str
    operation: str
    id: str = ""
    counter: int = 0
    document: Raw | UnsetType = UNSET
    delta: Raw | UnsetType = UNSET
    unset: list[str] = []
    fields: list[str] = []
    base_version: dict[str, int] = {}
    timestamp: str = ""
    transaction: str = ""
    transaction_size: int = 0
    crdt: Raw | UnsetType = UNSET
    hlc: str = ""
    resolves: list[str] = []
    base_seq: int = 0
    former: FormerDot | UnsetType = UNSET


class ViewBase(Struct, omit_defaults=True, frozen=True):
    """What a device holds of a collection whose filter has changed, when it begins to catch up with the new one.

    `view`: the documents of this view; `whole`: all documents up to `cursor`; neither: nothing. `cursor` is that of its
    ordinary pulls; `settled` says that it had caught up with `view`.
    """

    view: int = 0
    whole: bool = False
    cursor: int = 0
    settled: bool = False


class SyncRequest(Struct, omit_defaults=True):
    """Push and pull in one: the body of `/delta`, `/push` and (without changes) `/pull`.

    `protocol` is absent (0) in a request written by hand. `actor` is `client_id` unless the store has had more than one
    life. `last_counter` is the highest counter the actor has ever given out: a server that has seen more knows that the
    store went back in time. `settled` is the highest of its own counters whose outcome the device has stored
    (`version_vector` may say the same under the actor's name). `collections` limits the pull to these, `excluded` leaves
    these out. `limit` 0 asks for no pull. `full` asks for whole documents instead of deltas. `caught_up` is the last
    cursor at which nothing was left to pull, which is what deltas are relative to. `stored` is the cursor the client has
    durably stored, when that is behind the one it reads from. `pushes` is how many requests with something new the
    server has taken from this actor, as far as the device knows: another number means that the store went back in time,
    or lives twice. `settings` is the hash of the settings it has registered with, empty for the defaults. `views` names,
    by collection, the server's records of what this device holds by its filters, 0 to begin one; `view_base` is set
    while the device catches up with a new filter. `run` is the server's run that the last answer came from, and
    `horizon` the highest sequence of which the device holds something, when that is not its cursor: both tell a server
    whose files went back in time. `floor` is the server's floor when the device began to fetch from nothing: it has
    missed no deletion up to there. `stable`: edits that are still to come from this device were made by one who had
    everything up to this sequence. `changes` stand last, because they are put behind the rest as text.
    """

    client_id: str
    database: str = ""
    protocol: int = 0
    actor: str = ""
    last_counter: int = 0
    epoch: str = ""
    version_vector: dict[str, int] = {}
    settled: int = 0
    collections: list[str] | None = None
    excluded: list[str] = []
    limit: int | None = None
    full: bool = False
    caught_up: int = 0
    stored: int | None = None
    pushes: int | None = None
    settings: str = ""
    views: dict[str, int] = {}
    view_base: ViewBase | None = None
    run: str = ""
    horizon: int = 0
    floor: int = 0
    stable: int | None = None
    changes: list[WireChange] = []


class LooseSyncRequest(Struct):
    """A request whose changes are still undecoded, so that one bad change fails alone."""

    client_id: str
    database: str = ""
    protocol: int = 0
    actor: str = ""
    last_counter: int = 0
    epoch: str = ""
    version_vector: dict[str, int] = {}
    settled: int = 0
    collections: list[str] | None = None
    excluded: list[str] = []
    limit: int | None = None
    full: bool = False
    caught_up: int = 0
    stored: int | None = None
    pushes: int | None = None
    settings: str = ""
    views: dict[str, int] = {}
    view_base: ViewBase | None = None
    run: str = ""
    horizon: int = 0
    floor: int = 0
    stable: int | None = None
    changes: list[Raw] = []


class ChangeError(Struct, omit_defaults=True):
    """Why one change was refused; `type` is a stable name, `message` names the field."""

    type: str
    message: str


class ChangeResult(Struct, omit_defaults=True, gc=False):
    """What became of one change; results stand in the order of the request.

    `status`: `applied` (author and server hold the same version now), `merged` (concurrent, no overlap), `conflict`
    (concurrent and overlapping; decided, see `conflicts`), `duplicate` (recognised; `original` is the recorded status),
    `rejected` (refused for good), `need_full` (send again with the full document), `skipped` (not looked at because
    of an earlier one: send again). `actor` and `counter` are the dot under which the server has the change, when that may
    not be the one it came with.
    """

    change_id: str
    status: str
    seq: int = 0
    original: str = ""
    actor: str = ""
    counter: int = 0
    error: ChangeError | None = None


class WireVersion(Struct, omit_defaults=True, frozen=True):
    """One side of a conflict: a document (absent: deleted) and the edits it includes."""

    document: Raw | UnsetType = UNSET
    version_vector: dict[str, int] = {}
    timestamp: str = ""
    deleted: bool = False


class WireConflict(Struct, omit_defaults=True):
    """A conflict the server found in this request, and how it was decided.

    `local_version` is the arriving edit, `remote_version` what the server held before. `winner` is `local`, `remote`, or
    `both` (at the paths in `lost` the arriving edit is not in the document); empty: nobody has decided it yet. `fields` are
    the paths both wrote, `written` all that the edit wrote; empty for the whole document. `base` is what the edit's author
    had seen. `base`, `client_id`, `at` and `resolved_seq` are told to those who ask for the list of conflicts.
    """

    id: str
    change_id: str
    collection: str
    key: str
    strategy: str
    winner: str
    fields: list[str] = []
    local_version: WireVersion = WireVersion()
    remote_version: WireVersion = WireVersion()
    written: list[str] = []
    lost: list[str] = []
    base: dict[str, int] = {}
    client_id: str = ""
    status: str = ""
    at: str = ""
    resolved_seq: int = 0


class ConflictList(Struct):
    """The conflicts a server holds, oldest first; ask again after the last id while `has_more`."""

    conflicts: list[WireConflict]
    has_more: bool = False


class ResolveRequest(Struct, omit_defaults=True):
    """Decide a conflict at the server, by its id.

    `resolution`: `accept_local` (the device's side), `accept_remote`, `replace` (by `document`, which becomes the whole
    document), or `delete`.
    """

    conflict: str
    resolution: str
    document: Raw | UnsetType = UNSET


class ResolveAnswer(Struct):
    """The commit in which a conflict was settled, and what the document is now (None: deleted)."""

    id: str
    seq: int
    document: Raw | None


class ServerChange(Struct, omit_defaults=True, gc=False):
    """The current state of one document on its way to a device: whole (`document`), or what changed since the cursor.

    `operation`: `insert` (whole document), `update` (fields), `delete`, `remove` (no longer in this device's part).
    `crdt` has the states of replicated fields, by their paths: all of them, or those among the fields of an update.
    """

    collection: str
    key: str
    operation: str
    document: Raw | UnsetType = UNSET
    delta: Raw | UnsetType = UNSET
    unset: list[str] = []
    version_vector: Raw = Raw(b"{}")
    seq: int = 0
    timestamp: str = ""
    crdt: Raw | UnsetType = UNSET


class Replica(Struct, omit_defaults=True):
    """Why the server took none of the changes: this life of the store can't go on.

    `reset` is `reused` (a counter came twice), `rolled_back` (the server has seen more of this actor than it knows of
    itself), or `fenced`. The device registers for a new incarnation and sends again.
    """

    reset: str
    message: str


Changes = TypeVar("Changes")


def _nothing() -> list[Any]:
    return []


class SyncAnswer(Struct, Generic[Changes], omit_defaults=True):
    """The answer to a push, a pull, or both.

    What every answer has is written when it is empty, too: those fields have factories here, and an encoder leaves out only
    what equals a plain default. The rest is there when it says something.
    `resolved` are conflicts of this device that were settled since its cursor. `hlc` is the latest stamp the
    server has taken.
    `resets`: collections emptied or dropped since the cursor; what the device holds of them goes before the page comes.
    `floor`: tombstones up to this sequence are gone; unset for none. `runs`: the last runs of the server, the present one at
    the end, told to a device whose last answer came from another one.
    `register`: the server holds other settings of this device than it names; nothing was done, it registers and asks again.
    `missing_attachments`: some digests of attached bytes that documents name and the server has not got; who has them sends
    them again.
    `views`: the numbers of the views that this answer begins. `views_lost`: the views of these collections can't be gone by;
    nothing was pulled, the device begins new ones.
    `Changes` is `list[ServerChange]` for a device; a server may have their JSON text instead.
    """

    server_version: dict[str, int]
    server_changes: Changes = field(default_factory=cast(Callable[[], Changes], _nothing))
    conflicts: list[WireConflict] = field(default_factory=_nothing)
    results: list[ChangeResult] = field(default_factory=_nothing)
    cursor: int = field(default_factory=lambda: 0)
    has_more: bool = field(default_factory=lambda: False)
    target_seq: int = field(default_factory=lambda: 0)
    epoch: str = field(default_factory=lambda: "")
    run: str = field(default_factory=lambda: "")
    server_time: str = field(default_factory=lambda: "")
    protocol: int = field(default_factory=lambda: PROTOCOL)
    pushes: int = field(default_factory=lambda: 0)
    replica: Replica | None = None
    register: bool = False
    views: dict[str, int] = {}
    views_lost: list[str] = []
    resolved: list[str] = []
    resets: list[str] | UnsetType = UNSET
    floor: int | UnsetType = UNSET
    runs: list[str] | UnsetType = UNSET
    hlc: str = ""
    missing_attachments: list[str] = []


SentAnswer = SyncAnswer[list[ServerChange] | Raw]
ReceivedAnswer = SyncAnswer[list[ServerChange]]


class RegisterRequest(Struct, omit_defaults=True):
    """Register a device.

    `reset` asks for a new incarnation in place of `actor`, which is fenced: a request of it that comes late has no effect.
    `known` are pending change ids; the answer says which of them were applied already. `settings` take the place of those
    the server has; without them those stay. `again`: this device has registered them before, and no others since.
    """

    client_id: str
    protocol: int = 0
    actor: str = ""
    reset: bool = False
    known: list[str] = []
    settings: ClientSettings | None = None
    again: bool = False


class RegisterAnswer(Struct):
    """The incarnation to go on with, and those of the asked ids that the server has already applied.

    `known` has, for each of them, its dot and the sequence it was applied under.
    """

    client_id: str
    incarnation: int
    known: dict[str, tuple[str, int, int]]
    epoch: str
    server_time: str
    server_version: dict[str, int]
    protocol: int = PROTOCOL


class ExplainRequest(Struct, omit_defaults=True):
    """Ask what a filter lets through; a bare predicate needs the `collection` beside it."""

    query: str
    bind_vars: dict[str, Any] = {}
    collection: str | None = None


class FilterCounts(Struct, frozen=True):
    """How many documents a filter matches, leaves out, and raises an error on; not all of them when not `is_complete`."""

    collection: str
    matching: int
    not_matching: int
    failing: int
    is_complete: bool


class OfferedDocument(Struct, omit_defaults=True, gc=False):
    """The server's version of a document as a device last had it; no `document` means that it was deleted.

    `crdt` has the states of its replicated fields, by their paths. `base_seq`: the device had every version of it up to this
    sequence of the history that it leaves; 0 when it can't tell.
    """

    collection: str
    key: str
    document: Raw | UnsetType = UNSET
    version_vector: dict[str, int] = {}
    timestamp: str = ""
    crdt: Raw | UnsetType = UNSET
    base_seq: int = 0


class OfferRequest(Struct, omit_defaults=True):
    """Documents a device offers to a server that has lost a part of its history.

    `epoch`, `run` and `horizon` are as in `SyncRequest`, of the history that the device is joining. `runs` are the last runs
    of that history: where the newest of them that the server knows has ended, the two histories parted.
    """

    client_id: str
    protocol: int = 0
    actor: str = ""
    epoch: str = ""
    run: str = ""
    horizon: int = 0
    runs: list[str] = []
    documents: list[OfferedDocument] = []


class OfferAnswer(Struct):
    """What became of an offer: how many documents the server took or merged, and the conflicts it found."""

    taken: int
    conflicts: list[WireConflict]
    epoch: str
    run: str
    newest: int
    server_time: str
    protocol: int = PROTOCOL


class FetchRequest(Struct):
    """Ask for one document as it is now, for a device that has evicted it."""

    collection: str
    key: str


class FetchAnswer(Struct, omit_defaults=True):
    """The whole document, None when there is none or it is deleted; and which history and run of the server it is from."""

    epoch: str
    run: str
    change: ServerChange | None = None


class StatusAnswer(Struct, omit_defaults=True):
    """What the server knows of one client."""

    client_id: str
    server_version: dict[str, int]
    pending_for_client: int
    last_sync: str | None
    collections_synced: list[str]
    filters: dict[str, WireFilter] = {}


class ErrorAnswer(Struct, omit_defaults=True):
    """The body of every answer that is not 2xx."""

    error: str
    code: int
    type: str
    details: dict[str, Any] | None = None
