"""The device's end: edits, rounds of sync, notifications, and the manager that joins them."""
