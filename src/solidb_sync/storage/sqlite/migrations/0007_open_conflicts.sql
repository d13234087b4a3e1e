-- Which paths this device's edit wrote, and at which of them it is not in the document; JSON lists.
ALTER TABLE conflicts ADD COLUMN written TEXT NOT NULL DEFAULT '[]';
ALTER TABLE conflicts ADD COLUMN lost TEXT NOT NULL DEFAULT '[]';
-- The open conflicts: asked for whenever the server reports one, and with every page of news.
CREATE INDEX open_conflicts ON conflicts (number) WHERE status = 'pending';
