-- What an app has set on this device and expects to find again: each by its name, as JSON text.
CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
