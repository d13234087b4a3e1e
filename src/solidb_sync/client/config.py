"""The settings of a sync manager: frozen, every field with a default, checked when made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from solidb_sync.client.conflict_strategy import ConflictStrategy
from solidb_sync.errors import ConfigError
from solidb_sync.protocol.limits import CHANGES_PER_BATCH_MAX
from solidb_sync.protocol.names import name_problem

INTERVAL_SECONDS_MIN = 0.01
INTERVAL_SECONDS_MAX = 7 * 24 * 3600
RETRIES_MAX = 100
ATTACHMENT_POLICIES = ("eager", "on_demand")


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncConfig:
    """How a `SyncManager` behaves.

    `database`: None takes the client's. `sync_interval_secs`: seconds between rounds while online. `batch_size`: most
    changes in one request, either way. `max_retries`: attempts after a failed round before the normal interval takes
    over; data is kept. `auto_sync`: False does nothing until asked. `live`: listen for the server's doorbell.
    `collections`: which to sync, empty is all. `conflict_strategy`: how conflicts are decided where nothing else was set.
    `delta_threshold`: share of the whole above which a whole document is sent. `max_pending_changes`: None is no limit; a
    save beyond it raises `StorageFullError`. `attachments`: "eager" fetches the bytes of what documents name as they come,
    "on_demand" when somebody opens them. `conflicts_kept_max`: how many decided conflicts `cleanup()` leaves in the log.
    `cleanup_interval_secs`: seconds between two `cleanup()`s while it syncs by itself, None to leave them to the app.
    """

    database: str | None = None
    sync_interval_secs: float = 30
    batch_size: int = 100
    max_retries: int = 5
    auto_sync: bool = True
    live: bool = True
    collections: tuple[str, ...] = ()
    local_storage_path: str | None = None
    encryption_key: str | bytes | None = field(default=None, repr=False)
    conflict_strategy: ConflictStrategy = ConflictStrategy.LAST_WRITE_WINS
    delta_threshold: float = 0.5
    storage_limit_bytes: int | None = None
    max_pending_changes: int | None = None
    conflicts_kept_max: int = 10_000
    cleanup_interval_secs: float | None = 3600
    attachments: str = "eager"

    def __post_init__(self) -> None:
        object.__setattr__(self, "collections", _names(self.collections))
        if self.database is not None and (problem := name_problem(self.database)):
            raise ConfigError(f"database: {problem}")
        check_interval("sync_interval_secs", self.sync_interval_secs)
        if self.cleanup_interval_secs is not None:
            check_interval("cleanup_interval_secs", self.cleanup_interval_secs)
        _check_integer("batch_size", self.batch_size, 1, CHANGES_PER_BATCH_MAX)
        _check_integer("max_retries", self.max_retries, 0, RETRIES_MAX)
        _check_number("delta_threshold", self.delta_threshold, 0, 1)
        for name in ("auto_sync", "live"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name}: expected True or False, found {getattr(self, name)!r}")
        for name in ("storage_limit_bytes", "max_pending_changes"):
            if getattr(self, name) is not None:
                _check_integer(name, getattr(self, name), 1, 2**62)
        _check_integer("conflicts_kept_max", self.conflicts_kept_max, 0, 2**62)
        if self.attachments not in ATTACHMENT_POLICIES:
            raise ConfigError(f"attachments: expected one of {', '.join(ATTACHMENT_POLICIES)}, found {self.attachments!r}")
        if not isinstance(self.conflict_strategy, ConflictStrategy):
            raise ConfigError(f"conflict_strategy: expected a ConflictStrategy, found {self.conflict_strategy!r}")


def _names(collections: Iterable[str]) -> tuple[str, ...]:
    if isinstance(collections, str):
        raise ConfigError(f"collections: expected a list of names, found the string {collections!r}")
    names = tuple(collections)
    for name in names:
        problem = name_problem(name) if isinstance(name, str) else f"{name!r} is not a string"
        if problem:
            raise ConfigError(f"collections: {problem}")
    return names


def check_interval(name: str, seconds: object) -> None:
    """Raise `ConfigError` unless this can be the time between two rounds, or two cleanups."""
    _check_number(name, seconds, INTERVAL_SECONDS_MIN, INTERVAL_SECONDS_MAX)


def _check_number(name: str, value: object, least: float, most: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
        raise ConfigError(f"{name}: expected a number from {least} to {most}, found {value!r}")


def _check_integer(name: str, value: object, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise ConfigError(f"{name}: expected an integer from {least} to {most}, found {value!r}")
