"""Answers as JSON, and every error as `{"error", "code", "type"}`.

What went wrong inside the server is logged under the id of the request (`request_ids`); the answer carries that id and
nothing else of it. Refusals are logged in one line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from solidb_sync.errors import ConfigError, StorageError, StorageFullError
from solidb_sync.protocol.addresses import is_loopback
from solidb_sync.protocol.compression import GZIP, INLINE_BYTES_MAX, accepts_gzip, is_worth_packing, packed
from solidb_sync.protocol.messages import ErrorAnswer
from solidb_sync.server.http.request_ids import request_id_of, shown_request
from solidb_sync.server.live.doorbell import TooManyListenersError
from solidb_sync.server.refusals import RequestRefused

Endpoint = Callable[[Request], Awaitable[Any]]

logger = logging.getLogger("solidb_sync.server")
_encode = msgspec.json.Encoder().encode
_TYPES = {404: "NotFound", 405: "MethodNotAllowed"}


def json_answer(content: object, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return an answer with a JSON body."""
    return Response(_encode(content), status, headers, media_type="application/json")


def error_answer(status: int, type: str, message: str, *, details: dict[str, Any] | None = None) -> Response:
    """Return an error with its JSON body."""
    headers = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "1"}}.get(status)
    return json_answer(ErrorAnswer(message, status, type, details), status=status, headers=headers)


def answered(endpoint: Endpoint) -> Endpoint:
    """Return the endpoint with its result as a JSON answer, and whatever it raises as an error answer."""

    async def call(request: Request) -> Response:
        try:
            result = await endpoint(request)
        except Exception as problem:  # noqa: BLE001 - every request gets an answer
            return _answer_for(problem, request)
        return result if isinstance(result, Response) else await _packed_answer(request, _encode(result))

    return call


async def _packed_answer(request: Request, body: bytes) -> Response:
    """Return an answer with a JSON body, in gzip where the sender takes that and it saves something."""
    nearby = is_nearby(request)
    if not is_worth_packing(len(body), is_nearby=nearby) or not accepts_gzip(request.headers.get("accept-encoding", "")):
        return Response(body, media_type="application/json")
    body = packed(body) if len(body) <= INLINE_BYTES_MAX else await asyncio.to_thread(packed, body)
    headers = {"content-encoding": GZIP, "vary": "accept-encoding"}
    return Response(body, 200, headers, media_type="application/json")


def is_nearby(request: Request) -> bool:
    """Return whether the sender is on this machine, and no proxy that speaks for another one."""
    return request.client is not None and is_loopback(request.client.host) and "x-forwarded-for" not in request.headers


def _answer_for(problem: Exception, request: Request) -> Response:
    match problem:
        case RequestRefused():
            return _refused(request, problem.status, problem.type, str(problem), problem.details)
        case ConfigError():
            return _refused(request, 400, "BadRequest", str(problem))
        case TooManyListenersError():
            return _refused(request, 503, "TooManyListeners", str(problem))
        case StorageFullError():
            return _logged(problem, request, 507, "StorageFull", "the server has no room left; nothing was changed")
        case StorageError():
            return _logged(problem, request, 503, "StorageUnavailable", "the server's storage failed; send the same again")
        case _:
            return _logged(problem, request, 500, "InternalError", "the server could not answer this")


def _logged(problem: Exception, request: Request, status: int, type: str, message: str) -> Response:
    logger.error("%s failed", shown_request(request), exc_info=problem)
    return error_answer(status, type, message, details={"request_id": request_id_of(request)})


def _refused(request: Request, status: int, type: str, message: str, details: dict[str, Any] | None = None) -> Response:
    logger.info("%s refused: %d %s", shown_request(request), status, type)
    return error_answer(status, type, message, details={**(details or {}), "request_id": request_id_of(request)})


async def answer_http_exception(request: Request, problem: Exception) -> Response:
    """Answer what the router refuses: no such path, no such method there."""
    assert isinstance(problem, HTTPException)
    status = problem.status_code
    type = _TYPES.get(status, "BadRequest")
    message = f"{request.method} {request.scope.get('path')}: {problem.detail.lower()}"
    answer = _refused(request, status, type, message)
    answer.headers.update(problem.headers or {})
    return answer
