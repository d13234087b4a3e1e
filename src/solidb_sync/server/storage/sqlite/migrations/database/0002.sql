-- What each device has asked for when it registered (JSON text, empty for the defaults), and the hash its requests name it by.
ALTER TABLE clients ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE clients ADD COLUMN settings_hash TEXT NOT NULL DEFAULT '';
