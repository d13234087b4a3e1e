"""The server's storage in SQLite files."""
