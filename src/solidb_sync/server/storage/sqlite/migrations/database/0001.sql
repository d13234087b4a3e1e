-- One row: the random id of this history, and the newest commit sequence given out.
CREATE TABLE meta (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch TEXT NOT NULL,
    newest INTEGER NOT NULL
) STRICT;

-- The documents of collection <id> are in the table c_<id>, created with the collection.
CREATE TABLE collections (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- The change log: one live entry for each document, at the sequence of its latest change. A pull scans it by sequence.
-- author and counter are the dot of that change; is_applied says whether its author holds exactly this version.
CREATE TABLE latest (
    seq INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    doc INTEGER NOT NULL,
    author TEXT NOT NULL,
    counter INTEGER NOT NULL,
    is_applied INTEGER NOT NULL
) STRICT;

-- What became of each change, by its id, so that one sent again is recognised; and the dot it was taken under. That no dot
-- is taken twice follows from actors.highest; a second index here would cost every push and be asked by nobody.
CREATE TABLE outcomes (
    change_id TEXT PRIMARY KEY NOT NULL,
    actor TEXT NOT NULL,
    counter INTEGER NOT NULL,
    status TEXT NOT NULL,
    seq INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Changes whose outcome is not final, with the dot they were last sent under: later changes built on them must wait.
CREATE TABLE unsettled (
    change_id TEXT PRIMARY KEY NOT NULL,
    actor TEXT NOT NULL,
    counter INTEGER NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- Read at the beginning of every push, for one actor.
CREATE INDEX unsettled_of_actor ON unsettled (actor, counter);

CREATE TABLE actors (
    actor TEXT PRIMARY KEY NOT NULL,
    client_id TEXT NOT NULL,
    highest INTEGER NOT NULL,
    is_fenced INTEGER NOT NULL,
    pushes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- The incarnations a client has used, read when it asks for a new one.
CREATE INDEX actors_of_client ON actors (client_id);

-- What is known of each device; collections says which ones it asks for, as JSON.
CREATE TABLE clients (
    client_id TEXT PRIMARY KEY NOT NULL,
    incarnation INTEGER NOT NULL,
    actor TEXT NOT NULL,
    acknowledged INTEGER NOT NULL,
    cursor INTEGER NOT NULL,
    collections TEXT NOT NULL,
    last_sync_ms INTEGER
) STRICT, WITHOUT ROWID;

-- Both sides of every conflict that was decided; local and remote are wire versions as JSON text.
CREATE TABLE conflict_log (
    id INTEGER PRIMARY KEY,
    change_id TEXT NOT NULL,
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    strategy TEXT NOT NULL,
    winner TEXT NOT NULL,
    fields TEXT NOT NULL,
    local TEXT NOT NULL,
    remote TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
-- A change that is sent again is answered with the conflict it had.
CREATE INDEX conflict_of_change ON conflict_log (change_id);
