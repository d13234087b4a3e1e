-- Up to which sequence this device had everything when it made the edits that it has still to send; and for a change that the
-- server has taken, the sequence of its outcome.
ALTER TABLE replica ADD COLUMN stable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE changes ADD COLUMN answered INTEGER NOT NULL DEFAULT 0;
