"""What a round of sync did, and how the sync stands."""

from __future__ import annotations

from dataclasses import dataclass, field

from solidb_sync.client.conflict_list import ConflictList
from solidb_sync.client.pull_progress import SyncProgress


@dataclass(frozen=True, slots=True)
class SyncProblem:
    """One thing that went wrong, in parts. `is_retryable`: the same may succeed later without a change.

    `request_id` names the request it came of in the server's log; empty when it came of none.
    """

    type: str
    message: str
    is_retryable: bool
    collection: str = ""
    key: str = ""
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """What one round did.

    `success`: no error, and nothing left that could have been sent. `pulled`: documents applied here. `pushed`: changes the
    server answered for. `conflicts`: those found in this round, a list that also behaves as their number. `errors`: texts
    for people; `error_details` the same in parts.
    """

    success: bool
    pulled: int = 0
    pushed: int = 0
    conflicts: ConflictList = field(default_factory=ConflictList)
    errors: list[str] = field(default_factory=list)
    error_details: list[SyncProblem] = field(default_factory=list)

    @property
    def conflict_count(self) -> int:
        """How many conflicts the round found."""
        return len(self.conflicts)


@dataclass(frozen=True, slots=True)
class SyncStatus:
    """How the sync stands: counts are of this device's changes, times ISO-8601 UTC, durations in milliseconds."""

    is_running: bool
    is_online: bool
    is_syncing: bool
    state: str
    pending: int
    held: int
    rejected: int
    conflicts: int
    cursor: int
    collections: tuple[str, ...]
    last_sync: str | None
    last_duration_ms: float | None
    last_error: str | None
    rounds: int
    failed_rounds: int
    consecutive_failures: int
    requests: int
    bytes_sent: int
    bytes_received: int
    filters: dict[str, str] = field(default_factory=dict)
    progress: SyncProgress | None = None
    """How far the pull has come that is running now and takes several pages."""
    skipped_rounds: int = 0
    """Rounds asked for by command while offline by hand."""
    of_other_users: int = 0
    """Changes kept for users of this device who are not signed in; they go out when their user signs in again."""
