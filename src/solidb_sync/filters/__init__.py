"""Sync filters: what a device asks to have of a collection, checked and tested alike on both ends."""
