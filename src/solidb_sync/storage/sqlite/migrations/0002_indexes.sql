-- Local indexes over fields of documents. The index itself is SQLite's, over expressions of the table of the collection, and
-- named by this number: i_1, i_2, ... It holds documents only, no tombstones.
CREATE TABLE indexes (
    id         INTEGER PRIMARY KEY,
    collection INTEGER NOT NULL,
    field      TEXT NOT NULL,
    is_unique  INTEGER NOT NULL,
    -- One index a field. Its tree also finds the indexes of one collection: asked for by every query over it.
    UNIQUE (collection, field)
) STRICT;
