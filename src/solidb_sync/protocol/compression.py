"""Bodies in gzip: which are worth it, and how to unpack one without being filled by it.

A few bytes of gzip can stand for a thousand times as many. So unpacking stops at a bound, and a server unpacks nothing for
somebody it does not know.
"""

from __future__ import annotations

import zlib

GZIP = "gzip"
COMPRESSED_BYTES_MIN = 1024
"""A smaller body is not worth the work."""

NEARBY_BYTES_MAX = 64 * 1024
"""A larger body is packed only for another machine: to this one, sending it costs less than packing."""

INLINE_BYTES_MAX = 64 * 1024
"""A larger body is packed and unpacked on another thread, so that the event loop goes on."""

_GZIP_WINDOW = zlib.MAX_WBITS | 16
_FASTEST = 1


class PackedBodyError(ValueError):
    """A body that is not the gzip it says it is."""


class UnpackedTooLargeError(ValueError):
    """A body that would unpack to more than the bound."""


def is_worth_packing(size: int, *, is_nearby: bool) -> bool:
    """Return whether a body of this size should travel in gzip; `is_nearby` when it does not leave the machine."""
    return size >= COMPRESSED_BYTES_MIN and (size <= NEARBY_BYTES_MAX or not is_nearby)


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a sender takes gzip, by its `Accept-Encoding`.

    >>> accepts_gzip("gzip, deflate"), accepts_gzip("br, gzip;q=0"), accepts_gzip("")
    (True, False, False)
    """
    for offer in accept_encoding.lower().split(","):
        name, _, weight = offer.partition(";")
        if name.strip() == GZIP:
            return weight.replace(" ", "").rstrip("0") not in ("q=", "q=0.")
    return False


def packed(body: bytes) -> bytes:
    """Return a body in gzip."""
    packer = zlib.compressobj(_FASTEST, zlib.DEFLATED, _GZIP_WINDOW)
    return packer.compress(body) + packer.flush()


def unpacked(body: bytes, *, bytes_max: int) -> bytes:
    """Return what a body in gzip stands for; never makes more than `bytes_max` bytes and one.

    Raises `UnpackedTooLargeError` and `PackedBodyError`.
    """
    unpacker = zlib.decompressobj(_GZIP_WINDOW)
    try:
        text = unpacker.decompress(body, bytes_max + 1)
    except zlib.error as problem:
        raise PackedBodyError(f"it is not gzip ({problem})") from problem
    if len(text) > bytes_max:
        raise UnpackedTooLargeError(f"it unpacks to more than {bytes_max} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise PackedBodyError("it ends before it is complete" if not unpacker.eof else "something follows its end")
    return text
