-- Which run of the server the last answer came from, the highest sequence of which there is anything here, and while this store
-- offers its documents to a server that lost a part of its history: how far it has come (collection and key, JSON).
ALTER TABLE replica ADD COLUMN run TEXT NOT NULL DEFAULT '';
ALTER TABLE replica ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;
ALTER TABLE replica ADD COLUMN offered TEXT NOT NULL DEFAULT '';
