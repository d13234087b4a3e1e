"""Measurements side by side with plain SQLite: `make bench`."""
