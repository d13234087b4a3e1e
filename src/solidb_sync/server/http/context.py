"""What the routes of one server share, kept in the application's state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from solidb_sync.clock import Clock
from solidb_sync.protocol.names import name_problem
from solidb_sync.server.attachments import AttachmentStores
from solidb_sync.server.auth.permissions import (
    Administrator,
    Principal,
    check_may_use,
    identify,
    principal_digest,
    principal_name,
)
from solidb_sync.server.config import ServerConfig
from solidb_sync.server.databases import Database, Databases
from solidb_sync.server.live.doorbell import Doorbell
from solidb_sync.server.refusals import bad_request, client_of_another, not_found
from solidb_sync.server.storage.backend import ServerBackend


@dataclass(frozen=True, slots=True)
class ServerContext:
    """One server: its settings, its databases, its bell, and where time and randomness come from."""

    config: ServerConfig
    backend: ServerBackend
    databases: Databases
    clock: Clock
    random_bytes: Callable[[int], bytes]
    attachments: AttachmentStores
    doorbell: Doorbell = field(default_factory=Doorbell)


def context_of(request: Request) -> ServerContext:
    """Return the context of the server that got this request."""
    context = request.app.state.context
    assert isinstance(context, ServerContext)
    return context


def principal_of(request: Request) -> Principal:
    """Return who sent a request, or raise `RequestRefused` (401)."""
    context = context_of(request)
    return identify(request.headers, admin_key=context.config.admin_key, backend=context.backend)


def open_database(request: Request, principal: Principal, name: str, *, is_write: bool) -> Database:
    """Return the database a request names, if its sender may use it; an administrator's first use creates it."""
    check_may_use(principal, name, is_write=is_write)
    problem = name_problem(name)
    if problem is not None:
        raise bad_request(f"database: {problem}")
    database = context_of(request).databases.find(name, create=isinstance(principal, Administrator))
    if database is None:
        raise not_found("DatabaseNotFound", f"there is no database {name!r}")
    return database


async def check_client_is_of(principal: Principal, database: Database, client_id: str, *, claims: bool = True) -> None:
    """Raise `RequestRefused` (403) for another principal's client; one that nobody has used becomes this principal's."""
    asking = principal_name(principal)
    owner = database.owners.of(client_id)
    if owner is None:
        owner = await database.read(lambda session: session.owner(client_id))
        owner = database.owners.of(client_id) or owner
        if owner is not None:
            database.owners.learn(client_id, owner)
        else:
            if claims:
                database.owners.claim(client_id, asking)
            return
    if owner != asking:
        raise client_of_another(client_id, asking=principal_digest(asking), owner=principal_digest(owner))
