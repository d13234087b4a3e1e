"""Read a request to push or pull: the body's bytes in, a checked `SyncCall` out.

The typed decode takes the whole request in one go, and a request as a device writes it is proved strict by encoding back
to itself. Any other text takes the slow road of `strict_json`. When the typed decode fails because of a single change, the
request is read again with its changes still closed, and each is opened alone: one bad change never fails its batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from solidb_sync.json_value import decode, encode
from solidb_sync.model.version_vector import COUNTER_MAX
from solidb_sync.protocol.limits import (
    CHANGE_ID_CHARACTERS_MAX,
    CHANGES_PER_BATCH_MAX,
    PROTOCOLS_SUPPORTED,
    PULL_CHANGES_DEFAULT,
    PULL_CHANGES_MAX,
)
from solidb_sync.protocol.messages import LooseSyncRequest, SyncRequest, ViewBase, WireChange
from solidb_sync.protocol.names import actor_belongs_to, client_id_problem
from solidb_sync.server.plain_batch import PlainBatch, plain_batch
from solidb_sync.server.proposed_change import ProposedChange, propose, unreadable, vector_problem
from solidb_sync.server.refusals import bad_request, too_large, unsupported_protocol
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, are_canonical, strict_json

ACTOR_CHARACTERS_MAX = 160
COLLECTIONS_ASKED_MAX = 1_000

_CHANGES = b'"changes":['
_tight = msgspec.json.Decoder(SyncRequest)
_loose = msgspec.json.Decoder(LooseSyncRequest)
_one_change = msgspec.json.Decoder(WireChange)


@dataclass(frozen=True, slots=True)
class SyncCall:
    """A checked request. `cursor` is the last sequence the device has scanned, `limit` 0 means no pull."""

    client_id: str
    actor: str
    protocol: int
    last_counter: int
    epoch: str
    acknowledged: int
    """The highest counter of its own whose outcome the device has stored."""
    cursor: int
    stored: int
    changes: list[ProposedChange] | PlainBatch
    collections: list[str] | None
    excluded: list[str]
    limit: int
    is_full: bool
    pushes: int | None
    caught_up: int
    run: str
    horizon: int
    floor: int
    stable: int | None
    settings: str
    views: Mapping[str, int]
    view_base: ViewBase | None

    @property
    def named_settings(self) -> str | None:
        """The hash of the settings it goes by, None for a request by hand: those that its client registered last."""
        return self.settings if self.protocol else None

    @property
    def deltas_since(self) -> int:
        """The sequence that deltas are relative to, 0 for whole documents; by hand nobody knows better than the cursor."""
        if self.is_full:
            return 0
        return min(self.caught_up, self.cursor) if self.protocol else self.cursor


def read_sync_request(body: bytes) -> tuple[str, SyncCall]:
    """Return the database a body names (empty: none) and the request in it."""
    request = _canonical_request(body)
    if request is not None:
        text = _changes_text(body)
    else:
        try:
            text, value = strict_json(body, is_envelope=True)
        except JsonTextError as problem:
            raise bad_request(f"body: {problem}") from problem
        try:
            request = _tight.decode(text)
        except msgspec.ValidationError:
            return _read_loosely(text, value)
        text = encode(request.changes)
    _check_batch(len(request.changes))
    batch = plain_batch(request.changes, text) if request.changes else None
    return request.database, checked_call(request, batch or proposed_changes(request.changes, request.client_id))


def _canonical_request(body: bytes) -> SyncRequest | None:
    """Return the request of a body that is canonical JSON without unknown fields, None for any other."""
    try:
        request = _tight.decode(body)
        if encode(request) != body:
            return None
        parts = [raw for change in request.changes for raw in (change.document, change.delta, change.crdt)]
        values = [raw for raw in parts if raw is not msgspec.UNSET]
        return request if are_canonical(values) else None
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _changes_text(body: bytes) -> bytes:
    """Return the array of changes, which stands last in a canonical request; no string and no number looks like its name."""
    at = body.find(_CHANGES)
    return b"[]" if at < 0 else body[at + len(_CHANGES) - 1 : -1]


def proposed_changes(wires: list[WireChange], client_id: str) -> list[ProposedChange]:
    """Return the changes of a request, each with whatever is wrong with it."""
    names: dict[str, str | None] = {}
    return [propose(at, wire, client_id, names) for at, wire in enumerate(wires)]


def _read_loosely(text: bytes, value: Any) -> tuple[str, SyncCall]:
    try:
        request = _loose.decode(text)
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    _check_batch(len(request.changes))
    names: dict[str, str | None] = {}
    changes = [_open_change(at, raw, request.client_id, names) for at, raw in enumerate(request.changes)]
    return request.database, checked_call(request, changes)


def _open_change(at: int, raw: msgspec.Raw, client_id: str, names: dict[str, str | None]) -> ProposedChange:
    try:
        wire = _one_change.decode(raw)
    except msgspec.ValidationError as problem:
        value = decode(memoryview(raw))
        return _salvaged(at, value, client_id, bytes(raw), field_problem(problem, value, prefix=f"changes[{at}]"))
    return propose(at, wire, client_id, names)


def _salvaged(at: int, value: Any, client_id: str, text: bytes, message: str) -> ProposedChange:
    """Keep what can still be read of a bad change: its id, its counter and which document it is about."""
    fields = value if isinstance(value, dict) else {}
    change_id, counter = fields.get("id"), fields.get("counter")
    if not isinstance(change_id, str) or not 0 < len(change_id) <= CHANGE_ID_CHARACTERS_MAX:
        change_id = "h-" + hashlib.blake2b(client_id.encode() + b"\n" + text, digest_size=20).hexdigest()
    if not isinstance(counter, int) or isinstance(counter, bool) or not 0 < counter <= COUNTER_MAX:
        counter = 0
    name = str(fields.get("collection", "")), str(fields.get("key", ""))
    return unreadable(at, change_id, counter, name, message)


def checked_call(request: SyncRequest | LooseSyncRequest, changes: list[ProposedChange] | PlainBatch) -> SyncCall:
    """Return the request with its defaults filled in, or raise `RequestRefused` naming the field that is wrong."""
    lowest, highest = PROTOCOLS_SUPPORTED
    if request.protocol and not lowest <= request.protocol <= highest:
        raise unsupported_protocol(request.protocol, PROTOCOLS_SUPPORTED)
    actor = request.actor or request.client_id
    check_client(request.client_id, actor)
    problem = vector_problem(request.version_vector)
    if problem is not None:
        raise bad_request(f"version_vector{problem[0]}: {problem[1]}")
    _check_count("last_counter", request.last_counter)
    _check_count("settled", request.settled)
    _check_count("stored", request.stored)
    _check_count("limit", request.limit)
    _check_count("caught_up", request.caught_up)
    _check_count("pushes", request.pushes)
    _check_count("horizon", request.horizon)
    _check_count("floor", request.floor)
    _check_count("stable", request.stable)
    if request.collections is not None and len(request.collections) > COLLECTIONS_ASKED_MAX:
        raise bad_request(f"collections: {len(request.collections)} names, at most {COLLECTIONS_ASKED_MAX} are read")
    if len(request.excluded) > COLLECTIONS_ASKED_MAX:
        raise bad_request(f"excluded: {len(request.excluded)} names, at most {COLLECTIONS_ASKED_MAX} are read")
    if len(request.views) > COLLECTIONS_ASKED_MAX:
        raise bad_request(f"views: {len(request.views)} of them, at most {COLLECTIONS_ASKED_MAX} are read")
    if request.view_base is not None and (request.collections is None or len(request.collections) != 1):
        raise bad_request("view_base: collections must name the one collection that is caught up with")
    cursor = request.version_vector.get("server", 0)
    return SyncCall(
        client_id=request.client_id,
        actor=actor,
        protocol=request.protocol,
        last_counter=request.last_counter,
        epoch=request.epoch,
        acknowledged=max(request.settled, request.version_vector.get(actor, 0)),
        cursor=cursor,
        stored=cursor if request.stored is None else request.stored,
        changes=changes,
        collections=request.collections,
        excluded=request.excluded,
        limit=PULL_CHANGES_DEFAULT if request.limit is None else min(request.limit, PULL_CHANGES_MAX),
        is_full=request.full,
        pushes=request.pushes,
        caught_up=request.caught_up,
        run=request.run,
        horizon=request.horizon,
        floor=request.floor,
        stable=request.stable,
        settings=request.settings,
        views=request.views,
        view_base=request.view_base,
    )


def check_client(client_id: str, actor: str = "") -> None:
    """Raise `RequestRefused` unless these name a device and one of its lives."""
    problem = client_id_problem(client_id)
    if problem is not None:
        raise bad_request(f"client_id: {problem}")
    if actor and (len(actor) > ACTOR_CHARACTERS_MAX or not actor_belongs_to(actor, client_id)):
        raise bad_request(f"actor: expected {client_id!r} or {client_id + '~n'!r}, found {actor[:ACTOR_CHARACTERS_MAX]!r}")


def _check_batch(count: int) -> None:
    if count > CHANGES_PER_BATCH_MAX:
        raise too_large(f"changes: {count} of them, at most {CHANGES_PER_BATCH_MAX} are taken in one request")


def _check_count(field: str, count: int | None) -> None:
    if count is not None and not 0 <= count <= COUNTER_MAX:
        raise bad_request(f"{field}: expected 0 to {COUNTER_MAX}, found {count}")
