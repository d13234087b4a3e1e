"""Attached bytes over HTTP: by digest, in pieces; whoever may read a database may read them, whoever may write may send."""

from __future__ import annotations

import re
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from solidb_sync.model.attachment import LENGTH_MAX, is_digest
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.attachments import OFFSET_HEADER, PIECE_BYTES_MAX, PieceTaken
from solidb_sync.server.attachments import Attachments
from solidb_sync.server.auth.permissions import Principal
from solidb_sync.server.databases import Database
from solidb_sync.server.http import query
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.body import read_body
from solidb_sync.server.http.context import check_client_is_of, context_of, open_database, principal_of
from solidb_sync.server.refusals import RequestRefused, bad_request
from solidb_sync.server.sync_request import check_client

_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{0,15})")


async def ask(request: Request) -> Response:
    """HEAD: say how long an attachment is, or (404) how much of it is here; `check`: after reading it all."""
    asked = _asked(request, is_write=False)
    if query.boolean(request, "check"):
        await asked.attachments.check(asked.digest)
    known = await asked.attachments.known(asked.digest)
    if known.length is None:
        return Response(status_code=404, headers={OFFSET_HEADER: str(known.part)})
    return Response(status_code=200, headers=_headers(asked.digest, known.length))


async def give(request: Request) -> Response:
    """GET: send a piece of at most `PIECE_BYTES_MAX` bytes, by `Range` or by `offset` and `limit`; by default the first."""
    asked = _asked(request, is_write=False)
    first, size = _wanted(request)
    piece = await asked.attachments.piece(asked.digest, offset=first, size=min(size, PIECE_BYTES_MAX))
    end = first + len(piece.content)
    if first > piece.length or (first == piece.length and piece.length):
        raise RequestRefused(416, "WrongRange", f"offset: {first}, but the attachment has {piece.length} bytes")
    headers = _headers(asked.digest, len(piece.content))
    if piece.content:
        headers["content-range"] = f"bytes {first}-{end - 1}/{piece.length}"
    return Response(piece.content, 200 if len(piece.content) == piece.length else 206, headers)


async def take(request: Request) -> PieceTaken:
    """PUT: take a piece at `offset` of an attachment of `length` bytes."""
    asked = _asked(request, is_write=True)
    if client_id := request.query_params.get("client_id", ""):
        check_client(client_id)
        await check_client_is_of(asked.principal, asked.database, client_id)
    length, offset = query.whole_number(request, "length"), query.whole_number(request, "offset") or 0
    if length is None or length > LENGTH_MAX:
        raise bad_request(f"length: expected the bytes of the whole attachment, 0 to {LENGTH_MAX}")
    piece = await read_body(request, bytes_max=PIECE_BYTES_MAX)
    return await asked.attachments.take(asked.digest, offset=offset, length=length, piece=piece)


async def _one_of_three(request: Request) -> object:
    match request.method:
        case "HEAD":
            return await ask(request)
        case "GET":
            return await give(request)
        case _:
            return await take(request)


class _Asked(NamedTuple):
    """What a request is about, and who sent it."""

    attachments: Attachments
    digest: str
    principal: Principal
    database: Database


def _asked(request: Request, *, is_write: bool) -> _Asked:
    principal = principal_of(request)
    database = open_database(request, principal, request.path_params["database"], is_write=is_write)
    digest = request.path_params["digest"]
    if not is_digest(digest):
        raise bad_request(f"digest: expected a SHA-256 in 64 hexadecimal digits of lower case, found {digest[:80]!r}")
    return _Asked(context_of(request).attachments.of(database), digest, principal, database)


def _wanted(request: Request) -> tuple[int, int]:
    header = request.headers.get("range")
    if header is None:
        size = query.whole_number(request, "limit")
        return query.whole_number(request, "offset") or 0, PIECE_BYTES_MAX if size is None else size
    asked = _RANGE.fullmatch(header.strip())
    if asked is None:
        raise bad_request(f"range: expected bytes=first-last or bytes=first-, found {header[:80]!r}")
    first = int(asked[1])
    return first, int(asked[2]) - first + 1 if asked[2] else PIECE_BYTES_MAX


def _headers(digest: str, length: int) -> dict[str, str]:
    return {
        "content-length": str(length),
        "content-type": "application/octet-stream",
        "etag": f'"{digest}"',
        "cache-control": "private, max-age=31536000, immutable",
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }


ROUTES = [Route(endpoints.ATTACHMENT, answered(_one_of_three), methods=["HEAD", "GET", "PUT"])]
