"""Reading databases, collections and documents over plain HTTP."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw, Struct
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from solidb_sync.clock import iso_text
from solidb_sync.json_value import decode, encode
from solidb_sync.protocol.limits import PULL_BYTES_MAX
from solidb_sync.protocol.names import key_problem, name_problem
from solidb_sync.server.auth.permissions import Administrator, KeyHolder, check_is_administrator
from solidb_sync.server.collection_resets import reset_collection
from solidb_sync.server.http import query
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.body import read_body
from solidb_sync.server.http.context import context_of, open_database, principal_of
from solidb_sync.server.live.doorbell import News
from solidb_sync.server.refusals import RequestRefused, bad_request, not_found
from solidb_sync.server.storage.records import StoredDocument
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, strict_json

DOCUMENTS_DEFAULT = 100
DOCUMENTS_MAX = 1_000


class CreateDatabase(Struct):
    """The body that names a new database."""

    name: str


_create_database = msgspec.json.Decoder(CreateDatabase)


async def list_databases(request: Request) -> dict[str, Any]:
    """List the databases the sender may use."""
    match principal_of(request):
        case Administrator():
            return {"databases": context_of(request).backend.database_names()}
        case KeyHolder(database):
            return {"databases": [name for name in context_of(request).backend.database_names() if name == database]}


async def create_database(request: Request) -> dict[str, Any]:
    """Create a database."""
    principal = principal_of(request)
    check_is_administrator(principal)
    try:
        text, value = strict_json(await read_body(request), is_envelope=True)
        name = _create_database.decode(text).name
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    problem_text = name_problem(name)
    if problem_text is not None:
        raise bad_request(f"name: {problem_text}")
    databases = context_of(request).databases
    if databases.find(name, create=False) is not None:
        raise RequestRefused(409, "DatabaseAlreadyExists", f"there is a database {name!r} already")
    databases.find(name, create=True)
    return {"name": name, "status": "created"}


async def list_collections(request: Request) -> dict[str, Any]:
    """List the collections of a database with their number of documents."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=False)
    collections = await database.read(lambda session: session.collections(), is_small=False)
    return {"collections": [{"name": name, "count": count, "type": "document"} for name, count in collections]}


async def drop_collection(request: Request) -> Response:
    """Drop a collection with all its documents; devices drop what they hold of it."""
    await _reset(request, is_dropped=True)
    return Response(status_code=204)


async def truncate_collection(request: Request) -> dict[str, Any]:
    """Delete every document of a collection at once; devices drop what they hold of it, and keep unsent edits."""
    await _reset(request, is_dropped=False)
    return {"name": request.path_params["collection"], "status": "truncated"}


async def _reset(request: Request, *, is_dropped: bool) -> None:
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=True)
    name = _collection(request)
    newest = await database.write(lambda session: reset_collection(session, name, is_dropped=is_dropped))
    if not newest:
        raise not_found("CollectionNotFound", f"there is no collection {name!r}")
    context_of(request).doorbell.ring(database.name, News(newest), "")


async def list_documents(request: Request) -> dict[str, Any]:
    """List documents by key, from just after `after`; the answer is cut at a number and at a size."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=False)
    collection = _collection(request)
    after = request.query_params.get("after", "")
    asked = query.whole_number(request, "limit")
    limit = min(DOCUMENTS_DEFAULT if asked is None else asked, DOCUMENTS_MAX)
    found = await database.read(
        lambda session: session.live_documents(collection, after=after, limit=limit + 1), is_small=False
    )
    documents: list[Raw] = []
    bytes_sent = 0
    for stored in found[:limit]:
        bytes_sent += len(stored.body or "")
        if documents and bytes_sent > PULL_BYTES_MAX:
            break
        documents.append(Raw(encode(_shown(collection, stored))))
    return {"documents": documents, "has_more": len(found) > len(documents)}


async def get_document(request: Request) -> dict[str, Any]:
    """Return one document."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=False)
    collection, key = _collection(request), request.path_params["key"]
    problem = key_problem(key)
    if problem is not None:
        raise bad_request(f"key: {problem}")
    stored = await database.read(lambda session: session.document(collection, key))
    if stored is None or stored.body is None:
        raise not_found("DocumentNotFound", f"there is no document {key!r} in {collection!r}")
    return _shown(collection, stored)


def _collection(request: Request) -> str:
    name: str = request.path_params["collection"]
    problem = name_problem(name)
    if problem is not None:
        raise bad_request(f"collection: {problem}")
    return name


def _shown(collection: str, stored: StoredDocument) -> dict[str, Any]:
    """Return a document with the fields the system adds: where it stands, its version, and when it last changed."""
    return {
        **decode(stored.body or "{}"),
        "_key": stored.key,
        "_id": f"{collection}/{stored.key}",
        "_version": Raw(stored.vector.encode()),
        "_timestamp": iso_text(stored.updated_ms),
    }


ROUTES = [
    Route("/_api/databases", answered(list_databases), methods=["GET"]),
    Route("/_api/database", answered(create_database), methods=["POST"]),
    Route("/_api/database/{database}/collection", answered(list_collections), methods=["GET"]),
    Route("/_api/database/{database}/collection/{collection}", answered(drop_collection), methods=["DELETE"]),
    Route("/_api/database/{database}/collection/{collection}/truncate", answered(truncate_collection), methods=["PUT"]),
    Route("/_api/database/{database}/document/{collection}", answered(list_documents), methods=["GET"]),
    Route("/_api/database/{database}/document/{collection}/{key}", answered(get_document), methods=["GET"]),
]
