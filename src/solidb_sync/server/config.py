"""The settings of a server, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from solidb_sync.errors import ConfigError
from solidb_sync.model.attachment import LENGTH_MAX
from solidb_sync.protocol.addresses import PORT_DEFAULT, is_loopback
from solidb_sync.protocol.attachments import ATTACHMENT_BYTES_DEFAULT

ADMIN_KEY_CHARACTERS_MIN = 32
HEARTBEAT_SECONDS_MAX = 3600.0
RETENTION_DAYS_DEFAULT = 30.0
RETENTION_DAYS_MAX = 36_500.0
ATTACHMENTS_TOTAL_BYTES_DEFAULT = 64 * 1024 * 1024 * 1024
MAINTENANCE_SECONDS_MAX = 7 * 86_400.0


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where a server keeps its files, where it listens, and who administers it.

    `admin_key` may do everything in every database; empty means there is no such key. `port` 0 picks a free one.
    `heartbeat_seconds` is the time between the comment lines of an open event stream. A tombstone is kept for
    `retention_days` at least, and a device that was not here for as long is not waited for when tombstones are collected;
    `maintenance_seconds` is the time between two looks for what can be collected, 0 for none. One attachment
    has at most `attachment_bytes_max` bytes, all those of a database together at most `attachments_total_bytes_max`.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    port: int = PORT_DEFAULT
    admin_key: str = field(default="", repr=False)
    heartbeat_seconds: float = 15.0
    retention_days: float = RETENTION_DAYS_DEFAULT
    maintenance_seconds: float = 3600.0
    attachment_bytes_max: int = ATTACHMENT_BYTES_DEFAULT
    attachments_total_bytes_max: int = ATTACHMENTS_TOTAL_BYTES_DEFAULT

    def __post_init__(self) -> None:
        if not self.host:
            raise ConfigError("host: '' is not a host; use an address such as 127.0.0.1")
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port: {self.port} is not a port; use 0 (a free one) to 65535")
        if self.admin_key and len(self.admin_key) < ADMIN_KEY_CHARACTERS_MIN:
            raise ConfigError(
                f"admin_key: has {len(self.admin_key)} characters; use at least {ADMIN_KEY_CHARACTERS_MIN} random ones"
            )
        if not 0 < self.heartbeat_seconds <= HEARTBEAT_SECONDS_MAX:
            raise ConfigError(
                f"heartbeat_seconds: {self.heartbeat_seconds} is out of range; "
                f"use more than 0, at most {HEARTBEAT_SECONDS_MAX:g}"
            )
        if not 0 <= self.retention_days <= RETENTION_DAYS_MAX:
            raise ConfigError(f"retention_days: {self.retention_days} is out of range; use 0 to {RETENTION_DAYS_MAX:g}")
        if not 0 <= self.maintenance_seconds <= MAINTENANCE_SECONDS_MAX:
            raise ConfigError(
                f"maintenance_seconds: {self.maintenance_seconds} is out of range; use 0 to {MAINTENANCE_SECONDS_MAX:g}"
            )
        for name in ("attachment_bytes_max", "attachments_total_bytes_max"):
            if not 0 <= getattr(self, name) <= LENGTH_MAX:
                raise ConfigError(f"{name}: {getattr(self, name)} is out of range; use 0 to {LENGTH_MAX}")

    @property
    def retention_ms(self) -> int:
        """`retention_days` in milliseconds."""
        return round(self.retention_days * 86_400_000)


def check_may_listen(config: ServerConfig, *, has_keys: bool) -> None:
    """Raise `ConfigError` when the server would listen to other machines without anybody having a key to it."""
    if is_loopback(config.host) or config.admin_key or has_keys:
        return
    raise ConfigError(
        f"host: {config.host} can be reached from other machines, but there is no API key yet; "
        "set SOLIDB_API_KEY, create a key with `solidb-sync token create`, or listen on 127.0.0.1"
    )
