-- The changes of a document that the server refused for good: asked for by every save, and nearly always there are none.
CREATE INDEX rejected_changes ON changes (collection, k) WHERE state = 2;
