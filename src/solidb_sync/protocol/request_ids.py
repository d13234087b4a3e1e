"""The id of a request, by which both ends' logs are brought together: `X-Request-Id`, or one that the server makes.

What comes in a header may be anybody's text, and goes into logs and answers: an id that is not short and plain is none.
"""

from __future__ import annotations

import re

REQUEST_ID_HEADER = "x-request-id"
REQUEST_ID_CHARACTERS_MAX = 64
REQUEST_ID_BYTES = 8
"""Of chance in an id of ours, written as twice as many hexadecimal digits."""

_PLAIN = re.compile(rf"[A-Za-z0-9._:-]{{1,{REQUEST_ID_CHARACTERS_MAX}}}")


def plain_request_id(text: str) -> str:
    """Return an id that may be logged and shown, empty for text that is none.

    >>> plain_request_id("7f3a-01"), plain_request_id("two\\nlines"), plain_request_id("x" * 65)
    ('7f3a-01', '', '')
    """
    return text if _PLAIN.fullmatch(text) else ""
