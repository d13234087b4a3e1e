"""Every request has an id: the one its sender gave, if it is short and plain, or a new one. The answer carries it.

It stands in the log with what became of the request, and in the body of an error, so that somebody who is shown an error can
tell whoever runs the server which one it was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from solidb_sync.protocol.request_ids import REQUEST_ID_BYTES, REQUEST_ID_HEADER, plain_request_id

PATH_CHARACTERS_LOGGED_MAX = 200

logger = logging.getLogger("solidb_sync.server")
_NAME = REQUEST_ID_HEADER.encode("ascii")


class RequestIds:
    """The application with an id for every request around it."""

    def __init__(self, app: ASGIApp, random_bytes: Callable[[int], bytes]) -> None:
        self._app = app
        self._random_bytes = random_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _given(scope) or self._random_bytes(REQUEST_ID_BYTES).hex()
        scope.setdefault("state", {})["request_id"] = request_id

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_NAME, request_id.encode("ascii"))]
                logger.debug("request %s: answered %s", request_id, message["status"])
            await send(message)

        await self._app(scope, receive, answer)


def _given(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == _NAME:
            return plain_request_id(value.decode("latin-1"))
    return ""


def request_id_of(request: Request) -> str:
    """Return the id of a request."""
    return str(request.state.request_id)


def shown_request(request: Request) -> str:
    """Return a request as a log shows it: on one line, whatever is in its path."""
    path = str(request.scope.get("path", ""))[:PATH_CHARACTERS_LOGGED_MAX]
    return f"request {request_id_of(request)}: {request.method} {path!r}"
