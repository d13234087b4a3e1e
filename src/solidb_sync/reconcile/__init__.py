"""Judgement over concurrent versions. Pure: no I/O, no clock."""
