-- Client ids under which two copies of one store live, and when that was last noticed.
CREATE TABLE live_copies (
    client_id TEXT PRIMARY KEY NOT NULL,
    noticed_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Settings that such a client has registered with before those that stand beside it: another copy may go by them.
CREATE TABLE earlier_settings (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL,
    hash TEXT NOT NULL,
    settings TEXT NOT NULL,
    UNIQUE (client_id, hash)
) STRICT;
