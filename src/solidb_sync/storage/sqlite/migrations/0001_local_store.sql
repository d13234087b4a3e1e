-- The first format of a local store.

-- Who this store is and how far it has got: exactly one row.
CREATE TABLE replica (
    one          INTEGER PRIMARY KEY CHECK (one = 1),
    device_id    TEXT NOT NULL,
    store_id     TEXT NOT NULL,
    last_change  INTEGER NOT NULL,
    incarnation  INTEGER NOT NULL,
    counter      INTEGER NOT NULL,
    settled      INTEGER NOT NULL,
    pushes       INTEGER NOT NULL,
    cursor       INTEGER NOT NULL,
    caught_up    INTEGER NOT NULL,
    covered      TEXT,
    excluded     TEXT NOT NULL,
    epoch        TEXT NOT NULL,
    is_resyncing INTEGER NOT NULL,
    must_renew   INTEGER NOT NULL
) STRICT;

-- A collection's documents live in a table of their own, named by this number: c_1, c_2, ...
CREATE TABLE collections (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The server's version of a document that has changes of this device on top of it.
CREATE TABLE bases (
    collection INTEGER NOT NULL,
    k          ANY NOT NULL,
    body       BLOB,
    is_deleted INTEGER NOT NULL,
    vector     TEXT NOT NULL,
    stamp      TEXT NOT NULL,
    PRIMARY KEY (collection, k)
) STRICT, WITHOUT ROWID;

-- The changes of this device: pending (0), held (1), rejected (2). Ids come from replica.last_change: none twice.
CREATE TABLE changes (
    id          INTEGER PRIMARY KEY,
    collection  INTEGER NOT NULL,
    k           ANY NOT NULL,
    state       INTEGER NOT NULL,
    change_id   TEXT NOT NULL,
    actor       TEXT NOT NULL,
    counter     INTEGER NOT NULL,
    transaction_id TEXT NOT NULL,
    needs_full  INTEGER NOT NULL,
    wire        TEXT NOT NULL,
    reason      TEXT NOT NULL
) STRICT;

-- Which changes lie over a document: asked for every pulled row while any change is kept.
CREATE INDEX changes_by_document ON changes (collection, k);

CREATE TABLE subscriptions (
    collection TEXT PRIMARY KEY,
    filter     TEXT,
    bind_vars  TEXT
) STRICT, WITHOUT ROWID;

-- Collections that joined after the cursor had moved on: each catches up with a cursor of its own.
CREATE TABLE backfills (
    collection TEXT PRIMARY KEY,
    cursor     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- During a resync: the rows not yet seen again.
CREATE TABLE unseen (
    collection INTEGER NOT NULL,
    k          ANY NOT NULL,
    PRIMARY KEY (collection, k)
) STRICT, WITHOUT ROWID;

CREATE TABLE conflicts (
    number     INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    collection TEXT NOT NULL,
    k          TEXT NOT NULL,
    change_id  TEXT NOT NULL,
    status     TEXT NOT NULL,
    strategy   TEXT NOT NULL,
    winner     TEXT NOT NULL,
    fields     TEXT NOT NULL,
    local      TEXT NOT NULL,
    remote     TEXT NOT NULL,
    base       TEXT NOT NULL,
    at         TEXT NOT NULL
) STRICT;
