"""Selective sync on the server: which view a device goes by, and what a pull sends by it."""
