-- Which databases there are. The number names the file (db-<id>.sqlite), so no text from outside becomes a path.
CREATE TABLE databases (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    created_ms INTEGER NOT NULL
) STRICT;

-- API keys: only the SHA-256 of a key is kept. The unique index answers the look-up of every request.
CREATE TABLE api_keys (
    id TEXT PRIMARY KEY NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    name TEXT NOT NULL,
    database TEXT NOT NULL,
    read_only INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
