-- Which documents a transaction wrote together, by the last sequence of the transaction: a page that shows one of them to a
-- device shows it the others as well. The key answers "which transactions touched this document".
CREATE TABLE together (
    collection INTEGER NOT NULL,
    doc INTEGER NOT NULL,
    tx INTEGER NOT NULL,
    PRIMARY KEY (collection, doc, tx)
) STRICT, WITHOUT ROWID;
-- "Which documents did this transaction write", and whether there is any transaction after a sequence.
CREATE INDEX together_by_transaction ON together (tx, collection, doc);
