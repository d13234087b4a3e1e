-- How long the document was as an edit left it: what is sent of the edit is chosen without reading the document again.
ALTER TABLE changes ADD COLUMN document_bytes INTEGER NOT NULL DEFAULT 0;
