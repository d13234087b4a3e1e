"""Doorbells: telling devices that there is news."""
