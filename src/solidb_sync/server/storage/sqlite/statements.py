"""Every SQL statement of the server. Values are bound, never written into the text.

The only part of a statement that is put together is the table of a collection, `c_<number>`; the number is the collection's
integer id, checked by `for_collection`.
"""

from __future__ import annotations

RESETS_AFTER = "SELECT collection, seq, is_dropped FROM resets WHERE seq > ? ORDER BY seq"
SAVE_RESET = """
INSERT INTO resets (collection, seq, is_dropped) VALUES (?, ?, ?)
ON CONFLICT (collection) DO UPDATE SET seq = excluded.seq, is_dropped = excluded.is_dropped"""
EMPTY_COLLECTION = (
    "DELETE FROM latest WHERE collection = :number",
    "DELETE FROM crdt_states WHERE collection = :number",
    "DELETE FROM together WHERE collection = :number",
    "DELETE FROM view_rows WHERE view IN (SELECT id FROM views WHERE collection = :name)",
)
DELETE_DOCUMENTS = "DELETE FROM {table}"
DROP_TABLE = "DROP TABLE {table}"
DELETE_COLLECTION = "DELETE FROM collections WHERE id = ?"

HEAD = "SELECT epoch, newest, stamp, run, gc_floor FROM meta"
CREATE_HEAD = "INSERT INTO meta (id, epoch, newest) VALUES (1, ?, 0)"
SAVE_NEWEST = "UPDATE meta SET newest = ?"
SAVE_STAMP = "UPDATE meta SET stamp = ?"

BEGIN_RUN = """
INSERT INTO runs (id, first_seq)
SELECT (SELECT ifnull(max(number), 0) + 1 FROM runs) || '-' || ?, newest FROM meta
RETURNING id"""
SAVE_RUN = "UPDATE meta SET run = ?"
LAST_RUNS = "SELECT id FROM runs ORDER BY number DESC LIMIT ?"
RUN_NUMBER = "SELECT number FROM runs WHERE id = ?"
RUN_AFTER = "SELECT first_seq FROM runs WHERE number > ? ORDER BY number LIMIT 1"

ACTOR = "SELECT actor, client_id, highest, is_fenced, pushes, seen FROM actors WHERE actor = ?"
HIGHEST_COUNTERS = """
SELECT actor, max(highest, seen) FROM actors
WHERE actor IN (SELECT value FROM json_each(?))"""
SAVE_ACTOR = """
INSERT INTO actors (actor, client_id, highest, is_fenced, pushes) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (actor) DO UPDATE
SET highest = excluded.highest, is_fenced = excluded.is_fenced, pushes = excluded.pushes"""
RAISE_SEEN = """
INSERT INTO actors (actor, client_id, highest, is_fenced, pushes, seen) VALUES (?, ?, 0, 0, 0, ?)
ON CONFLICT (actor) DO UPDATE
SET seen = max(seen, excluded.seen)"""
ACTORS_OF_CLIENT = "SELECT actor FROM actors WHERE client_id = ?"

CLIENT = """
SELECT client_id, actor, acknowledged, cursor, collections, last_sync_ms, stable FROM clients
WHERE client_id = ? AND last_sync_ms IS NOT NULL"""
SAVE_CLIENT = """
INSERT INTO clients (client_id, incarnation, actor, acknowledged, cursor, collections, last_sync_ms, stable)
VALUES (?, 0, ?, ?, ?, ?, ?, ?)
ON CONFLICT (client_id) DO UPDATE SET
    actor = excluded.actor,
    acknowledged = excluded.acknowledged,
    cursor = excluded.cursor,
    collections = excluded.collections,
    last_sync_ms = excluded.last_sync_ms,
    stable = excluded.stable"""
