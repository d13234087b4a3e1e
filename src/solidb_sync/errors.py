"""Every exception this package raises on purpose, as one tree.

```
SoliDBError
├── ConfigError                 a setting is wrong: names the field, the value and what would be right
├── ConnectionError             the server could not be reached, or did not answer in time: retry
├── AuthError                   the server does not know these credentials: do not retry unchanged
├── ServerError                 the server answered with an error (`status`, `type`)
│   ├── NotFoundError           404
│   ├── ConflictError           409
│   └── ForbiddenError          403
│       └── OtherUserError      this client id is another user's at the server
├── ProtocolError               an answer that is not what the protocol says
├── SyncError
│   ├── SyncStoppedError        the manager was stopped
│   └── ResyncRequiredError     this replica and the server no longer share a history
├── StorageError                the local store could not do it
│   ├── StorageFullError        no room: nothing was written
│   ├── DocumentEvictedError    it was dropped here to save room, and can't be fetched now: retry when online
│   ├── StorageCorruptError     what is on disk is not what was written
│   ├── StoreLockedError        another process has the store open for writing
│   └── EncryptionError         wrong or missing key
├── UniqueIndexError            documents of this device would have, or have, the same value in a unique field
├── InvalidDocumentError        not a JSON document this system can keep unchanged
├── CrdtTypeError               a field is already another kind of CRDT
├── CrdtBoundError              more than a bounded counter lets this device take, or than a number keeps
├── AttachmentNotFoundError     no such document, or no attachment of this name
├── AttachmentNotHereError      its bytes are not on this device, and can't be fetched now: retry when online
└── FilterError                 a sync filter that cannot be used
```

Errors of the query language (`QueryError` and its kinds) come from the `sdbql` distribution, which knows nothing of
this tree.
"""

from __future__ import annotations

import builtins
from collections.abc import Sequence
from typing import Any, TypeVar


class SoliDBError(Exception):
    """Root of all errors raised on purpose by this package.

    `request_id` names the request to the server that it came of, the same there; empty when there was none.
    """

    request_id: str = ""


class ConfigError(SoliDBError, ValueError):
    """A setting has a bad value; the message names field, value and range."""


class ConnectionError(SoliDBError, builtins.ConnectionError):
    """The server could not be reached or the exchange broke off; sending the same again is safe."""


class AuthError(SoliDBError):
    """The server does not accept the credentials."""


class ServerError(SoliDBError):
    """The server answered with an error.

    `status` is the HTTP status, `type` the name in the answer, `retry_after_seconds` what the server asked for.
    """

    def __init__(self, message: str, *, status: int, type: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_retryable(self) -> bool:
        """True when the same request may succeed later."""
        return self.status in (408, 425, 429) or self.status >= 500


class NotFoundError(ServerError):
    """404: the thing named does not exist."""


class ConflictError(ServerError):
    """409: the request contradicts the state of the server."""


class ForbiddenError(ServerError):
    """403: these credentials may not do that."""


class OtherUserError(ForbiddenError):
    """403: this client id belongs to another user at the server; rounds recover by taking another one.

    `asking` and `owner` are digests of who asks and whose it is; empty when the server does not say.
    """

    def __init__(self, message: str, *, asking: str = "", owner: str = "") -> None:
        super().__init__(message, status=403, type="ClientOfAnother")
        self.asking = asking
        self.owner = owner


class ProtocolError(SoliDBError):
    """The other end sent something the protocol does not allow."""


class SyncError(SoliDBError):
    """Synchronisation could not go on."""


class SyncStoppedError(SyncError):
    """The manager has been stopped."""


class ResyncRequiredError(SyncError):
    """This replica and the server no longer share a history; rounds recover by themselves.

    `reason`: `lost_history` (the server went back in time), `other_database`, or `below_floor` (it has forgotten deletions).
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class StorageError(SoliDBError):
    """The local store could not do what was asked; nothing was half done."""


class StorageFullError(StorageError):
    """There is no room; nothing was written."""


class DocumentEvictedError(StorageError):
    """The document is on the server, and not here: it was dropped to save room. Retry when the server can be reached."""


class StorageCorruptError(StorageError):
    """What is on disk is not what was written."""


class StoreLockedError(StorageError):
    """Another process has this store open for writing."""


class EncryptionError(StorageError):
    """The key is wrong or missing; the store was not touched."""


class UniqueIndexError(SoliDBError, ValueError):
    """A unique local index can't hold: nothing was changed.

    `collisions` lists values of the field `field`, each with the keys of documents that have it: for a save that was refused
    the value and the document that has it already, for an index that could not be made some of those found.
    """

    def __init__(
        self, message: str, *, collection: str, field: str, collisions: Sequence[tuple[Any, tuple[str, ...]]]
    ) -> None:
        super().__init__(message)
        self.collection = collection
        self.field = field
        self.collisions = tuple(collisions)


class InvalidDocumentError(SoliDBError, ValueError):
    """Not a JSON document that can be kept unchanged; the message names the place."""


class CrdtTypeError(SoliDBError, TypeError):
    """The field already holds another kind of CRDT."""


class CrdtBoundError(SoliDBError, ValueError):
    """A counter can't do that: this device may not take so much, or the number would be too large; nothing was recorded."""


class AttachmentNotFoundError(SoliDBError, LookupError):
    """There is no such document, or it has no attachment of this name."""


class AttachmentNotHereError(SoliDBError):
    """The document is here, the bytes of its attachment are not: they have not arrived yet, or were evicted.

    Opening the attachment again fetches them when the server can be reached and has them.
    """


class FilterError(SoliDBError, ValueError):
    """A sync filter that cannot be used; the message says why."""


Problem = TypeVar("Problem", bound=SoliDBError)


def about_request(problem: Problem, request_id: str) -> Problem:
    """Return an error with the id of the request it came of."""
    problem.request_id = request_id
    return problem
