"""Give a device a new incarnation: a fresh name to count under, after its store went back in time or met its double."""

from __future__ import annotations

import msgspec

from solidb_sync.clock import iso_text
from solidb_sync.protocol.limits import CHANGE_ID_CHARACTERS_MAX, KNOWN_IDS_MAX, PROTOCOLS_SUPPORTED
from solidb_sync.protocol.messages import RegisterAnswer, RegisterRequest
from solidb_sync.protocol.names import actor_name, incarnation_of
from solidb_sync.server.client_settings import checked_settings
from solidb_sync.server.live_copies import replace_settings
from solidb_sync.server.refusals import bad_request, too_large, unsupported_protocol
from solidb_sync.server.storage.backend import WriteSession
from solidb_sync.server.storage.records import ActorState
from solidb_sync.server.sync_request import check_client
from solidb_sync.server.type_problems import field_problem
from solidb_sync.server.working_set import APPLIED_STATUSES
from solidb_sync.strict_json import JsonTextError, strict_json

_decoder = msgspec.json.Decoder(RegisterRequest)


def read_registration(body: bytes) -> RegisterRequest:
    """Return a checked request, or raise `RequestRefused` naming the field that is wrong."""
    try:
        text, value = strict_json(body, is_envelope=True)
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    try:
        request = _decoder.decode(text)
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    lowest, highest = PROTOCOLS_SUPPORTED
    if request.protocol and not lowest <= request.protocol <= highest:
        raise unsupported_protocol(request.protocol, PROTOCOLS_SUPPORTED)
    check_client(request.client_id, request.actor)
    if len(request.known) > KNOWN_IDS_MAX:
        raise too_large(f"known: {len(request.known)} ids, at most {KNOWN_IDS_MAX} are looked up in one request")
    for at, change_id in enumerate(request.known):
        if len(change_id) > CHANGE_ID_CHARACTERS_MAX:
            raise bad_request(f"known[{at}]: at most {CHANGE_ID_CHARACTERS_MAX} characters")
    return request


def register(session: WriteSession, request: RegisterRequest, now_ms: int) -> RegisterAnswer:
    """Return the incarnation to go on with, and which of the asked changes have had their effect."""
    settings = None if request.settings is None else checked_settings(request.settings)
    incarnation = session.incarnation(request.client_id)
    if request.reset:
        name = request.actor or request.client_id
        # put back to a backup, this server may have forgotten the one it gave out; none is ever given out twice
        incarnation = max(incarnation, incarnation_of(name, request.client_id)) + 1
        left = session.actor(name) or ActorState(name, request.client_id, 0, False)
        session.save_actor(left._replace(is_fenced=True))
    session.save_incarnation(request.client_id, incarnation)
    if settings is not None:
        if request.again and session.settings(request.client_id) != settings:
            session.note_copies(request.client_id, now_ms)
        replace_settings(session, request.client_id, settings)
    applied = {
        outcome.change_id: (outcome.actor, outcome.counter, outcome.seq)
        for outcome in session.outcomes(request.known)
        if outcome.status in APPLIED_STATUSES
    }
    head = session.head()
    name = actor_name(request.client_id, incarnation)
    actor = session.actor(name)
    own = {name: actor.highest} if actor is not None else {}
    return RegisterAnswer(
        client_id=request.client_id,
        incarnation=incarnation,
        known=applied,
        epoch=head.epoch,
        server_time=iso_text(now_ms),
        server_version={**own, "server": head.newest},
    )