OWNER = "SELECT owner FROM client_owners WHERE client_id = ?"
SAVE_OWNER = "INSERT OR IGNORE INTO client_owners (client_id, owner) VALUES (?, ?)"
INCARNATION = "SELECT incarnation FROM clients WHERE client_id = ?"
SAVE_INCARNATION = """
INSERT INTO clients (client_id, incarnation, actor, acknowledged, cursor, collections, last_sync_ms)
VALUES (?, ?, '', 0, 0, '{"names":null,"excluded":[]}', NULL)
ON CONFLICT (client_id) DO UPDATE SET incarnation = excluded.incarnation"""
FORGET_CLIENT = """
UPDATE clients
SET actor = '', acknowledged = 0, cursor = 0, collections = '{"names":null,"excluded":[]}', last_sync_ms = NULL,
    stable = NULL, settings = '', settings_hash = ''
WHERE client_id = ?"""
SETTINGS = "SELECT settings, settings_hash FROM clients WHERE client_id = ?"
SAVE_SETTINGS = """
INSERT INTO clients (client_id, incarnation, actor, acknowledged, cursor, collections, settings, settings_hash)
VALUES (?, 0, '', 0, 0, '{"names":null,"excluded":[]}', ?, ?)
ON CONFLICT (client_id) DO UPDATE SET settings = excluded.settings, settings_hash = excluded.settings_hash"""

OUTCOMES = """
SELECT actor, counter, change_id, status, seq, detail FROM outcomes
WHERE change_id IN (SELECT value FROM json_each(?))"""
ADD_OUTCOME = """
INSERT INTO outcomes (actor, counter, change_id, status, seq, detail) VALUES (?, ?, ?, ?, ?, ?)"""
CHANGE_OUTCOME = "UPDATE outcomes SET status = ?, seq = ?, detail = ? WHERE change_id = ?"

UNSETTLED = """
SELECT change_id, actor, counter, collection, key FROM unsettled
WHERE actor = ?
ORDER BY counter"""
ADD_UNSETTLED = """
INSERT OR REPLACE INTO unsettled (change_id, actor, counter, collection, key) VALUES (?, ?, ?, ?, ?)"""
DELETE_SETTLED = "DELETE FROM unsettled WHERE change_id = ?"

_CONFLICT = """
SELECT
    change_id, client_id, collection, key, strategy, winner, status, fields, written, lost, local, remote, base, at_ms, seq,
    resolved_seq
FROM conflict_log"""
CONFLICTS = (
    _CONFLICT
    + """
WHERE change_id IN (SELECT value FROM json_each(?))
ORDER BY id"""
)
OPEN_CONFLICT = (
    _CONFLICT
    + """
WHERE client_id = ? AND collection = ? AND key = ? AND status = 'pending'
ORDER BY id DESC
LIMIT 1"""
)
CONFLICTS_ASKED = (
    _CONFLICT
    + """
WHERE id > ifnull((SELECT max(id) FROM conflict_log WHERE change_id = :after), 0)
  AND (:client_id = '' OR client_id = :client_id)
  AND (:status = '' OR status = :status)
ORDER BY id
LIMIT :limit"""
)
ADD_CONFLICT = """
INSERT INTO conflict_log (
    change_id, client_id, collection, key, strategy, winner, status, fields, written, lost, local, remote, base, at_ms, seq,
    resolved_seq
)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
SETTLE_CONFLICT = "UPDATE conflict_log SET resolved_seq = ?, status = ? WHERE change_id = ? AND status = 'pending'"
SETTLED_SINCE = """
SELECT change_id FROM conflict_log
WHERE client_id = ? AND resolved_seq > ? AND resolved_seq <= ?
ORDER BY resolved_seq, id"""
OVERRULED_SINCE = """
SELECT DISTINCT collection, key FROM conflict_log
WHERE client_id = ? AND seq > ? AND winner <> 'local'"""

POLICIES = "SELECT collection, strategy FROM policies ORDER BY collection"
SAVE_POLICY = """
INSERT INTO policies (collection, strategy) VALUES (?, ?)
ON CONFLICT (collection) DO UPDATE SET strategy = excluded.strategy"""
DROP_POLICY = "DELETE FROM policies WHERE collection = ?"

COLLECTION_ID = "SELECT id FROM collections WHERE name = ?"
COLLECTIONS = "SELECT id, name FROM collections ORDER BY name"
COLLECTIONS_NAMED = "SELECT id, name FROM collections WHERE name IN (SELECT value FROM json_each(?))"
COUNT_COLLECTIONS = "SELECT count(*) FROM collections"
ADD_COLLECTION = "INSERT INTO collections (name) VALUES (?) RETURNING id"

# The inner LIMIT bounds the scan, the outer one the answer; the inner query yields its rows one by one.
LOG_AFTER = """
SELECT seq, collection, doc, author, counter, is_applied FROM (
    SELECT seq, collection, doc, author, counter, is_applied FROM latest
    WHERE seq > :cursor
    ORDER BY seq
    LIMIT :scan
)
WHERE NOT (is_applied AND author = :actor AND (counter <= :acknowledged OR counter BETWEEN :first AND :last))
  AND (:wanted IS NULL OR collection IN (SELECT value FROM json_each(:wanted)))
