-- The states of the replicated fields of a document, as JSON: kept under its tombstone too, so that a revival keeps counts.
-- doc is the document's number in the log. A collection without an entry here takes the short ways of push and pull.
CREATE TABLE crdt_states (
    collection INTEGER NOT NULL,
    doc INTEGER NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (collection, doc)
) STRICT, WITHOUT ROWID;
