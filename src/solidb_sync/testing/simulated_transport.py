"""The way from a simulated device to the simulated server: real bytes, over a network with faults.

Before every request the device can be looked at, and it can die: before the request leaves, or after the answer came.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import Context
from urllib.parse import urlencode

from solidb_sync.client.transport.transport import TransportAnswer
from solidb_sync.errors import ConnectionError
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.attachments import is_attachment_path
from solidb_sync.testing.faulty_network import Answer, FaultyNetwork, NetworkError, Request
from solidb_sync.testing.simulated_disks import DeviceDisk
from solidb_sync.testing.simulated_server import DATABASE, HEADERS, SimulatedServer
from solidb_sync.testing.status_truth import Exchange


class DeviceLife:
    """One life of a device's program: until it crashes."""

    def __init__(self, observe: Callable[[], None], files: DeviceDisk) -> None:
        self.observe = observe
        self.files = files
        self.is_over = False
        self.is_in_local_call = False
        self.requests = 0
        """How many were sent, but for those of the lane of attachments."""
        self.dies_after_points = 0
        """How many points of a round it has left to live; 0 is no limit."""
        self.death = asyncio.Event()

    async def pass_point(self) -> None:
        """Go on living, or die here."""
        if self.is_over:
            raise ConnectionError("this program has ended")
        self.observe()
        self.dies_after_points -= 1
        if self.dies_after_points == 0 or self.files.is_dark():
            self.death.set()
            await asyncio.Event().wait()


class SimulatedTransport:
    """Implements `Transport`."""

    def __init__(self, life: DeviceLife, network: FaultyNetwork, server: SimulatedServer) -> None:
        self._life = life
        self._network = network
        self._server = server
        self.old_answer: TransportAnswer | None = None
        """What a broken proxy gives instead of the server's answer to the next request."""
        self.heard: list[Exchange] | None = None
        """Where to note the pushes and pulls whose answers arrive, while somebody counts them."""
        self.attachments_go = asyncio.Event()
        """Cleared while every transfer of attached bytes hangs."""
        self.attachments_go.set()

    @property
    def database(self) -> str | None:
        """The database of the simulation."""
        return DATABASE

    async def exchange(
        self, method: str, path: str, *, query: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> TransportAnswer:
        """Send one request and return the answer, if one comes."""
        assert not self._life.is_in_local_call, "20 no network: a local operation sent a request"
        is_attachment = is_attachment_path(path)
        if is_attachment:
            await self.attachments_go.wait()
        await self._life.pass_point()
        self._life.requests += not is_attachment
        if self.old_answer is not None and not is_attachment:
            answered, self.old_answer = self.old_answer, None
            return answered
        answer = await self._carry(Request(method, path, urlencode(query or {}), HEADERS, body or b""))
        await self._life.pass_point()
        if self.heard is not None and path == endpoints.DELTA:
            self.heard.append((body or b"", answer.status, answer.body))
        return TransportAnswer(answer.status, dict(answer.headers), answer.body)

    async def _carry(self, request: Request) -> Answer:
        """Hand the request to the network, whose tasks are not the device's and outlive it."""
        call = self._network.call(self._server.send, request)
        try:
            return await asyncio.get_running_loop().create_task(call, context=Context())
        except NetworkError as problem:
            raise ConnectionError(str(problem)) from problem

    async def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        """Yield a line for each ring of the server's bell, as long as that server lives."""
        assert not self._life.is_in_local_call, "20 no network: a local operation opened a stream"
        doorbell = self._server.doorbell
        if doorbell is None or self._network.is_partitioned:
            raise ConnectionError("nobody there")
        with doorbell.listening(DATABASE, query["client_id"], wants_pages="pages" in query) as listener:
            while (rings := await listener.next_news()) and not self._life.is_over:
                for news in rings:
                    if not self._network.is_partitioned:
                        yield f"data: {news.text.decode()}"

    async def close(self) -> None:
        """Give back nothing: there are no connections."""
