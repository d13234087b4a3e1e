"""Why the server refuses a request as a whole.

A refusal carries the HTTP status and the stable `type` of the answer. Single changes are not refused this way: they get a
result of their own.
"""

from __future__ import annotations

from typing import Any

from solidb_sync.errors import SoliDBError


class RequestRefused(SoliDBError):  # noqa: N818 - an answer, not a failure
    """The request gets this answer and has no effect."""

    def __init__(self, status: int, type: str, message: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.details = details


def bad_request(message: str) -> RequestRefused:
    """400: the request is not what the protocol says; the message names the field."""
    return RequestRefused(400, "BadRequest", message)


def filter_refused(message: str) -> RequestRefused:
    """400: a filter that can't be one; the message says why."""
    return RequestRefused(400, "FilterError", message)


def unsupported_protocol(asked: int, supported: tuple[int, int]) -> RequestRefused:
    """400: a protocol version this server does not speak."""
    lowest, highest = supported
    return RequestRefused(
        400,
        "UnsupportedProtocol",
        f"protocol: {asked} is not spoken here, {lowest} to {highest} are",
        details={"lowest": lowest, "highest": highest},
    )


def resync_required(message: str, *, epoch: str, reason: str) -> RequestRefused:
    """410: this device and the database do not share a history."""
    return RequestRefused(410, "ResyncRequired", message, details={"epoch": epoch, "reason": reason})


def unauthorized(message: str) -> RequestRefused:
    """401: no credentials, or unknown ones."""
    return RequestRefused(401, "Unauthorized", message)


def forbidden(message: str) -> RequestRefused:
    """403: these credentials may not do that."""
    return RequestRefused(403, "Forbidden", message)


def client_of_another(client_id: str, *, asking: str, owner: str) -> RequestRefused:
    """403: a client id that another principal registered."""
    return RequestRefused(
        403,
        "ClientOfAnother",
        f"client_id: {client_id[:128]!r} belongs to the principal that used it first, which is not the one that asks; "
        "take another client id",
        details={"asking": asking, "owner": owner},
    )


def not_found(type: str, message: str) -> RequestRefused:
    """404: the thing named does not exist."""
    return RequestRefused(404, type, message)


def too_large(message: str) -> RequestRefused:
    """413: more than one request may carry."""
    return RequestRefused(413, "PayloadTooLarge", message)
