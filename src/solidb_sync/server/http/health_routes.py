"""Probes: whether the server runs, and whether its storage answers. They need no credentials and tell nothing else."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from solidb_sync.clock import iso_text
from solidb_sync.protocol import endpoints
from solidb_sync.server.http.answers import answered
from solidb_sync.server.http.context import context_of


async def health(request: Request) -> dict[str, Any]:
    """Say that the server runs, and what time it has."""
    return {"status": "ok", "timestamp": iso_text(context_of(request).clock.now_ms())}


async def ready(request: Request) -> dict[str, Any]:
    """Say that the storage answers; 503 when it does not."""
    context_of(request).backend.check()
    return {"status": "ok"}


ROUTES = [
    Route(endpoints.HEALTH, answered(health), methods=["GET"]),
    Route("/healthz", answered(health), methods=["GET"]),
    Route("/readyz", answered(ready), methods=["GET"]),
]
