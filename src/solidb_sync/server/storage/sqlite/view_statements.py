"""The SQL statements about views. Values are bound, never written into the text."""

from __future__ import annotations

from solidb_sync.server.storage.views import RowState

_VIEW = "SELECT id, client_id, collection, filter, is_settled, floor FROM views"
VIEWS_OF = f"{_VIEW} WHERE client_id = ? ORDER BY id"
VIEW_ROWS = """
SELECT doc, since, state FROM view_rows
WHERE view = ? AND doc IN (SELECT value FROM json_each(?))"""
# Told to leave at a sequence the device has passed. When the document has changed since then, its place in the log is a
# later one: the device may have passed the old place without having met it, and is told again at the new one.
_LEFT = f"""
FROM view_rows
WHERE view = ? AND state = {RowState.LEAVING:d} AND since <= ?
  AND (since = 0 OR EXISTS (SELECT 1 FROM latest WHERE latest.seq = view_rows.since AND latest.doc = view_rows.doc))"""
HAS_LEFT = f"SELECT 1{_LEFT} LIMIT 1"
HOLDERS = """
SELECT DISTINCT views.client_id
FROM view_rows
JOIN views ON views.id = view_rows.view
WHERE view_rows.doc IN (SELECT value FROM json_each(?))"""

ADD_VIEW = """
INSERT INTO views (client_id, collection, filter, is_settled, floor) VALUES (?, ?, ?, ?, 0)
RETURNING id"""
COPY_VIEW = f"""
INSERT INTO view_rows (view, doc, since, state)
SELECT :view, doc, since, iif(state = {RowState.HELD:d} AND since <= :cursor, {RowState.HELD:d}, {RowState.UNSURE:d})
FROM view_rows
WHERE view = :base"""
FILL_WITH_COLLECTION = f"""
INSERT INTO view_rows (view, doc, since, state)
SELECT :view, doc, 0, {RowState.HELD:d}
FROM {{table}}
WHERE doc <= :cursor AND (body IS NOT NULL OR seq > :cursor)"""
# Single documents from beyond the cursor came along with their transactions; nothing says which.
FILL_BEYOND_CURSOR = f"""
INSERT INTO view_rows (view, doc, since, state)
SELECT :view, doc, 0, {RowState.UNSURE:d}
FROM {{table}}
WHERE doc > :cursor AND doc <= :horizon"""
FILL_WITH_OWN = f"""
INSERT OR IGNORE INTO view_rows (view, doc, since, state)
SELECT :view, doc, 0, {RowState.UNSURE:d}
FROM {{table}}
WHERE instr(vector, :first_life) OR instr(vector, :later_life)"""
PUT_VIEW_ROW = "INSERT OR REPLACE INTO view_rows (view, doc, since, state) VALUES (?, ?, ?, ?)"
HIGHEST_LEFT = f"SELECT max(since){_LEFT}"
DROP_LEFT = f"DELETE{_LEFT}"
RAISE_FLOOR = "UPDATE views SET floor = max(floor, ?) WHERE id = ?"
SETTLE_VIEW = "UPDATE views SET is_settled = 1 WHERE id = ?"
SETTLE_ROWS = f"UPDATE view_rows SET state = {RowState.HELD:d}, since = 0 WHERE view = ? AND state = {RowState.SENT:d}"
DROP_VIEW_ROWS = "DELETE FROM view_rows WHERE view IN (SELECT value FROM json_each(?))"
DROP_VIEWS = "DELETE FROM views WHERE id IN (SELECT value FROM json_each(?))"
_PUSHED = """
FROM latest
JOIN collections ON collections.id = latest.collection
JOIN views ON views.client_id = :client_id AND views.collection = collections.name
WHERE latest.seq > :after"""
# A document is numbered by the sequence that made it. Its maker holds it as it is, unless another has written since.
ADD_CREATED = f"""
INSERT OR REPLACE INTO view_rows (view, doc, since, state)
SELECT views.id, latest.doc, latest.doc, {RowState.HELD:d}{_PUSHED} AND latest.doc > :after AND latest.is_applied"""
ADD_CHANGED = f"""
INSERT INTO view_rows (view, doc, since, state)
SELECT views.id, latest.doc, 0, {RowState.UNSURE:d}{_PUSHED} AND (latest.doc <= :after OR NOT latest.is_applied)
ON CONFLICT (view, doc) DO UPDATE SET state = {RowState.UNSURE:d} WHERE state = {RowState.LEAVING:d}"""
