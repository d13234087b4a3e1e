"""What the sync needs of a network: one exchange, one stream. A simulation has its own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class TransportAnswer:
    """An HTTP answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str = ""
    """The name of the exchange, by which the server's log knows it too."""

    @property
    def retry_after_seconds(self) -> float | None:
        """How long the server asks to be left alone; the date form of Retry-After is not used by our server: absent."""
        header = self.headers.get("retry-after")
        return float(header) if header is not None and header.isascii() and header.isdigit() else None


def author_of(transport: Transport) -> str:
    """Return a name for whoever a transport's credentials are for, `user`; empty for a transport that does not say."""
    return str(getattr(transport, "user", ""))


class Transport(Protocol):
    """Carries requests to one server.

    One that has credentials may say who they are for, in a property `user`: any text that is the same for the same person.
    It tells the unsent edits of several users of one device apart.
    """

    @property
    def database(self) -> str | None:
        """The database this client was made for."""

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Send one request and return whatever the server answered.

        Raises `solidb_sync.errors.ConnectionError` when there was no answer; whether the server saw the request is then
        unknown.
        """

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield the lines of a stream as they arrive, until it breaks off (`ConnectionError`) or ends."""

    async def close(self) -> None:
        """Give back connections; a later exchange opens new ones."""
