-- Which documents a filtered device may hold: one view for a collection and a filter. Numbers are never given out twice.
CREATE TABLE views (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    client_id TEXT NOT NULL,
    collection TEXT NOT NULL,
    filter TEXT NOT NULL,
    is_settled INTEGER NOT NULL,
    floor INTEGER NOT NULL
) STRICT;
-- Asked at every push, and at every pull of a filtered device.
CREATE INDEX views_of_client ON views (client_id);

CREATE TABLE view_rows (
    view INTEGER NOT NULL,
    doc INTEGER NOT NULL,
    since INTEGER NOT NULL,
    state INTEGER NOT NULL,
    PRIMARY KEY (view, doc)
) STRICT, WITHOUT ROWID;
-- Who holds a document that has changed, for the doorbell.
CREATE INDEX view_rows_of_document ON view_rows (doc, view);
-- What was told to leave, looked for at every pull.
CREATE INDEX view_rows_leaving ON view_rows (view, since) WHERE state = 2;
