"""Conflicts over HTTP: the list of them, deciding one, and the strategies that hold whatever the devices ask for."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request
from starlette.routing import Route

from solidb_sync.protocol import endpoints
from solidb_sync.protocol.messages import ConflictList, ResolveAnswer
from solidb_sync.protocol.names import name_problem
from solidb_sync.reconcile.strategy import STRATEGY_NAMES
from solidb_sync.server.auth.permissions import check_is_administrator
from solidb_sync.server.conflict_records import change_of, wire_conflicts
from solidb_sync.server.http import query
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.body import read_body
from solidb_sync.server.http.context import context_of, open_database, principal_of
from solidb_sync.server.live.doorbell import News
from solidb_sync.server.refusals import bad_request, not_found
from solidb_sync.server.resolve_conflict import read_resolution, resolve_conflict
from solidb_sync.server.storage.records import ConflictQuery
from solidb_sync.server.type_problems import field_problem
from solidb_sync.strict_json import JsonTextError, strict_json

CONFLICTS_MAX = 100
STATUSES = ("auto_resolved", "pending", "resolved", "replaced")


class PolicyRequest(Struct):
    """The body that sets the strategy of a collection."""

    strategy: str


_policies = msgspec.json.Decoder(PolicyRequest)


async def list_conflicts(request: Request) -> ConflictList:
    """List conflicts, oldest first: of one client or all, in one status or any, from just after one of them."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=False)
    status = request.query_params.get("status", "")
    if status and status not in STATUSES:
        raise bad_request(f"status: expected one of {', '.join(STATUSES)}, found {status[:40]!r}")
    asked = query.whole_number(request, "limit")
    limit = CONFLICTS_MAX if asked is None else min(max(asked, 1), CONFLICTS_MAX)
    wanted = ConflictQuery(
        client_id=request.query_params.get("client_id", ""),
        status=status,
        after=change_of(request.query_params.get("after", "")),
        limit=limit + 1,
    )
    found = await database.read(lambda session: session.conflicts(wanted), is_small=False)
    return ConflictList(wire_conflicts(found[:limit], in_full=True), has_more=len(found) > limit)


async def resolve(request: Request) -> ResolveAnswer:
    """Decide an open conflict."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=True)
    resolution = read_resolution(await read_body(request))
    context = context_of(request)
    now_ms = context.clock.now_ms()
    resolved = await database.write(lambda session: resolve_conflict(session, resolution, now_ms))
    context.doorbell.ring(database.name, News(resolved.seq), "")
    return resolved


async def list_policies(request: Request) -> dict[str, Any]:
    """Return the strategies that hold for collections whatever the devices ask for."""
    database = open_database(request, principal_of(request), request.path_params["database"], is_write=False)
    return {"policies": await database.read(lambda session: session.policies())}


async def set_policy(request: Request) -> dict[str, Any]:
    """Have a collection's conflicts decided by one strategy for everybody; for administrators."""
    principal = principal_of(request)
    check_is_administrator(principal)
    collection = _collection(request)
    try:
        text, value = strict_json(await read_body(request), is_envelope=True)
        strategy = _policies.decode(text).strategy
    except JsonTextError as problem:
        raise bad_request(f"body: {problem}") from problem
    except msgspec.ValidationError as problem:
        raise bad_request(field_problem(problem, value)) from problem
    if strategy not in STRATEGY_NAMES:
        raise bad_request(f"strategy: expected one of {', '.join(STRATEGY_NAMES)}, found {strategy[:40]!r}")
    database = open_database(request, principal, request.path_params["database"], is_write=True)
    await database.write(lambda session: session.save_policy(collection, strategy))
    return {"collection": collection, "strategy": strategy}


async def drop_policy(request: Request) -> dict[str, Any]:
    """Let the devices choose again; for administrators."""
    principal = principal_of(request)
    check_is_administrator(principal)
    collection = _collection(request)
    database = open_database(request, principal, request.path_params["database"], is_write=True)
    if not await database.write(lambda session: session.save_policy(collection, None)):
        raise not_found("PolicyNotFound", f"there is no policy for {collection!r}")
    return {"deleted": True}


def _collection(request: Request) -> str:
    name: str = request.path_params["collection"]
    problem = name_problem(name)
    if problem is not None:
        raise bad_request(f"collection: {problem}")
    return name


ROUTES = [
    Route(endpoints.CONFLICTS, answered(list_conflicts), methods=["GET"]),
    Route(endpoints.RESOLVE, answered(resolve), methods=["POST"]),
    Route(endpoints.POLICIES, answered(list_policies), methods=["GET"]),
    Route(endpoints.POLICIES + "/{collection}", answered(set_policy), methods=["PUT"]),
    Route(endpoints.POLICIES + "/{collection}", answered(drop_policy), methods=["DELETE"]),
]
