"""Attached files cut so short that small ones have several chunks."""

from __future__ import annotations

from solidb_sync.client import attachment_reader, attachment_source, attachment_transfers
from solidb_sync.model import attachment
from solidb_sync.testing.planter import Planter

CHUNK_BYTES_FEW = 16


def cut_small(planter: Planter) -> None:
    """Let both ends of every transfer, and readers, count in chunks of so few bytes."""
    for module in (attachment, attachment_reader, attachment_source, attachment_transfers):
        planter.setattr(module, "CHUNK_BYTES", CHUNK_BYTES_FEW)