ORDER BY seq
LIMIT :limit"""
STRETCH_AFTER = f"""
SELECT count(*), min(seq), max(seq), min(collection), max(collection)
FROM ({LOG_AFTER})"""
AUTHORS = """
SELECT author, max(counter) FROM latest
WHERE seq BETWEEN :first_seq AND :last_seq
  AND NOT (is_applied AND author = :actor AND (counter <= :acknowledged OR counter BETWEEN :first AND :last))
  AND (:wanted IS NULL OR collection IN (SELECT value FROM json_each(:wanted)))
GROUP BY author"""
COUNT_AFTER = """
SELECT count(*) FROM (
    SELECT seq, collection, author, counter, is_applied FROM latest
    WHERE seq > :cursor
    ORDER BY seq
    LIMIT :scan
)
WHERE NOT (is_applied AND author = :actor AND (counter <= :acknowledged OR counter BETWEEN :first AND :last))
  AND (:wanted IS NULL OR collection IN (SELECT value FROM json_each(:wanted)))"""
SCANNED_TO = "SELECT seq FROM latest WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?"
ANY_TOGETHER = "SELECT 1 FROM together WHERE tx > ? LIMIT 1"
LINKED_DOCUMENTS = """
WITH RECURSIVE linked (collection, doc) AS (
    SELECT value ->> 0, value ->> 1 FROM json_each(:rows)
    UNION
    SELECT other.collection, other.doc
    FROM linked
    JOIN together AS mine ON mine.collection = linked.collection AND mine.doc = linked.doc AND mine.tx > :since
    JOIN together AS other ON other.tx = mine.tx
    LIMIT :limit
)
SELECT collection, doc FROM linked"""
ENTRIES_OF = """
SELECT latest.seq, latest.collection, latest.doc, latest.author, latest.counter, latest.is_applied
FROM {table}
JOIN latest ON latest.seq = {table}.seq
WHERE {table}.doc IN (SELECT value FROM json_each(?))
ORDER BY latest.seq"""
ADD_TOGETHER = """
INSERT INTO together (collection, doc, tx)
SELECT ?, doc, ? FROM {table}
WHERE k = ?"""
ADD_LATEST = "INSERT INTO latest (seq, collection, doc, author, counter, is_applied) VALUES (?, ?, ?, ?, ?, ?)"
DELETE_LATEST = "DELETE FROM latest WHERE seq = ?"

# doc is the document's number in the log, the sequence that made it; the key has its own unique index.
CREATE_COLLECTION_TABLE = """
CREATE TABLE {table} (
    doc INTEGER PRIMARY KEY,
    k TEXT NOT NULL UNIQUE,
    body BLOB,
    vector TEXT NOT NULL,
    dots TEXT NOT NULL,
    seq INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT"""
FIND = """
SELECT doc, k, seq, updated_ms, vector, dots, body IS NULL, coalesce(length(body), 0) FROM {table}
WHERE k IN (SELECT value FROM json_each(?))"""
BODY = "SELECT json(body) FROM {table} WHERE doc = ?"
BODIES = "SELECT doc, json(body) FROM {table} WHERE doc IN (SELECT value FROM json_each(?))"
DOCUMENTS_AT = """
SELECT doc, k, seq, updated_ms, vector, dots, json(body) FROM {table}
WHERE doc IN (SELECT value FROM json_each(?))"""
# The text of a page is put together here, as `ServerChange` is encoded: it costs half, and holds up no other thread.
_IN_STRETCH = """
FROM latest
JOIN {table} ON {table}.doc = latest.doc
WHERE latest.seq BETWEEN :first_seq AND :last_seq
  AND latest.collection = :number
  AND NOT (is_applied AND author = :actor AND (counter <= :acknowledged OR counter BETWEEN :first AND :last))"""
BYTES_IN_STRETCH = "SELECT sum(octet_length(k) + octet_length(vector) + ifnull(octet_length(body), 0))" + _IN_STRETCH
TEXT_BYTES_IN_STRETCH = (
    "SELECT sum(octet_length(k) + octet_length(vector) + ifnull(octet_length(json(body)), 0))" + _IN_STRETCH
)
PAGE_TEXT = (
    """
SELECT group_concat(change) FROM (
    SELECT concat(
        '{"collection":', :name, ',"key":', json_quote(k), ',"operation":',
        iif(body IS NULL, '"delete"', '"insert","document":'), json(body),
        ',"version_vector":', vector, ',"seq":', latest.seq,
        ',"timestamp":"', strftime('%Y-%m-%dT%H:%M:%fZ', updated_ms / 1000.0, 'unixepoch'), '"}'
    ) AS change"""
    + _IN_STRETCH
    + """
    ORDER BY latest.seq
)"""
)
DOCUMENT = "SELECT doc, k, seq, updated_ms, vector, dots, json(body) FROM {table} WHERE k = ?"
LIVE_DOCUMENTS = """
SELECT doc, k, seq, updated_ms, vector, dots, json(body) FROM {table}
WHERE k > ? AND body IS NOT NULL
ORDER BY k
LIMIT ?"""
COUNT_LIVE = "SELECT count(*) FROM {table} WHERE body IS NOT NULL"
ADD_DOCUMENT = """
INSERT INTO {table} (doc, k, body, vector, dots, seq, updated_ms) VALUES (?, ?, jsonb(?), ?, ?, ?, ?)"""
CHANGE_DOCUMENT = """
UPDATE {table} SET body = jsonb(?), vector = ?, dots = ?, seq = ?, updated_ms = ? WHERE doc = ?"""

# A batch of new documents comes as one array and is written without a step for each: jsonb_each hands out its parts
# as they are. The key of an element is its place in the batch.
AS_JSONB = "SELECT jsonb(?)"
ADD_NEW_DOCUMENTS = """
INSERT INTO {table} (doc, k, body, vector, dots, seq, updated_ms)
SELECT
    seq, jsonb_extract(value, '$.key'), jsonb_extract(value, '$.document'),
    concat('{', :actor_text, ':', counter, '}'),
    concat('{"":[', :actor_text, ',', counter, ',', seq, ']}'),
    seq, :now_ms
FROM (
    SELECT value, value ->> '$.counter' AS counter, :newest + 1 + key AS seq
    FROM jsonb_each(:changes)
    WHERE value ->> '$.collection' = :name
)"""
ADD_NEW_TO_LATEST = """
INSERT INTO latest (seq, collection, doc, author, counter, is_applied)
SELECT :newest + 1 + key, collections.id, :newest + 1 + key, :actor, value ->> '$.counter', 1
FROM jsonb_each(:changes)
JOIN collections ON collections.name = value ->> '$.collection'"""
ADD_NEW_OUTCOMES = """
INSERT INTO outcomes (actor, counter, change_id, status, seq, detail)
SELECT :actor, value ->> '$.counter', value ->> '$.id', 'applied', :newest + 1 + key, ''
FROM jsonb_each(:changes)"""

HAS_CRDT_STATES = "SELECT 1 FROM crdt_states WHERE collection = ? LIMIT 1"
CRDT_STATES = """
SELECT doc, state FROM crdt_states
WHERE collection = ? AND doc IN (SELECT value FROM json_each(?))"""
SAVE_CRDT_STATE = "INSERT OR REPLACE INTO crdt_states (collection, doc, state) VALUES (?, ?, ?)"

DATABASES = "SELECT name FROM databases ORDER BY name"
COUNT_DATABASES = "SELECT count(*) FROM databases"
DATABASE_ID = "SELECT id FROM databases WHERE name = ?"
ADD_DATABASE = "INSERT INTO databases (name, created_ms) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"

API_KEY_BY_DIGEST = """
SELECT id, digest, name, database, read_only, created_ms FROM api_keys
WHERE digest = ?"""
API_KEYS = "SELECT id, digest, name, database, read_only, created_ms FROM api_keys ORDER BY created_ms, id"
ADD_API_KEY = """
INSERT INTO api_keys (id, digest, name, database, read_only, created_ms) VALUES (?, ?, ?, ?, ?, ?)"""
DELETE_API_KEY = "DELETE FROM api_keys WHERE id = ? RETURNING id"


def for_collection(statement: str, collection: int) -> str:
    """Return a statement over the table of one collection.

    >>> for_collection(COUNT_LIVE, 3)
    'SELECT count(*) FROM c_3 WHERE body IS NOT NULL'
    """
    return statement.replace("{table}", f"c_{int(collection)}")
