"""Read a request's body within its bound, whatever its headers say."""

from __future__ import annotations

from starlette.requests import ClientDisconnect, Request

from solidb_sync.protocol.limits import BODY_BYTES_MAX
from solidb_sync.server.refusals import RequestRefused, bad_request, too_large


async def read_body(request: Request) -> bytes:
    """Return the body; raises `RequestRefused` (413, 415) as soon as it is known to be too large or encoded."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise RequestRefused(
            415, "UnsupportedEncoding", f"content-encoding: {encoding[:40]!r} is not read, only identity is"
        )
    announced = request.headers.get("content-length", "")
    if announced.isascii() and announced.isdigit() and (len(announced) > 18 or int(announced) > BODY_BYTES_MAX):
        raise _too_large()
    parts, received = [], 0
    try:
        async for part in request.stream():
            received += len(part)
            if received > BODY_BYTES_MAX:
                raise _too_large()
            parts.append(part)
    except ClientDisconnect as problem:
        raise bad_request("body: it ended before it was complete") from problem
    return b"".join(parts)


def _too_large() -> RequestRefused:
    return too_large(f"body: more than {BODY_BYTES_MAX} bytes, which is the most one request may have")
