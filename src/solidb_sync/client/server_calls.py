"""The calls a device makes, with every kind of answer turned into a value or an error of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from solidb_sync.client.transport.transport import Transport, TransportAnswer
from solidb_sync.errors import (
    AuthError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    OtherUserError,
    ProtocolError,
    ResyncRequiredError,
    ServerError,
    SoliDBError,
    about_request,
)
from solidb_sync.model.attachment import MARKER_BYTES
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.codec import (
    decode_error,
    decode_message,
    decode_sync_answer,
    encode_message,
    encode_sync_request,
)
from solidb_sync.protocol.limits import PROTOCOL
from solidb_sync.protocol.messages import (
    ClientSettings,
    ConflictList,
    ExplainRequest,
    FetchAnswer,
    FetchRequest,
    FilterCounts,
    OfferAnswer,
    OfferRequest,
    ReceivedAnswer,
    RegisterAnswer,
    RegisterRequest,
    SyncRequest,
)

Decoded = TypeVar("Decoded")

ERROR_KINDS: dict[int, type[ServerError]] = {403: ForbiddenError, 404: NotFoundError, 409: ConflictError}

CLIENT_OF_ANOTHER = "ClientOfAnother"


class ServerCalls:
    """One server database, as a device calls it; counts what goes over the wire."""

    def __init__(self, transport: Transport, database: str) -> None:
        self.transport = transport
        self.database = database
        self.requests = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self.saw_attachments = False
        """Whether an answer had to do with attachments, since somebody last took note of it."""

    async def sync(self, request: SyncRequest, changes: bytes) -> ReceivedAnswer:
        """Push changes, which are JSON text already, and pull a page."""
        request.database = self.database
        answer = await self._post(endpoints.DELTA, encode_sync_request(request, changes))
        decoded = _decoded(decode_sync_answer, answer)
        has_to_do = MARKER_BYTES in answer.body or bool(decoded.missing_attachments)
        self.saw_attachments = self.saw_attachments or has_to_do
        return decoded

    async def register(
        self,
        client_id: str,
        *,
        actor: str = "",
        reset: bool = False,
        known: Sequence[str] = (),
        settings: ClientSettings | None = None,
        again: bool = False,
    ) -> RegisterAnswer:
        """Tell the server this device's settings, `again` when nothing else was told since; None leaves those it has.

        With `reset` ask for a new incarnation in place of `actor`, and which of the `known` change ids it has applied.
        """
        request = RegisterRequest(
            client_id=client_id,
            protocol=PROTOCOL,
            actor=actor,
            reset=reset,
            known=list(known),
            settings=settings,
            again=again,
        )
        path = endpoints.path_for(endpoints.CLIENTS, self.database)
        answer = await self._post(path, encode_message(request))
        return _decoded(lambda body: decode_message(body, RegisterAnswer), answer)

    async def open_conflicts(self, client_id: str, *, after: str) -> ConflictList:
        """Return open conflicts of this device from just after one of them on."""
        path = endpoints.path_for(endpoints.CONFLICTS, self.database)
        self.requests += 1
        query = {"client_id": client_id, "status": "pending", "after": after}
        answer = checked_answer(await self.transport.exchange("GET", path, query=query))
        self.bytes_received += len(answer.body)
        return _decoded(lambda body: decode_message(body, ConflictList), answer)

    async def explain_filter(self, request: ExplainRequest) -> FilterCounts:
        """Ask what a filter would let through of the whole collection."""
        answer = await self._post(endpoints.path_for(endpoints.EXPLAIN, self.database), encode_message(request))
        return _decoded(lambda body: decode_message(body, FilterCounts), answer)

    async def fetch(self, collection: str, key: str) -> FetchAnswer:
        """Ask for one document as it is now."""
        path = endpoints.path_for(endpoints.FETCH, self.database)
        answer = await self._post(path, encode_message(FetchRequest(collection, key)))
        return _decoded(lambda body: decode_message(body, FetchAnswer), answer)

    async def offer(self, request: OfferRequest) -> OfferAnswer:
        """Offer documents to a server that has lost a part of its history."""
        path = endpoints.path_for(endpoints.OFFER, self.database)
        answer = await self._post(path, encode_message(request))
        return _decoded(lambda body: decode_message(body, OfferAnswer), answer)

    async def health(self) -> None:
        """Return when the server answers."""
        checked_answer(await self.transport.exchange("GET", endpoints.HEALTH))

    async def _post(self, path: str, body: bytes) -> TransportAnswer:
        self.requests += 1
        self.bytes_sent += len(body)
        answer = await self.transport.exchange("POST", path, body=body)
        self.bytes_received += len(answer.body)
        return checked_answer(answer)


def checked_answer(answer: TransportAnswer) -> TransportAnswer:
    """Return a good answer; raise what any other means, with the id of its request."""
    if 200 <= answer.status < 300:
        return answer
    raise about_request(_problem(answer), answer.request_id)


def _problem(answer: TransportAnswer) -> SoliDBError:
    said = decode_error(answer.body, answer.status)
    details = said.details or {}
    if answer.status == 401:
        return AuthError(f"the server does not accept the credentials: {said.error}")
    if said.type == "ResyncRequired":
        return ResyncRequiredError(said.error, reason=str(details.get("reason", "")))
    if said.type == CLIENT_OF_ANOTHER:
        return OtherUserError(said.error, asking=str(details.get("asking", "")), owner=str(details.get("owner", "")))
    kind = ERROR_KINDS.get(answer.status, ServerError)
    return kind(
        said.error,
        status=answer.status,
        type=said.type,
        retry_after_seconds=answer.retry_after_seconds,
    )


def _decoded(decode: Callable[[bytes], Decoded], answer: TransportAnswer) -> Decoded:
    """Return what an answer says; what is wrong with it has the id of its request."""
    try:
        return decode(answer.body)
    except ProtocolError as problem:
        problem.request_id = answer.request_id
        raise
