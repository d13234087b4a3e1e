-- Whose a client id is: of the principal that used it first. Nobody else may sync under it.
CREATE TABLE client_owners (
    client_id TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL
) STRICT, WITHOUT ROWID;
