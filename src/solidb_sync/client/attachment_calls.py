"""The calls about attached bytes, with every kind of answer turned into a value or an error of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from solidb_sync.client.server_calls import checked_answer
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import ProtocolError
from solidb_sync.protocol.attachments import OFFSET_HEADER, WRONG_DIGEST, WRONG_OFFSET, PieceTaken, attachment_path
from solidb_sync.protocol.codec import decode_error, decode_message


class AtServer(NamedTuple):
    """How much of an attachment the server has."""

    is_complete: bool
    offset: int


class AttachmentCalls:
    """The attachments of one server database, as a device calls for them."""

    def __init__(self, transport: Transport, database: str, *, client_id: Callable[[], str]) -> None:
        self._transport = transport
        self._database = database
        self._client_id = client_id

    async def ask(self, digest: str, *, check: bool = False) -> AtServer:
        """Ask how much of an attachment the server has; `check` has it read all of it, and drop what is damaged."""
        query = {"check": "true"} if check else None
        answer = await self._transport.exchange("HEAD", attachment_path(self._database, digest), query=query)
        if answer.status != 404:
            checked_answer(answer)
            return AtServer(is_complete=True, offset=0)
        offset = answer.headers.get(OFFSET_HEADER, "0")
        return AtServer(is_complete=False, offset=int(offset) if offset.isascii() and offset.isdigit() else 0)

    async def send(self, digest: str, *, offset: int, length: int, piece: bytes) -> PieceTaken:
        """Send a piece; returns where to go on, which is not behind the piece when the server has another part."""
        query = {"offset": str(offset), "length": str(length), "client_id": self._client_id()}
        path = attachment_path(self._database, digest)
        answer = await self._transport.exchange("PUT", path, query=query, body=piece)
        if answer.status in (409, 422):
            said = decode_error(answer.body, answer.status)
            if said.type == WRONG_OFFSET and isinstance(right := (said.details or {}).get("offset"), int):
                return PieceTaken(right, is_complete=False)
            if said.type == WRONG_DIGEST:
                raise ProtocolError(f"attachment {digest}: the server had other bytes in front of ours; it begins again")
        return decode_message(checked_answer(answer).body, PieceTaken)

    async def fetch(self, digest: str, *, offset: int, size: int) -> bytes:
        """Return a piece; raises `NotFoundError` when the server has not all of the attachment."""
        query = {"offset": str(offset), "limit": str(size)}
        answer = checked_answer(await self._transport.exchange("GET", attachment_path(self._database, digest), query=query))
        if len(answer.body) != size:
            raise ProtocolError(f"attachment {digest}: asked for {size} bytes at {offset}, got {len(answer.body)}")
        return answer.body
