-- The name this store syncs under when its device id belongs to somebody else at the server; empty: the device id.
ALTER TABLE replica ADD COLUMN alias TEXT NOT NULL DEFAULT '';
