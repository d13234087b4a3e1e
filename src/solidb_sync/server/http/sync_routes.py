"""The routes of the sync protocol."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from solidb_sync.protocol import endpoints
from solidb_sync.protocol.messages import (
    FetchAnswer,
    FilterCounts,
    OfferAnswer,
    RegisterAnswer,
    SentAnswer,
    StatusAnswer,
    SyncRequest,
)
from solidb_sync.server.auth.permissions import Administrator, Principal
from solidb_sync.server.fetch_document import fetch_document, read_fetch
from solidb_sync.server.http import query
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.body import read_body
from solidb_sync.server.http.context import check_client_is_of, context_of, open_database, principal_of
from solidb_sync.server.live.doorbell import News
from solidb_sync.server.live.event_stream import send_event_stream
from solidb_sync.server.refusals import bad_request, not_found
from solidb_sync.server.registration import read_registration, register
from solidb_sync.server.sync_request import SyncCall, check_client, checked_call, read_sync_request
from solidb_sync.server.sync_round import sync_round
from solidb_sync.server.sync_status import sync_status
from solidb_sync.server.take_offers import read_offer, take_offers
from solidb_sync.server.views.commits import registered_filters
from solidb_sync.server.views.explanation import explain, read_explain_request

INLINE_BODY_BYTES_MAX = 1024 * 1024
"""A body up to here is read in a few milliseconds, on the event loop."""


async def delta(request: Request) -> SentAnswer:
    """Push and pull in one request; the body names the database."""
    principal = principal_of(request)
    name, call = await _read_call(request)
    if not name:
        raise bad_request("database: required, but missing")
    return await _round(request, principal, name, call, can_pull=True)


async def push(request: Request) -> SentAnswer:
    """Push without a pull; the path names the database."""
    principal = principal_of(request)
    _, call = await _read_call(request)
    return await _round(request, principal, request.path_params["database"], call, can_pull=False, is_write=True)


async def pull(request: Request) -> SentAnswer:
    """Pull, by a request with a body."""
    principal = principal_of(request)
    _, call = await _read_call(request)
    if call.changes:
        raise bad_request("changes: a pull takes none; push them, or use /_api/sync/delta")
    return await _round(request, principal, request.path_params["database"], call, can_pull=True)


async def pull_by_query(request: Request) -> SentAnswer:
    """Pull, by a query string."""
    principal = principal_of(request)
    asked = SyncRequest(
        client_id=query.required(request, "client_id"),
        protocol=query.whole_number(request, "protocol") or 0,
        actor=request.query_params.get("actor", ""),
        last_counter=query.whole_number(request, "last_counter") or 0,
        epoch=request.query_params.get("epoch", ""),
        version_vector=query.vector(request, "version_vector"),
        collections=query.names(request, "collections"),
        excluded=query.names(request, "excluded") or [],
        caught_up=query.whole_number(request, "caught_up") or 0,
        floor=query.whole_number(request, "floor") or 0,
        limit=query.whole_number(request, "limit"),
        full=query.boolean(request, "full"),
        settings=request.query_params.get("settings", ""),
    )
    return await _round(request, principal, request.path_params["database"], checked_call(asked, []), can_pull=True)


async def _read_call(request: Request) -> tuple[str, SyncCall]:
    """Read the body, a large one on another thread so that the event loop goes on."""
    body = await read_body(request)
    if len(body) > INLINE_BODY_BYTES_MAX:
        return await asyncio.to_thread(read_sync_request, body)
    return read_sync_request(body)


async def _round(
    request: Request, principal: Principal, name: str, call: SyncCall, *, can_pull: bool, is_write: bool = False
) -> SentAnswer:
    context = context_of(request)
    database = open_database(request, principal, name, is_write=is_write or bool(call.changes))
    await check_client_is_of(principal, database, call.client_id)
    answer = await sync_round(database, call, clock=context.clock, doorbell=context.doorbell, can_pull=can_pull)
    answer.missing_attachments = context.attachments.of(database).next_missed()
    return answer


async def status(request: Request) -> StatusAnswer:
    """Say what is known of a device."""
    principal = principal_of(request)
    client_id = query.required(request, "client_id")
    check_client(client_id)
    database = open_database(request, principal, request.path_params["database"], is_write=False)
    if not isinstance(principal, Administrator):
        await check_client_is_of(principal, database, client_id, claims=False)
    note = database.notes.newest(client_id)
    return await database.read(lambda session: sync_status(session, client_id, note), is_small=False)


async def explain_filter(request: Request) -> FilterCounts:
    """Count what a filter lets through."""
    principal = principal_of(request)
    asked = read_explain_request(await read_body(request))
    database = open_database(request, principal, request.path_params["database"], is_write=False)
    return await explain(database, asked)


async def fetch(request: Request) -> FetchAnswer:
    """Return one document as a pull would."""
    principal = principal_of(request)
    asked = read_fetch(await read_body(request))
    database = open_database(request, principal, request.path_params["database"], is_write=False)
    return await database.read(lambda session: fetch_document(session, asked))


async def register_client(request: Request) -> RegisterAnswer:
    """Register a device, or give it a new incarnation."""
    principal = principal_of(request)
    asked = read_registration(await read_body(request))
    database = open_database(request, principal, request.path_params["database"], is_write=False)
    await check_client_is_of(principal, database, asked.client_id)
    now_ms = context_of(request).clock.now_ms()
    answer = await database.write(lambda session: register(session, asked, now_ms))
    if asked.settings is not None:
        filters = await database.read(lambda session: registered_filters(session, asked.client_id))
        context_of(request).doorbell.set_filters(database.name, asked.client_id, filters)
    return answer


async def offer(request: Request) -> OfferAnswer:
    """Take what a device holds of a history that this database has lost."""
    principal = principal_of(request)
    offered = await asyncio.to_thread(read_offer, await read_body(request))
    database = open_database(request, principal, request.path_params["database"], is_write=True)
    await check_client_is_of(principal, database, offered.client_id)
    context = context_of(request)
    outcome = await database.write(lambda session: take_offers(session, offered, context.clock.now_ms()))
    if outcome.taken:
        context.doorbell.ring(database.name, News(outcome.newest), offered.client_id)
    assert outcome.answer is not None
    return outcome.answer


async def forget_client(request: Request) -> dict[str, Any]:
    """Forget what is known of a device."""
    principal = principal_of(request)
    client_id = request.path_params["client_id"]
    check_client(client_id)
    database = open_database(request, principal, request.path_params["database"], is_write=True)
    if not isinstance(principal, Administrator):
        await check_client_is_of(principal, database, client_id, claims=False)
    was_noted = database.notes.forget(client_id)
    was_stored = await database.write(lambda session: session.forget_client(client_id))
    if not was_noted and not was_stored:
        raise not_found("ClientNotFound", f"there is no client {client_id!r}")
    return {"deleted": True}


async def stream(request: Request) -> Response:
    """Open a doorbell stream."""
    principal = principal_of(request)
    client_id = query.required(request, "client_id")
    check_client(client_id)
    database = open_database(request, principal, request.path_params["database"], is_write=False)
    text = request.headers.get("last-event-id", "")
    await check_client_is_of(principal, database, client_id)
    seen = int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else 0
    answer = _EventStream(request, database.name, client_id)
    try:  # listening has begun: whatever is committed from here on rings as well
        newest, filters = await database.read(
            lambda session: (session.head().newest, registered_filters(session, client_id))
        )
        context_of(request).doorbell.set_filters(database.name, client_id, filters)
        if newest > seen:
            answer.listener.ring(News(newest))
    except BaseException:
        answer.stop_listening()
        raise
    return answer


class _EventStream(Response):
    """A response that lasts as long as its listener listens."""

    def __init__(self, request: Request, database: str, client_id: str) -> None:
        super().__init__()
        context = context_of(request)
        wants_pages = query.boolean(request, "pages")
        self._listening = context.doorbell.listening(database, client_id, wants_pages=wants_pages)
        self.listener = self._listening.__enter__()
        self._send = partial(send_event_stream, self.listener, context.config.heartbeat_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._send(scope, receive, send)
        finally:
            self.stop_listening()

    def stop_listening(self) -> None:
        """Leave the bell; once."""
        self._listening.__exit__(None, None, None)


ROUTES = [
    Route(endpoints.EXPLAIN, answered(explain_filter), methods=["POST"]),
    Route(endpoints.FETCH, answered(fetch), methods=["POST"]),
    Route(endpoints.DELTA, answered(delta), methods=["POST"]),
    Route(endpoints.PULL, answered(pull), methods=["POST"]),
    Route(endpoints.PULL, answered(pull_by_query), methods=["GET"]),
    Route(endpoints.PUSH, answered(push), methods=["POST"]),
    Route(endpoints.STATUS, answered(status), methods=["GET"]),
    Route(endpoints.STREAM, answered(stream), methods=["GET"]),
    Route(endpoints.CLIENTS, answered(register_client), methods=["POST"]),
    Route(endpoints.OFFER, answered(offer), methods=["POST"]),
    Route(endpoints.CLIENTS + "/{client_id}", answered(forget_client), methods=["DELETE"]),
]
