-- The latest stamp of a hybrid clock that was taken, so that devices can go on from it.
ALTER TABLE meta ADD COLUMN stamp TEXT NOT NULL DEFAULT '';

-- Whose conflict it was, how it stands (auto_resolved, pending, resolved, replaced), which paths the edit wrote and which of
-- them it lost, what its author had seen (a vector as JSON), the commit it came with, and the one it was settled in.
ALTER TABLE conflict_log ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
ALTER TABLE conflict_log ADD COLUMN status TEXT NOT NULL DEFAULT 'auto_resolved';
ALTER TABLE conflict_log ADD COLUMN written TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conflict_log ADD COLUMN lost TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conflict_log ADD COLUMN base TEXT NOT NULL DEFAULT '{}';
ALTER TABLE conflict_log ADD COLUMN seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conflict_log ADD COLUMN resolved_seq INTEGER NOT NULL DEFAULT 0;
-- The open conflict of a client about a document: asked for when another one comes.
CREATE INDEX open_conflict ON conflict_log (client_id, collection, key) WHERE status = 'pending';
-- What was settled of a client's conflicts since its cursor: asked for with every page that brings something.
CREATE INDEX settled_conflict ON conflict_log (client_id, resolved_seq) WHERE resolved_seq > 0;

-- The strategy that decides the conflicts of a collection, whatever the devices ask for.
CREATE TABLE policies (
    collection TEXT PRIMARY KEY NOT NULL,
    strategy TEXT NOT NULL
) STRICT, WITHOUT ROWID;
