"""Every statement of the local SQLite engine. Only bound parameters; a table name is made of a number of ours."""

from __future__ import annotations

from dataclasses import dataclass

from sdbql.sqlite_paths import INDEX_CONDITION, index_expressions, index_key, index_rank, path_literal
from solidb_sync.storage.field_path import FieldPath

ANY_TABLE = "SELECT 1 FROM sqlite_schema LIMIT 1"

_REPLICA = """device_id, store_id, last_change, incarnation, counter, settled, pushes, cursor, caught_up,
        covered, excluded, epoch, is_resyncing, must_renew, run, horizon, offered, stable, alias"""
READ_OWNER = "SELECT device_id FROM replica"
READ_REPLICA = f"SELECT {_REPLICA} FROM replica"
WRITE_REPLICA = f"""
    INSERT OR REPLACE INTO replica
        (one, {_REPLICA})
    VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

READ_COLLECTIONS = "SELECT name, id FROM collections"
READ_TABLE = "SELECT 'c_' || id FROM collections WHERE name = ?"
ADD_COLLECTION = "INSERT INTO collections (name) VALUES (?) RETURNING id"

READ_BASE = """
    SELECT json(body), is_deleted, vector, stamp
    FROM bases
    WHERE collection = ? AND k = ?
"""
HAS_BASES = "SELECT 1 FROM bases LIMIT 1"
READ_BASES = "SELECT collection, k, json(body), is_deleted, vector, stamp FROM bases ORDER BY collection, k"
WRITE_BASE = """
    INSERT OR REPLACE INTO bases (collection, k, body, is_deleted, vector, stamp)
    VALUES (?, ?, jsonb(?), ?, ?, ?)
