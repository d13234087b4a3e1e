"""A network over a real one that loses just what a test tells it to."""

from __future__ import annotations

from typing import Any

from solidb_sync import HttpClient
from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import ConnectionError


class LossyClient:
    """Loses, of the next requests, the `request` or its `answer`; one for which nothing stands (empty) gets through."""

    def __init__(self, client: HttpClient, lost: list[str]) -> None:
        self._client = client
        self.lost = lost

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def exchange(self, method: str, path: str, **content: Any) -> TransportAnswer:
        """Carry a request, if it is not to be lost."""
        lost = self.lost.pop(0) if self.lost else ""
        if lost == "request":
            raise ConnectionError("the request was lost")
        answer = await self._client.exchange(method, path, **content)
        if lost == "answer":
            raise ConnectionError("the answer was lost")
        return answer
