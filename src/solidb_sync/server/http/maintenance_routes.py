"""Maintenance over HTTP: run it now, instead of waiting for the schedule."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from solidb_sync.protocol import endpoints
from solidb_sync.server.auth.permissions import check_is_administrator
from solidb_sync.server.collect_attachments import collect_attachments
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.context import context_of, open_database, principal_of
from solidb_sync.server.maintenance import maintain


async def run_maintenance(request: Request) -> dict[str, Any]:
    """Collect old tombstones and compact vectors, and say how much was done; for administrators."""
    principal = principal_of(request)
    check_is_administrator(principal)
    database = open_database(request, principal, request.path_params["database"], is_write=True)
    context = context_of(request)
    did = await maintain(database, now_ms=context.clock.now_ms, retention_ms=context.config.retention_ms)
    attachments = await collect_attachments(
        database, context.attachments.of(database), now_ms=context.clock.now_ms, retention_ms=context.config.retention_ms
    )
    return {
        "attachments_collected": attachments,
        "tombstones_collected": did.tombstones_collected,
        "vectors_compacted": did.vectors_compacted,
        "stable": did.stable,
        "floor": did.floor,
    }


ROUTES = [Route(endpoints.MAINTENANCE, answered(run_maintenance), methods=["POST"])]