"""
DROP_BASE = "DELETE FROM bases WHERE collection = ? AND k = ?"

READ_STATES = "SELECT base, visible FROM crdt_states WHERE collection = ? AND k = ?"
HAS_STATES = "SELECT 1 FROM crdt_states LIMIT 1"
READ_ALL_STATES = "SELECT collection, k, base, visible FROM crdt_states ORDER BY collection, k"
WRITE_STATES = "INSERT OR REPLACE INTO crdt_states (collection, k, base, visible) VALUES (?, ?, ?, ?)"
DROP_STATES = "DELETE FROM crdt_states WHERE collection = ? AND k = ?"

HAS_CHANGES = "SELECT 1 FROM changes LIMIT 1"
HAS_CHANGES_OF = "SELECT 1 FROM changes WHERE collection = ? AND k = ? LIMIT 1"
_CHANGE = """
    SELECT id, collection, k, state, change_id, actor, counter, transaction_id, needs_full, wire, reason, answered,
        document_bytes
    FROM changes"""
READ_CHANGES_OF = f"{_CHANGE} WHERE collection = ? AND k = ? ORDER BY id"
READ_REJECTED_OF = f"{_CHANGE} WHERE collection = ? AND k = ? AND state = 2 ORDER BY id"
READ_CHANGES = f"{_CHANGE} WHERE id > ? ORDER BY id LIMIT ?"
READ_CHANGES_IN = f"{_CHANGE} WHERE id > ? AND state = ? ORDER BY id LIMIT ?"
CHANGE_IDS = "SELECT id FROM changes ORDER BY id"
COUNT_CHANGES = "SELECT count(*) FROM changes WHERE state = ?"
ADD_CHANGE = """
    INSERT INTO changes
        (id, collection, k, state, change_id, actor, counter, transaction_id, needs_full, wire, reason, answered,
        document_bytes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
REPLACE_CHANGE = """
    UPDATE changes
    SET state = ?, actor = ?, counter = ?, needs_full = ?, wire = ?, reason = ?, answered = ?, document_bytes = ?
    WHERE id = ?
"""
DROP_CHANGE = "DELETE FROM changes WHERE id = ?"
DROP_RANGE = "DELETE FROM changes WHERE id BETWEEN ? AND ?"
COUNT_RANGE = "SELECT count(*) FROM changes WHERE id BETWEEN ? AND ?"
SHARED_BEYOND = """
    SELECT DISTINCT inside.collection, inside.k
    FROM changes AS inside
    JOIN changes AS outside ON outside.collection = inside.collection AND outside.k = inside.k
    WHERE inside.id BETWEEN ? AND ? AND outside.id NOT BETWEEN ? AND ?
"""

READ_SUBSCRIPTIONS = "SELECT collection, filter, bind_vars FROM subscriptions ORDER BY collection"
WRITE_SUBSCRIPTION = "INSERT OR REPLACE INTO subscriptions (collection, filter, bind_vars) VALUES (?, ?, ?)"
DROP_SUBSCRIPTION = "DELETE FROM subscriptions WHERE collection = ?"

READ_BACKFILLS = "SELECT collection, cursor FROM backfills ORDER BY collection"
WRITE_BACKFILL = "INSERT OR REPLACE INTO backfills (collection, cursor) VALUES (?, ?)"
DROP_BACKFILL = "DELETE FROM backfills WHERE collection = ?"

MARK_SEEN = "DELETE FROM unseen WHERE collection = ? AND k = ?"
READ_UNSEEN = "SELECT collection, k FROM unseen ORDER BY collection, k"
CLEAR_UNSEEN = "DELETE FROM unseen"

READ_SETTING = "SELECT value FROM settings WHERE name = ?"
READ_SETTINGS = "SELECT name, value FROM settings ORDER BY name"
WRITE_SETTING = """
    INSERT INTO settings (name, value)
    VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE
    SET value = excluded.value
"""
DROP_SETTING = "DELETE FROM settings WHERE name = ?"

HAS_MARKS = "SELECT 1 FROM row_marks WHERE mark = ? LIMIT 1"
IS_MARKED = "SELECT 1 FROM row_marks WHERE mark = ? AND collection = ? AND k = ?"
READ_MARKED = "SELECT collection, k FROM row_marks WHERE mark = ?"
ADD_MARK = "INSERT OR IGNORE INTO row_marks (mark, collection, k) VALUES (?, ?, ?)"
DROP_MARK = "DELETE FROM row_marks WHERE mark = ? AND collection = ? AND k = ?"
CLEAR_MARKS = "DELETE FROM row_marks WHERE mark = ?"

_READ_CONFLICT = """
    SELECT id, collection, k, change_id, status, strategy, winner, fields, local, remote, base, at, written, lost
    FROM conflicts
"""
READ_CONFLICTS = _READ_CONFLICT + "ORDER BY number"
READ_CONFLICT = _READ_CONFLICT + "WHERE id = ?"
READ_OPEN_CONFLICTS = _READ_CONFLICT + "WHERE status = 'pending' ORDER BY number"
DROP_CONFLICT = "DELETE FROM conflicts WHERE id = ?"
WRITE_CONFLICT = """
    INSERT INTO conflicts (
        id, collection, k, change_id, status, strategy, winner, fields, local, remote, base, at, written, lost
    )
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (id) DO UPDATE
    SET collection = excluded.collection, k = excluded.k, change_id = excluded.change_id, status = excluded.status,
        strategy = excluded.strategy, winner = excluded.winner, fields = excluded.fields, local = excluded.local,
        remote = excluded.remote, base = excluded.base, at = excluded.at, written = excluded.written, lost = excluded.lost
"""


READ_INDEXES = """
    SELECT collections.name, indexes.field, indexes.is_unique
    FROM indexes
    JOIN collections ON collections.id = indexes.collection
    ORDER BY collections.name, indexes.field
"""
READ_INDEX_NUMBERS = "SELECT id, collection, field FROM indexes ORDER BY id"
READ_SQL_NAMES = """
    SELECT 'INDEX i_' || indexes.id, 'INDEX ON ' || collections.name || '.' || indexes.field
    FROM indexes
    JOIN collections ON collections.id = indexes.collection
    UNION ALL
    SELECT 'c_' || id, name FROM collections
    UNION ALL
    SELECT 'INDEX sqlite_autoindex_c_' || id || '_1', 'INDEX ON ' || name || '._key' FROM collections
"""
READ_SQLITE_INDEXES = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND name GLOB 'i_[0-9]*'"
ADD_INDEX = "INSERT INTO indexes (collection, field, is_unique) VALUES (?, ?, ?) RETURNING id"
LOAD_STATISTICS = "ANALYZE sqlite_schema"
TABLE_BYTES = "SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE"
HAS_STATISTICS = "SELECT 1 FROM sqlite_stat1 WHERE tbl = ? AND idx = ?"
ADD_STATISTICS = "INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)"
DROP_SAMPLE = "DROP TABLE temp.sample"
DROP_INDEX_DEFINITION = "DELETE FROM indexes WHERE collection = ? AND field = ? RETURNING id"


@dataclass(frozen=True, slots=True)
class FieldStatements:
    """The statements over one field of one collection. Its path is written into them: SQLite uses an index for no other.

    What an index holds, and in which order, is said in `sdbql.sqlite_paths`.
    """

    count: str
    copy_sample: str
    index_sample: str
    values: str
    equal: str
    boolean: str
    between: str
    create: str

    @classmethod
    def of(cls, number: int, path: FieldPath) -> FieldStatements:
        """Return the statements for a field of the collection with this number."""
        table = f"c_{int(number)}"
        literal = path_literal(path)
        assert literal is not None, "checked when the path was read"
        key, rank = index_key(literal), index_rank(literal)
        columns = ", ".join(index_expressions(path))
        read = f"SELECT k, body -> {literal} FROM {table} WHERE {INDEX_CONDITION}"
        return cls(
            count=f"SELECT count(*) FROM {table} WHERE {INDEX_CONDITION}",
            copy_sample=f"CREATE TEMP TABLE sample AS SELECT k, body FROM {table} WHERE {INDEX_CONDITION} LIMIT ?",
            index_sample=f"CREATE INDEX temp.i_sample ON sample ({columns}) WHERE {INDEX_CONDITION}",
            values=f"{read} AND body ->> {literal} IS NOT NULL ORDER BY k",
            equal=f"{read} AND {key} = ?",
            boolean=f"{read} AND {key} = -9e999 AND {rank} = ?",
            between=f"{read} AND {key} >= ? AND {key} < ?",
            create=f"ON {table} ({columns}) WHERE {INDEX_CONDITION}",
        )

    def create_index(self, number: int) -> str:
        """Return what makes the index with this number."""
        return f"CREATE INDEX i_{int(number)} {self.create}"


@dataclass(frozen=True, slots=True)
class CollectionStatements:
    """The statements over the table of one collection."""

    create: str
    keys: str
    read: str
    read_those: str
    read_live: str
    read_all: str
    write: str
    write_many: str
    read_after: str
    keys_after: str
    drop: str
    mark_unseen: str

    @classmethod
    def of(cls, number: int) -> CollectionStatements:
        """Return the statements for the collection with this number."""
        table = f"c_{int(number)}"
        return cls(
            # k is ANY: a TEXT column would turn 5 and '5' into one key of a comparison
            create=f"""
                CREATE TABLE {table} (
                    k      ANY PRIMARY KEY NOT NULL,
                    body   BLOB,
                    vector TEXT NOT NULL,
                    stamp  TEXT NOT NULL
                ) STRICT
            """,
            keys=f"SELECT k FROM {table} ORDER BY k",
            read=f"SELECT json(body), vector, stamp FROM {table} WHERE k = ?",
            read_those=f"""
                SELECT k, json(body), vector, stamp
                FROM {table}
                WHERE k IN (SELECT value FROM json_each(?))
            """,
            read_live=f"SELECT k, json(body), vector, stamp FROM {table} WHERE body IS NOT NULL ORDER BY k",
            read_all=f"SELECT k, json(body), vector, stamp FROM {table} ORDER BY k",
            read_after=f"SELECT k, json(body), vector, stamp FROM {table} WHERE k > ? ORDER BY k LIMIT ?",
            keys_after=f"SELECT k FROM {table} WHERE k > ? ORDER BY k LIMIT ?",
            write=f"""
                INSERT INTO {table} (k, body, vector, stamp)
                VALUES (?, jsonb(?), ?, ?)
                ON CONFLICT (k) DO UPDATE
                SET body = excluded.body, vector = excluded.vector, stamp = excluded.stamp
            """,
            # the rows come as one JSON array: jsonb_each hands out its parts without making text of them again
            write_many=f"""
                INSERT INTO {table} (k, body, vector, stamp)
                SELECT
                    jsonb_extract(value, '$[0]'),
                    jsonb_extract(value, '$[1]'),
                    value -> '$[2]',
                    jsonb_extract(value, '$[3]')
                FROM jsonb_each(?)
                WHERE true
                ON CONFLICT (k) DO UPDATE
                SET body = excluded.body, vector = excluded.vector, stamp = excluded.stamp
            """,
            drop=f"DELETE FROM {table} WHERE k = ?",
            mark_unseen=f"""
                INSERT OR IGNORE INTO unseen (collection, k)
                SELECT {int(number)}, k
                FROM {table}
            """,
        )
