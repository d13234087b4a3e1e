"""What each device has asked for: checked when it registers, kept with it, and named by a hash in every request.

A request that names other settings than the server holds is answered with `register` before anything is done, so that
nothing is ever judged or filtered by settings the device no longer has. A request written by hand names none, and gets what
its client has registered with.
"""

from __future__ import annotations

from solidb_sync.errors import FilterError
from solidb_sync.filters.row_filter import row_filter
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.protocol.client_settings import DEFAULT_SETTINGS, parse_settings, settings_hash, settings_text
from solidb_sync.protocol.limits import SETTINGS_BYTES_MAX, SETTINGS_ENTRIES_MAX
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.protocol.names import name_problem
from solidb_sync.reconcile.strategy import STRATEGY_NAMES
from solidb_sync.server.live_copies import settings_named
from solidb_sync.server.refusals import bad_request, filter_refused, too_large
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import StoredSettings
from solidb_sync.server.sync_request import SyncCall


def checked_settings(settings: ClientSettings) -> StoredSettings:
    """Return settings as they are kept, or raise `RequestRefused` naming the field that is wrong."""
    _check_strategy("settings.default_strategy", settings.default_strategy)
    for field, entries in (("strategies", settings.strategies), ("filters", settings.filters), ("whole", settings.whole)):
        if len(entries) > SETTINGS_ENTRIES_MAX:
            raise too_large(f"settings.{field}: {len(entries)} collections, at most {SETTINGS_ENTRIES_MAX} are kept")
        for collection in entries:
            problem = name_problem(collection)
            if problem is not None:
                raise bad_request(f"settings.{field}: {problem}")
    if not 0 <= settings.delta_threshold <= 1:
        raise bad_request(f"settings.delta_threshold: expected 0 to 1, found {settings.delta_threshold}")
    for collection, strategy in settings.strategies.items():
        _check_strategy(f"settings.strategies.{collection}", strategy)
    text = settings_text(settings)
    if len(text.encode()) > SETTINGS_BYTES_MAX:
        raise too_large(f"settings: {len(text.encode())} bytes of JSON, at most {SETTINGS_BYTES_MAX} are kept")
    _check_filters(settings)
    return StoredSettings(text, settings_hash(text))


def _check_filters(settings: ClientSettings) -> None:
    for collection, wire in settings.filters.items():
        try:
            row_filter(wire.query, wire.bind_vars, collection=collection)
        except FilterError as problem:
            raise filter_refused(f"settings.filters.{collection}: {problem}") from problem


def _check_strategy(field: str, strategy: str) -> None:
    if strategy not in STRATEGY_NAMES:
        raise bad_request(f"{field}: expected one of {', '.join(STRATEGY_NAMES)}, found {strategy[:40]!r}")


def must_register(session: ReadSession, call: SyncCall) -> bool:
    """Return whether a device names other settings than the server holds of it."""
    return bool(call.protocol) and settings_named(session, call.client_id, call.settings) is None


def delta_policy(session: ReadSession, call: SyncCall) -> DeltaPolicy:
    """Return when a device wants fields, and when whole documents; by hand, whatever is shorter."""
    if not call.protocol:
        return DeltaPolicy(1.0)
    settings = settings_of(session, call.client_id, call.named_settings)
    return DeltaPolicy(settings.delta_threshold, frozenset(settings.whole))


def settings_of(session: ReadSession, client_id: str, settings_hash: str | None) -> ClientSettings:
    """Return the settings that a request goes by, by their hash; without one, or one unknown, those registered last."""
    if settings_hash == "":
        return DEFAULT_SETTINGS
    named = settings_named(session, client_id, settings_hash) or session.settings(client_id)
    return parse_settings(named.text)
