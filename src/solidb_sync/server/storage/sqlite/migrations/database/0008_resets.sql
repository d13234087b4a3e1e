-- Collections that were emptied or dropped as a whole: what devices hold of them from before `seq` is gone.
CREATE TABLE resets (
    collection TEXT PRIMARY KEY NOT NULL,
    seq INTEGER NOT NULL,
    is_dropped INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
