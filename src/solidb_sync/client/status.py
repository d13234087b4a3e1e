"""Gather how the sync stands into one record."""

from __future__ import annotations

from solidb_sync.client.known_views import wanted_filters
from solidb_sync.client.pull_progress import SyncProgress
from solidb_sync.client.results import SyncStatus
from solidb_sync.client.rounds import Rounds
from solidb_sync.client.scope import wanted_scope
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.clock import iso_text
from solidb_sync.storage.conflict_log import is_own
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.other_users import kept_for_others
from solidb_sync.storage.records import ChangeState


def sync_status(
    store: LocalStore,
    server: ServerCalls,
    rounds: Rounds,
    *,
    is_running: bool,
    is_online: bool,
    configured: tuple[str, ...],
    progress: SyncProgress | None = None,
) -> SyncStatus:
    """Return the present state of a manager; `collections` is empty when all are synced."""
    history = rounds.history
    scope = store.view(lambda reader: wanted_scope(reader, configured))
    return SyncStatus(
        is_running=is_running,
        is_online=is_online,
        is_syncing=rounds.is_running,
        state=history.state,
        pending=store.view(lambda reader: reader.count_changes(ChangeState.PENDING)),
        held=store.view(lambda reader: reader.count_changes(ChangeState.HELD)),
        rejected=store.view(lambda reader: reader.count_changes(ChangeState.REJECTED)),
        conflicts=sum(map(is_own, store.view(lambda reader: reader.conflicts()))),
        of_other_users=store.view(kept_for_others),
        cursor=store.view(lambda reader: reader.replica().cursor),
        collections=tuple(sorted(scope.names or ())),
        filters={name: wire.query for name, wire in store.view(lambda reader: wanted_filters(reader, scope)).items()},
        last_sync=None if history.last_success_ms is None else iso_text(history.last_success_ms),
        last_duration_ms=history.last_duration_ms,
        last_error=history.last_error,
        rounds=history.rounds,
        failed_rounds=history.failed,
        consecutive_failures=history.consecutive_failures,
        requests=server.requests,
        bytes_sent=server.bytes_sent,
        bytes_received=server.bytes_received,
        progress=progress,
        skipped_rounds=history.skipped,
    )
