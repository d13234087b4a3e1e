"""The SQL statements of maintenance. Values are bound; `{table}` is the table of a collection, by its number."""

from __future__ import annotations

LEAST_STABLE = "SELECT min(stable) FROM clients WHERE last_sync_ms >= ? AND stable IS NOT NULL"

# Made when it is first needed: it is over deleted documents only, so it costs nothing but deletions.
TOMBSTONE_INDEX = "CREATE INDEX IF NOT EXISTS {table}_tombstones ON {table} (seq) WHERE body IS NULL"
OLD_TOMBSTONES = """
SELECT doc, seq FROM {table}
WHERE body IS NULL AND seq <= :upto AND updated_ms < :before
  AND doc NOT IN (SELECT doc FROM crdt_states WHERE collection = :number)
  AND k NOT IN (SELECT key FROM conflict_log WHERE status = 'pending' AND collection = :name)
ORDER BY seq
LIMIT :limit"""
DROP_DOCUMENT = "DELETE FROM {table} WHERE doc = ?"
DROP_LATEST = "DELETE FROM latest WHERE seq = ?"
DROP_TOGETHER = "DELETE FROM together WHERE collection = ? AND doc = ?"
DROP_VIEW_ROWS = "DELETE FROM view_rows WHERE doc = ?"
RAISE_FLOOR = "UPDATE meta SET gc_floor = max(gc_floor, ?)"

COMPACTED = "SELECT compacted FROM meta"
SAVE_COMPACTED = "UPDATE meta SET compacted = ?"
SCAN = "SELECT seq, collection, doc FROM latest WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT ?"
KNOWLEDGE = """
SELECT doc, seq, vector, dots FROM {table}
WHERE doc IN (SELECT value FROM json_each(:rows)) AND body IS NOT NULL
  AND doc NOT IN (SELECT doc FROM crdt_states WHERE collection = :number)"""
SHORTEN = "UPDATE {table} SET vector = ?, dots = ? WHERE doc = ?"
