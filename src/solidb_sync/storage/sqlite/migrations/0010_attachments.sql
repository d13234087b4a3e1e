-- Attached bytes (storage/records.py, StoredBlob). The name is their digest, or one of the store's own while they are put.
CREATE TABLE blobs (
    name      TEXT PRIMARY KEY NOT NULL,
    chunks    TEXT NOT NULL,
    length    INTEGER NOT NULL,
    stored    INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    confirmed INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A chunk is far longer than a page: it lies outside of the tree, in pages of its own.
CREATE TABLE blob_chunks (
    chunks  TEXT NOT NULL,
    number  INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (chunks, number)
) STRICT;
