"""Who made an operation, and what it had seen: all that the types need to know of an edit besides what it does."""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.model.version_vector import EMPTY_VECTOR, Dot, VersionVector


@dataclass(frozen=True, slots=True)
class Authorship:
    """The dot of an edit, what its author had seen of the document, and its stamp from a hybrid logical clock.

    `is_final` is false on a device whose edit the server has not taken yet: what only the server can grant is then not
    counted on.
    """

    dot: Dot
    base: VersionVector = EMPTY_VECTOR
    stamp: str = ""
    is_final: bool = True


class OperationError(ValueError):
    """An operation or a value that a type can't take; the message begins with the place, `.add: ...` or `: ...`."""


class BoundError(ValueError):
    """An operation that would take a counter below what its author may use, or beyond what a number keeps exactly."""
