"""Managing API keys, for the administrator."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from solidb_sync.clock import iso_text
from solidb_sync.server.auth.api_keys import CreatedKey, create_key
from solidb_sync.server.auth.permissions import check_is_administrator
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.body import read_body
from solidb_sync.server.http.context import context_of, principal_of
from solidb_sync.server.refusals import bad_request, not_found
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, strict_json


class CreateKey(Struct):
    """The body that asks for a new key."""

    name: str
    database: str
    read_only: bool = False


_create_key = msgspec.json.Decoder(CreateKey)


async def create_api_key(request: Request) -> CreatedKey:
    """Create a key; the answer is the only place where its secret is ever shown."""
    check_is_administrator(principal_of(request))
    try:
        text, value = strict_json(await read_body(request), is_envelope=True)
        asked = _create_key.decode(text)
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    context = context_of(request)
    return create_key(
        context.backend,
        database=asked.database,
        name=asked.name,
        read_only=asked.read_only,
        clock=context.clock,
        random_bytes=context.random_bytes,
    )


async def list_api_keys(request: Request) -> dict[str, Any]:
    """List the keys without their secrets."""
    check_is_administrator(principal_of(request))
    keys = context_of(request).backend.api_keys()
    return {
        "keys": [
            {
                "id": key.id,
                "name": key.name,
                "database": key.database,
                "read_only": key.read_only,
                "created_at": iso_text(key.created_ms),
            }
            for key in keys
        ]
    }


async def delete_api_key(request: Request) -> dict[str, Any]:
    """Delete a key; it opens nothing from the next request on."""
    check_is_administrator(principal_of(request))
    key_id = request.path_params["key_id"]
    if not context_of(request).backend.remove_api_key(key_id):
        raise not_found("ApiKeyNotFound", f"there is no API key {key_id[:64]!r}")
    return {"deleted": True}


ROUTES = [
    Route("/_api/auth/api-keys", answered(create_api_key), methods=["POST"]),
    Route("/_api/auth/api-keys", answered(list_api_keys), methods=["GET"]),
    Route("/_api/auth/api-keys/{key_id}", answered(delete_api_key), methods=["DELETE"]),
]
