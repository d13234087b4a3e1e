-- Up to which sequence a device had everything when it made the edits that it has still to send: what maintenance waits for.
-- NULL is a device that gives no account of it. Devices from before this column are waited for until they come again.
ALTER TABLE clients ADD COLUMN stable INTEGER;
UPDATE clients SET stable = 0 WHERE last_sync_ms IS NOT NULL;

-- Up to which sequence vectors have been compacted.
ALTER TABLE meta ADD COLUMN compacted INTEGER NOT NULL DEFAULT 0;
