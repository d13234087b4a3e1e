"""Numbers to watch a device by: as a record, and as the text that Prometheus reads.

Totals count since the manager was made; gauges are of now. The rate of conflicts and the failures in a row are the two to
be warned about.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from solidb_sync.client.results import SyncResult, SyncStatus


@dataclass(slots=True)
class RoundTotals:
    """What all rounds so far came to, added up."""

    pushed: int = 0
    pulled: int = 0
    conflicts: int = 0
    duration_ms: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)

    def add(self, result: SyncResult, duration_ms: float) -> None:
        """Add a round."""
        self.pushed += result.pushed
        self.pulled += result.pulled
        self.conflicts += len(result.conflicts)
        self.duration_ms += duration_ms
        self.errors.update(problem.type for problem in result.error_details)


@dataclass(frozen=True, slots=True)
class SyncMetrics:
    """How a device's sync does.

    `pending`, `held`, `rejected`, `conflicts_pending`: of now. `pushed`, `pulled`, `conflicts`, `rounds`, `failed_rounds`,
    `requests`, bytes (before compression), `duration_ms_total` and `errors` (by type, refused changes as `ChangeRejected`):
    since the manager was made. `conflict_rate`: conflicts for each change the server answered for.
    """

    is_online: bool
    is_auth_required: bool
    last_success_seconds: float | None
    """When a round last succeeded, in seconds since 1970; None: not since the manager was made."""
    pending: int
    held: int
    rejected: int
    conflicts_pending: int
    pushed: int
    pulled: int
    conflicts: int
    conflict_rate: float
    rounds: int
    failed_rounds: int
    consecutive_failures: int
    errors: Mapping[str, int]
    last_duration_ms: float | None
    mean_duration_ms: float | None
    duration_ms_total: float
    requests: int
    bytes_sent: int
    bytes_received: int

    def prometheus(self, **labels: str) -> str:
        """Return the text of Prometheus' exposition format 0.0.4; `labels` are put on every sample."""
        return "\n".join(_lines(self, labels)) + "\n"


def sync_metrics(status: SyncStatus, totals: RoundTotals, *, conflicts_pending: int) -> SyncMetrics:
    """Return the numbers of a device whose sync stands like this."""
    return SyncMetrics(
        is_online=status.is_online,
        is_auth_required=status.state == "auth_required",
        last_success_seconds=None if status.last_sync is None else datetime.fromisoformat(status.last_sync).timestamp(),
        pending=status.pending,
        held=status.held,
        rejected=status.rejected,
        conflicts_pending=conflicts_pending,
        pushed=totals.pushed,
        pulled=totals.pulled,
        conflicts=totals.conflicts,
        conflict_rate=totals.conflicts / totals.pushed if totals.pushed else 0.0,
        rounds=status.rounds,
        failed_rounds=status.failed_rounds,
        consecutive_failures=status.consecutive_failures,
        errors=dict(totals.errors),
        last_duration_ms=status.last_duration_ms,
        mean_duration_ms=totals.duration_ms / status.rounds if status.rounds else None,
        duration_ms_total=totals.duration_ms,
        requests=status.requests,
        bytes_sent=status.bytes_sent,
        bytes_received=status.bytes_received,
    )


class _Metric(NamedTuple):
    name: str
    kind: str
    help: str
    value: Callable[[SyncMetrics], float | None]


_METRICS = (
    _Metric("online", "gauge", "1 while the server is reachable and nobody has gone offline.", lambda m: m.is_online),
    _Metric("auth_required", "gauge", "1 while the server does not take the credentials.", lambda m: m.is_auth_required),
    _Metric("last_success_timestamp_seconds", "gauge", "When a round last succeeded.", lambda m: m.last_success_seconds),
    _Metric("pending_changes", "gauge", "Changes that wait for the server.", lambda m: m.pending),
    _Metric("held_changes", "gauge", "Changes the server has, not yet pulled back.", lambda m: m.held),
    _Metric("rejected_changes", "gauge", "Changes the server refused for good.", lambda m: m.rejected),
    _Metric("pending_conflicts", "gauge", "Conflicts that wait for somebody to decide.", lambda m: m.conflicts_pending),
    _Metric("consecutive_failures", "gauge", "Rounds failed in a row.", lambda m: m.consecutive_failures),
    _Metric("last_round_seconds", "gauge", "How long the last round took.", lambda m: _seconds(m.last_duration_ms)),
    _Metric("pushed_changes_total", "counter", "Changes the server answered for.", lambda m: m.pushed),
    _Metric("pulled_documents_total", "counter", "Documents applied here.", lambda m: m.pulled),
    _Metric("conflicts_total", "counter", "Conflicts found.", lambda m: m.conflicts),
    _Metric("rounds_total", "counter", "Rounds run.", lambda m: m.rounds),
    _Metric("failed_rounds_total", "counter", "Rounds that failed.", lambda m: m.failed_rounds),
    _Metric("round_seconds_total", "counter", "Time spent in rounds.", lambda m: _seconds(m.duration_ms_total)),
    _Metric("requests_total", "counter", "Requests sent.", lambda m: m.requests),
    _Metric("sent_bytes_total", "counter", "Bytes of requests, before compression.", lambda m: m.bytes_sent),
    _Metric("received_bytes_total", "counter", "Bytes of answers, after decompression.", lambda m: m.bytes_received),
)
_ERRORS = "solidb_sync_errors_total"


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _lines(metrics: SyncMetrics, labels: Mapping[str, str]) -> Iterator[str]:
    for metric in _METRICS:
        value = metric.value(metrics)
        if value is not None:
            name = f"solidb_sync_{metric.name}"
            yield from _head(name, metric.kind, metric.help)
            yield _sample(name, labels, value)
    if metrics.errors:
        yield from _head(_ERRORS, "counter", "What went wrong in rounds, by type.")
        for kind, count in sorted(metrics.errors.items()):
            yield _sample(_ERRORS, {**labels, "type": kind}, count)


def _head(name: str, kind: str, help_text: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} {kind}"


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    return f"{name}{_label_text(labels)} {value if isinstance(value, float) else int(value)!r}"


def _label_text(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
