-- The states of replicated fields: the server's, and those with this device's changes in them. Read by every edit of a
-- document once there are any.
CREATE TABLE crdt_states (
    collection INTEGER NOT NULL,
    k          ANY NOT NULL,
    base       TEXT NOT NULL,
    visible    TEXT NOT NULL,
    PRIMARY KEY (collection, k)
) STRICT, WITHOUT ROWID;
