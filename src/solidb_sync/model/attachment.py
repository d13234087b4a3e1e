"""Attachments as a document names them: one field for each, which says what the attached bytes are.

The attachment `photo.jpg` of a document is its field `_attachment:photo.jpg`: `[{"digest", "length", "content_type"}]`. It
is a field like any other, so an attachment is added, replaced, removed, filtered and fought over like a field. Those of
different names never meet: there is no object around them that two devices could both have made. And what is said of one
stays together: an array is one value, while the fields of an object would be merged apart, the digest of one device with the
length of another. The bytes go another way, by the SHA-256 of their content.

>>> attachments_in({"title": "Oslo", **field_for(Attachment("a.txt", "0" * 64, 5, "text/plain"))})
{'a.txt': Attachment(name='a.txt', digest='0000000000000000000000000000000000000000000000000000000000000000', length=5, \
content_type='text/plain')}
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from solidb_sync.json_value import JsonDocument

FIELD_PREFIX = "_attachment:"
MARKER = '"' + FIELD_PREFIX
"""What the JSON text of a document, of a delta or of removed fields has in it when it has to do with an attachment."""
MARKER_BYTES = MARKER.encode()

NAME_CHARACTERS_MAX = 255
CONTENT_TYPE_CHARACTERS_MAX = 255
LENGTH_MAX = 2**40
CHUNK_BYTES = 256 * 1024
"""How attached bytes are cut, on the device and on the wire; only the last chunk is shorter."""
CONTENT_TYPE_DEFAULT = "application/octet-stream"

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAMED_DIGEST = re.compile(r'"digest":"([0-9a-f]{64})"')
_FORBIDDEN_IN_NAME = re.compile(r"[\x00-\x1f\x7f/\\\ud800-\udfff]")
_CONTENT_TYPE = re.compile(r"[\x21-\x7e][\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment as its document names it; `length` in bytes, `digest` the SHA-256 in hexadecimal."""

    name: str
    digest: str
    length: int
    content_type: str = CONTENT_TYPE_DEFAULT

    @property
    def chunks(self) -> int:
        """How many chunks its bytes are cut into."""
        return -(-self.length // CHUNK_BYTES)


def field_for(attachment: Attachment) -> JsonDocument:
    """Return the field of a document that names an attachment."""
    value = {"digest": attachment.digest, "length": attachment.length, "content_type": attachment.content_type}
    return {FIELD_PREFIX + attachment.name: [value]}


def attachments_in(document: JsonDocument) -> dict[str, Attachment]:
    """Return the attachments of a document by name; a field that only looks like one is none."""
    named = (
        (name[len(FIELD_PREFIX) :], value[0])
        for name, value in document.items()
        if name.startswith(FIELD_PREFIX) and isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    )
    found = [_attachment(name, value) for name, value in sorted(named, key=lambda field: field[0])]
    return {attachment.name: attachment for attachment in found if attachment is not None}


def _attachment(name: str, value: JsonDocument) -> Attachment | None:
    digest, length = value.get("digest"), value.get("length")
    content_type = value.get("content_type", CONTENT_TYPE_DEFAULT)
    if attachment_name_problem(name) or not isinstance(digest, str) or not is_digest(digest):
        return None
    if isinstance(length, bool) or not isinstance(length, int) or not 0 <= length <= LENGTH_MAX:
        return None
    return Attachment(name, digest, length, content_type if isinstance(content_type, str) else CONTENT_TYPE_DEFAULT)


def is_digest(text: str) -> bool:
    """Return whether this is a SHA-256 as attachments write it: 64 hexadecimal digits in lower case."""
    return _DIGEST.fullmatch(text) is not None


def digests_in(text: str) -> set[str]:
    """Return the digests that the compact JSON text of a document, delta or change names."""
    return set(_NAMED_DIGEST.findall(text))


def attachment_name_problem(name: str) -> str | None:
    """Return why `name` can't name an attachment, or None when it can.

    >>> attachment_name_problem("photo 1.jpg") is None
    True
    >>> attachment_name_problem("../etc")
    "'../etc' has a character no attachment's name may have: '/', a backslash, a control character or a lone surrogate"
    """
    if not name or len(name) > NAME_CHARACTERS_MAX:
        return f"an attachment's name has 1 to {NAME_CHARACTERS_MAX} characters, found {len(name)}"
    if name in (".", ".."):
        return f"{name!r} is no name of a file"
    if _FORBIDDEN_IN_NAME.search(name):
        return (
            f"{name[:40]!r} has a character no attachment's name may have: '/', a backslash, a control character "
            "or a lone surrogate"
        )
    return None


def content_type_problem(content_type: str) -> str | None:
    """Return why this can't be a content type, or None when it can."""
    if len(content_type) <= CONTENT_TYPE_CHARACTERS_MAX and _CONTENT_TYPE.fullmatch(content_type):
        return None
    return f"{content_type[:40]!r} is no content type: 1 to {CONTENT_TYPE_CHARACTERS_MAX} printable ASCII characters"
