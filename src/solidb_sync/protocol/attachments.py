"""The lane of attached bytes, as both ends spell it: by digest, in pieces, each end going on at the offset both have."""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from solidb_sync.protocol.endpoints import ATTACHMENT

PIECE_BYTES_MAX = 1024 * 1024
"""The most bytes of an attachment that one request or answer carries in a piece."""
ATTACHMENT_BYTES_DEFAULT = 1024 * 1024 * 1024
"""The most bytes one attachment may have where the server does not say otherwise."""
OFFSET_HEADER = "x-attachment-offset"
"""In an answer to HEAD: how many bytes the server has of an attachment that is not complete there."""
WRONG_OFFSET = "WrongOffset"
WRONG_DIGEST = "WrongDigest"
TOO_LARGE = "AttachmentTooLarge"
NOT_FOUND = "AttachmentNotFound"


class PieceTaken(msgspec.Struct):
    """The answer to a piece: how many bytes the server has, and whether that is all and its digest was right."""

    offset: int
    is_complete: bool = msgspec.field(name="complete")


def attachment_path(database: str, digest: str) -> str:
    """Return the path of one attachment's bytes.

    >>> attachment_path("mydb", "ab12")
    '/_api/sync/attachments/mydb/ab12'
    """
    return ATTACHMENT.replace("{database}", quote(database, safe="")).replace("{digest}", digest)


def is_attachment_path(path: str) -> bool:
    """Return whether a path is that of attached bytes, which are not JSON and gain nothing by packing."""
    return path.startswith(ATTACHMENT.partition("{")[0])
