"""The paths of the sync protocol: the only place where they are spelt."""

from __future__ import annotations

from urllib.parse import quote

DELTA = "/_api/sync/delta"
PULL = "/_api/sync/pull/{database}"
PUSH = "/_api/sync/push/{database}"
STATUS = "/_api/sync/status/{database}"
STREAM = "/_api/sync/stream/{database}"
OFFER = "/_api/sync/offer/{database}"
CLIENTS = "/_api/sync/clients/{database}"
CONFLICTS = "/_api/sync/conflicts/{database}"
RESOLVE = "/_api/sync/resolve/{database}"
POLICIES = "/_api/sync/policies/{database}"
MAINTENANCE = "/_api/sync/maintenance/{database}"
FETCH = "/_api/sync/fetch/{database}"
EXPLAIN = "/_api/sync/explain/{database}"
ATTACHMENT = "/_api/sync/attachments/{database}/{digest}"
HEALTH = "/_api/health"


def path_for(template: str, database: str) -> str:
    """Return the path of an endpoint for one database.

    >>> path_for(PULL, "mydb")
    '/_api/sync/pull/mydb'
    """
    return template.replace("{database}", quote(database, safe=""))
