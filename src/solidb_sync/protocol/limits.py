"""The bounds both ends keep, each with a name: what passes them gets a typed answer, never a silent cut."""

from __future__ import annotations

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, NUMBER_DIGITS_MAX

RUNS_KEPT = 32
"""How many runs of the server a device knows of; one of them has to be from before a backup that is restored."""
PROTOCOL = 1
PROTOCOLS_SUPPORTED = (1, 1)

BODY_BYTES_MAX = 8 * 1024 * 1024
CHANGES_PER_BATCH_MAX = 1_000
PULL_CHANGES_MAX = 1_000
PULL_CHANGES_DEFAULT = 100
PULL_BYTES_MAX = 4 * 1024 * 1024
KNOWN_IDS_MAX = 10_000
NAME_CHARACTERS_MAX = 128
KEY_CHARACTERS_MAX = 512
CLIENT_ID_CHARACTERS_MAX = 128
CHANGE_ID_CHARACTERS_MAX = 64
VECTOR_ENTRIES_MAX = 10_000
DELTA_THRESHOLD_DEFAULT = 0.5
"""The part of a document that the fields of an edit may take before the whole document is sent instead."""
SETTINGS_ENTRIES_MAX = 1_000
SETTINGS_BYTES_MAX = 1024 * 1024

__all__ = [
    "BODY_BYTES_MAX",
    "CHANGES_PER_BATCH_MAX",
    "CHANGE_ID_CHARACTERS_MAX",
    "CLIENT_ID_CHARACTERS_MAX",
    "DELTA_THRESHOLD_DEFAULT",
    "DEPTH_MAX",
    "DOCUMENT_BYTES_MAX",
    "KEY_CHARACTERS_MAX",
    "KNOWN_IDS_MAX",
    "NAME_CHARACTERS_MAX",
    "NUMBER_DIGITS_MAX",
    "PROTOCOL",
    "PROTOCOLS_SUPPORTED",
    "PULL_BYTES_MAX",
    "PULL_CHANGES_DEFAULT",
    "PULL_CHANGES_MAX",
    "RUNS_KEPT",
    "SETTINGS_BYTES_MAX",
    "SETTINGS_ENTRIES_MAX",
    "VECTOR_ENTRIES_MAX",
]
