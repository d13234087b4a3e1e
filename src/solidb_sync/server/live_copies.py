"""Two copies of one store that both live under one client id: each keeps the settings and the views it goes by.

A store that was copied with its client id (a machine's image, a file taken along) goes on twice. The edits of the copies
never mix, because the first clash gives each an incarnation of its own. Settings and views are kept by the client id: with
different filters each copy would register its own in the place of the other's, begin its views anew and so make the
other begin anew, for ever. So once the server has noticed copies it takes nothing from one for the sake of the other:

- the settings a copy names are looked for among the last that were registered, too;
- a view is not forgotten because a newer one of the same collection is in use.

It notices them when a device registers settings `again` (it has registered them before, and no others since) and the server
holds others; when a device goes by a view that is gone; or by one that is older than another it has caught up with. A
store that was put back to a backup can look like that. It costs nothing but room, until nothing of the kind was noticed for
the retention time.
"""

from __future__ import annotations

from solidb_sync.server.storage.backend import ReadSession, WriteSession
from solidb_sync.server.storage.records import StoredSettings

EARLIER_SETTINGS_MAX = 7
"""How many settings are kept for other copies, beside those registered last."""
NOTED_AGAIN_AFTER_MS = 86_400_000
"""Copies that live on are noted this often, not at every request."""


def has_copies(session: ReadSession, client_id: str) -> bool:
    """Return whether several copies of a store live under a client id."""
    return session.copies_noticed_ms(client_id) is not None


def is_due(session: ReadSession, client_id: str, now_ms: int) -> bool:
    """Return whether copies that were noticed just now should be noted."""
    noted = session.copies_noticed_ms(client_id)
    return noted is None or not 0 <= now_ms - noted < NOTED_AGAIN_AFTER_MS


def replace_settings(session: WriteSession, client_id: str, settings: StoredSettings) -> None:
    """Register settings; those registered before are kept when another copy may go by them."""
    before = session.settings(client_id)
    if before == settings:
        return
    if has_copies(session, client_id):
        session.keep_settings(client_id, before, most=EARLIER_SETTINGS_MAX)
    session.save_settings(client_id, settings)


def settings_named(session: ReadSession, client_id: str, settings_hash: str | None) -> StoredSettings | None:
    """Return the settings a request goes by, None when they are not registered; without a hash, those registered last."""
    latest = session.settings(client_id)
    if settings_hash is None or latest.hash == settings_hash:
        return latest
    return session.earlier_settings(client_id, settings_hash) if has_copies(session, client_id) else None
