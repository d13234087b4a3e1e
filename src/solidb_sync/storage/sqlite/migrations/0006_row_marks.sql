-- Rows with something to remember about them that is not in them (storage/records.py, Mark): leaving (1), doubted (2), ghost (3).
CREATE TABLE row_marks (
    mark       INTEGER NOT NULL,
    collection INTEGER NOT NULL,
    k          ANY NOT NULL,
    PRIMARY KEY (mark, collection, k)
) STRICT, WITHOUT ROWID;
