"""Who is asking, and what they may do. Nothing is allowed that is not said here.

An administrator may do everything. The holder of an API key may read, and unless the key is read-only write, the one
database the key is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from solidb_sync.server.auth.api_keys import find_key, same_secret
from solidb_sync.server.refusals import forbidden, unauthorized
from solidb_sync.server.storage.backend import ServerBackend

DIGEST_DIGITS = 32


@dataclass(frozen=True, slots=True)
class Administrator:
    """Knows the server's own key."""


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Has a key to one database."""

    database: str
    read_only: bool
    name: str = ""


Principal = Administrator | KeyHolder


def identify(headers: Mapping[str, str], *, admin_key: str, backend: ServerBackend) -> Principal:
    """Return who sent these headers, or raise `RequestRefused` (401)."""
    presented = presented_key(headers)
    if presented is None:
        raise unauthorized("no credentials; send an API key as X-API-Key or Authorization: Bearer")
    if admin_key and same_secret(presented, admin_key):
        return Administrator()
    found = find_key(backend, presented)
    if found is None:
        raise unauthorized("these credentials are not known here")
    return KeyHolder(found.database, found.read_only, found.name)


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Return the key in a request's headers: `X-API-Key`, or `Authorization` with `Bearer` or `ApiKey`."""
    key = headers.get("x-api-key")
    if key:
        return key.strip()
    scheme, _, credentials = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() in ("bearer", "apikey") and credentials.strip():
        return credentials.strip()
    return None


def check_may_use(principal: Principal, database: str, *, is_write: bool) -> None:
    """Raise `RequestRefused` (403) unless this principal may read, or write, this database."""
    match principal:
        case Administrator():
            return
        case KeyHolder(database=own, read_only=read_only):
            if own != database:
                raise forbidden(f"this key is not for the database {database[:128]!r}")
            if is_write and read_only:
                raise forbidden("this key is read-only")


def principal_name(principal: Principal) -> str:
    """Return who this is, whatever is presented: all keys of one name to a database are one principal's."""
    match principal:
        case Administrator():
            return "administrator"
        case KeyHolder(name=name):
            return f"key:{name}"


def principal_digest(name: str) -> str:
    """Return what stands for a principal towards devices: the same for the same one, and not its name."""
    return hashlib.sha256(f"principal:{name}".encode()).hexdigest()[:DIGEST_DIGITS]


def check_is_administrator(principal: Principal) -> None:
    """Raise `RequestRefused` (403) unless this is an administrator."""
    if not isinstance(principal, Administrator):
        raise forbidden("only the administrator's key may do this")
