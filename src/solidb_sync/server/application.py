"""Put the server together: settings, storage and a clock in, an ASGI application out. Nothing is global."""

from __future__ import annotations

import os
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from solidb_sync.clock import Clock
from solidb_sync.server.attachments import AttachmentStores
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.databases import Databases
from solidb_sync.server.http import (
    attachment_routes,
    auth_routes,
    conflict_routes,
    document_routes,
    health_routes,
    maintenance_routes,
    sync_routes,
)
from solidb_sync.server.http.answers import answer_http_exception
from solidb_sync.server.http.context import ServerContext
from solidb_sync.server.http.request_ids import RequestIds
from solidb_sync.server.storage.backend import ServerBackend


def build_app(
    config: ServerConfig, backend: ServerBackend, clock: Clock, *, random_bytes: Callable[[int], bytes] = os.urandom
) -> Starlette:
    """Return the server as an ASGI application; the caller opens and closes the backend.

    The context of the server is in `app.state.context`. Before the backend is closed, `shut_down` sends the listeners
    away and writes what is still in memory.
    """
    parts = (
        attachment_routes,
        sync_routes,
        conflict_routes,
        maintenance_routes,
        health_routes,
        document_routes,
        auth_routes,
    )
    app = Starlette(
        routes=[route for part in parts for route in part.ROUTES],
        exception_handlers={HTTPException: answer_http_exception},
    )
    attachments = AttachmentStores(bytes_max=config.attachment_bytes_max, total_bytes_max=config.attachments_total_bytes_max)
    app.add_middleware(RequestIds, random_bytes=random_bytes)
    app.router.redirect_slashes = False
    app.state.context = ServerContext(config, backend, Databases(backend, clock), clock, random_bytes, attachments)
    return app


async def shut_down(app: Starlette) -> None:
    """Send every listener away and write the notes on devices; the backend may be closed afterwards."""
    context: ServerContext = app.state.context
    context.doorbell.close()
    await context.databases.write_all_notes()
