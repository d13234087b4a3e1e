"""API keys: `sk_` and 64 hex digits, shown once and stored as their SHA-256.

The key itself is 256 random bits, so a plain digest of it tells nobody anything.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from solidb_sync.clock import Clock, iso_text
from solidb_sync.errors import ConfigError
from solidb_sync.protocol.names import name_problem
from solidb_sync.server.storage.backend import ServerBackend
from solidb_sync.server.storage.records import ApiKey
from solidb_sync.server.storage.sqlite.server_backend import open_key_store

LABEL_CHARACTERS_MAX = 128
_KEY = re.compile(r"sk_[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key; `key` is the secret, which is not kept anywhere else."""

    id: str
    key: str
    name: str
    database: str
    read_only: bool
    created_at: str


def key_digest(key: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def same_secret(one: str, other: str) -> bool:
    """Return whether two secrets are the same, in a time that does not tell how much of them is."""
    return hmac.compare_digest(key_digest(one), key_digest(other))


def create_key(
    backend: ServerBackend,
    *,
    database: str,
    name: str,
    read_only: bool = False,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
) -> CreatedKey:
    """Store a new key for one database, which is created when it is missing, and return it with its secret."""
    problem = name_problem(database)
    if problem is not None:
        raise ConfigError(f"database: {problem}")
    if not name or len(name) > LABEL_CHARACTERS_MAX:
        raise ConfigError(f"name: a key's label has 1 to {LABEL_CHARACTERS_MAX} characters, found {len(name)}")
    key_id, secret, now_ms = random_bytes(8).hex(), f"sk_{random_bytes(32).hex()}", clock.now_ms()
    backend.add_api_key(ApiKey(key_id, key_digest(secret), name, database, read_only, now_ms))
    return CreatedKey(key_id, secret, name, database, read_only, iso_text(now_ms))


def create_api_key(
    data_dir: Path,
    *,
    database: str,
    name: str,
    read_only: bool = False,
    clock: Clock,
    random_bytes: Callable[[int], bytes],
) -> CreatedKey:
    """Do the same in the files of a server, which may be running."""
    backend = open_key_store(data_dir, clock=clock, random_bytes=random_bytes)
    try:
        return create_key(backend, database=database, name=name, read_only=read_only, clock=clock, random_bytes=random_bytes)
    finally:
        backend.close()


def find_key(backend: ServerBackend, presented: str) -> ApiKey | None:
    """Return the stored key that was presented, None when it is none of ours."""
    if not _KEY.fullmatch(presented):
        return None
    digest = key_digest(presented)
    found = backend.find_api_key(digest)
    return found if found is not None and hmac.compare_digest(found.digest, digest) else None
