"""Decide an open conflict at the server: an edit of the server's own, on top of what the document is now."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
from msgspec import UNSET, Raw

from solidb_sync.json_value import JsonDocument, decode, encode
from solidb_sync.model.delta import diff, path_text
from solidb_sync.model.field_dots import SERVER_ACTOR
from solidb_sync.model.version_vector import Dot
from solidb_sync.protocol.messages import ResolveAnswer, ResolveRequest, WireChange, WireVersion
from solidb_sync.reconcile.joined_sides import Side
from solidb_sync.reconcile.resolution import ACCEPT_LOCAL, ACCEPT_REMOTE, DELETE, REPLACE, Choice, Sides, decided
from solidb_sync.server.conflict_records import PENDING, change_of, conflict_id
from solidb_sync.server.judge_change import decide_change
from solidb_sync.server.proposed_change import ProposedChange, propose
from solidb_sync.server.refusals import RequestRefused, bad_request, not_found
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import ActorState, ConflictRecord
from solidb_sync.server.type_problems import field_problem
from solidb_sync.server.working_set import WorkingSet
from solidb_sync.strict_json import JsonTextError, strict_json

RESOLUTIONS = (ACCEPT_LOCAL, ACCEPT_REMOTE, REPLACE, DELETE)

_requests = msgspec.json.Decoder(ResolveRequest)
_versions = msgspec.json.Decoder(WireVersion)


@dataclass(frozen=True, slots=True)
class Resolution:
    """A checked request: which conflict, and how."""

    conflict: str
    choice: Choice


def read_resolution(body: bytes) -> Resolution:
    """Return a checked request, or raise `RequestRefused` naming the field that is wrong."""
    try:
        text, value = strict_json(body, is_envelope=True)
        request = _requests.decode(text)
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    if request.resolution not in RESOLUTIONS:
        raise bad_request(f"resolution: expected one of {', '.join(RESOLUTIONS)}, found {request.resolution[:40]!r}")
    document: object = None if request.document is UNSET else decode(bytes(request.document))
    if (request.resolution == REPLACE) != isinstance(document, dict):
        raise bad_request(f"document: an object goes with the resolution {REPLACE!r}, and only with that")
    return Resolution(request.conflict, Choice(request.resolution, document if isinstance(document, dict) else None))


def resolve_conflict(session: WriteSession, resolution: Resolution, now_ms: int) -> ResolveAnswer:
    """Decide a conflict; raises `RequestRefused` (404, 409) when there is none, or it is open no longer."""
    found = session.conflicts_of([change_of(resolution.conflict)])
    if not found:
        raise not_found("ConflictNotFound", f"there is no conflict {resolution.conflict!r}")
    record = found[0]
    if record.status != PENDING:
        raise RequestRefused(409, "ConflictError", f"conflict {resolution.conflict!r} is {record.status}, not open")
    working = WorkingSet(session, session.head(), ActorState(SERVER_ACTOR, SERVER_ACTOR, 0, False), now_ms)
    name = record.collection, record.key
    working.load([propose(0, WireChange(*name, "delete", id=record.change_id), SERVER_ACTOR, {})])
    current, _ = working.current(name)
    before = None if current is None else current.document
    target = decided(_sides(record), resolution.choice, before)
    change = _change(record, before, target, {} if current is None else dict(current.vector))
    seq = working.newest + 1
    verdict = decide_change(working, change, Dot(SERVER_ACTOR, seq))
    if verdict.error is not None:
        raise RequestRefused(400, verdict.error.type, verdict.error.message)
    working.resolve_conflicts(change, seq)
    working.finish(SERVER_ACTOR)
    return ResolveAnswer(resolution.conflict, seq, None if target is None else Raw(encode(target)))


def _change(
    record: ConflictRecord, before: JsonDocument | None, target: JsonDocument | None, base: dict[str, int]
) -> ProposedChange:
    """Return the edit that makes the document what it is to be, made on top of what it is."""
    wire = WireChange(record.collection, record.key, "update", id=f"resolve-{record.change_id}"[:64], base_version=base)
    wire.resolves = [conflict_id(record.change_id)]
    if before is not None and target is not None:
        delta = diff(before, target)
        wire.delta = Raw(encode({path_text(path): value for path, value in delta.values.items()}))
        wire.unset = [path_text(path) for path in delta.removed]
    elif target is not None:
        wire.operation, wire.document = "insert", Raw(encode(target))
    elif before is not None:
        wire.operation = "delete"
    else:
        wire.delta = Raw(b"{}")
    return propose(0, wire, SERVER_ACTOR, {})


def _sides(record: ConflictRecord) -> Sides:
    local = Side(_document(record.local), tuple(decode(record.written)))
    return Sides(local, Side(_document(record.remote), tuple(decode(record.fields))), record.winner)


def _document(version: str) -> JsonDocument | None:
    document = _versions.decode(version).document
    return None if document is UNSET else decode(bytes(document))
