"""Read a request's body within its bound, whatever its headers say."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from solidb_sync.protocol.compression import GZIP, PackedBodyError, UnpackedTooLargeError, unpacked
from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.server.http.context import principal_of
from solidb_sync.server.refusals import RequestRefused, bad_request, too_large

INLINE_PACKED_BYTES_MAX = 8 * 1024
"""A packed body up to here unpacks, at worst, in a few milliseconds on the event loop."""


async def read_body(request: Request, *, bytes_max: int = BODY_BYTES_MAX) -> bytes:
    """Return the body, unpacked; raises `RequestRefused` (413, 415) as soon as it is known to be too large or not readable.

    A packed body is unpacked only for somebody whose credentials are good (401 otherwise): the bound on what comes in
    bounds the work for everybody else.
    """
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity", GZIP):
        raise RequestRefused(
            415, "UnsupportedEncoding", f"content-encoding: {encoding[:40]!r} is not read, only gzip and identity are"
        )
    if encoding == GZIP:
        principal_of(request)
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > bytes_max):
        raise _too_large(bytes_max)
    parts, received = [], 0
    try:
        async for part in request.stream():
            received += len(part)
            if received > bytes_max:
                raise _too_large(bytes_max)
            parts.append(part)
    except ClientDisconnect as problem:
        raise bad_request("body: it ended before it was complete") from problem
    body = b"".join(parts)
    return body if encoding != GZIP else await _unpacked(body, bytes_max)


async def _unpacked(body: bytes, bytes_max: int) -> bytes:
    try:
        if len(body) <= INLINE_PACKED_BYTES_MAX:
            return unpacked(body, bytes_max=bytes_max)
        return await asyncio.to_thread(unpacked, body, bytes_max=bytes_max)
    except UnpackedTooLargeError as problem:
        raise _too_large(bytes_max) from problem
    except PackedBodyError as problem:
        raise bad_request(f"body: {problem}") from problem


def _too_large(bytes_max: int) -> RequestRefused:
    return too_large(f"body: more than {bytes_max} bytes, which is the most one request may have")
