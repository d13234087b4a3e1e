"""A network between one client and one server that loses, delays, repeats and cuts what it carries.

One rule: a fault is never visible as itself. The caller learns only what a real one would: an answer whose bytes may
have been cut short, or a `NetworkError` after a timeout that does not say whether the server did the work.

The server's work belongs to the server: it goes on when the caller gives up or is cancelled. All time is the
loop's and all chance the random generator's, so a run repeats.
"""

import asyncio
import random
from asyncio import AbstractEventLoop
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, NoReturn
from urllib.parse import unquote

from solidb_sync.protocol.request_ids import REQUEST_ID_HEADER

TIMEOUT_SECONDS = 30.0
"""How long a caller waits for an answer that will not come."""

LATE_SECONDS_MAX = 3600.0
"""How long a request that arrives once more, or only after its caller gave up, may be under way."""

ANSWER_BYTES_MAX = 64 * 1024 * 1024

Headers = tuple[tuple[str, str], ...]


class NetworkError(ConnectionError):
    """No answer came. The server may have handled the request, once or twice, or may yet."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request as on the wire: `path` is percent-encoded, `query` is without its question mark."""

    method: str
    path: str
    query: str = ""
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came; its body may be shorter than its headers say."""

    status: int
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Faults:
    """The probability of each fault of one call, from 0 to 1, and the longest delay of each way.

    A duplicate is the same bytes once more, in the background and perhaps much later. Of a request that was
    lost it is the only copy: then the server hears for the first time what the caller gave up long ago.
    """

    lose_request: float = 0
    lose_answer: float = 0
    duplicate: float = 0
    delay_max_seconds: float = 0
    truncate_answer: float = 0
    truncate_request: float = 0


@dataclass(slots=True)
class Traffic:
    """What went over the network so far; `late_requests` are those of the requests that nobody waited for."""

    requests: int = 0
    answers: int = 0
    late_requests: int = 0
    request_bytes: int = 0
    answer_bytes: int = 0
    failures: int = 0


Send = Callable[[Request], Awaitable[Answer]]


class FaultyNetwork:
    """One link. Give each client its own, so that one can be cut off while the others go on."""

    def __init__(self, loop: AbstractEventLoop, rng: random.Random, faults: Faults = Faults()) -> None:
        self.faults = faults
        self.is_partitioned = False
        self.traffic = Traffic()
        self._loop = loop
        self._rng = rng
        self._handling: dict[asyncio.Task[Answer], None] = {}
        self._in_background: dict[asyncio.Task[Any], None] = {}
        self._errors: list[Exception] = []

    async def call(self, send: Send, request: Request) -> Answer:
        """Carry a request to the server and its answer back.

        Raises `NetworkError` where no answer comes back, and whatever else `send` raises as it is. A server
        that takes long is waited for; a caller with less patience sets its own timeout.
        """
        await self._delay()
        if self._is_lost(self.faults.lose_request):
            self._perhaps_deliver_late(send, request)
            await self._time_out("the request was lost")
        if self._happens(self.faults.truncate_request):
            request = replace(request, body=self._cut(request.body))
        self._perhaps_deliver_late(send, request)
        answer = await self._answer_of(self._deliver(send, request))
        await self._delay()
        if self._is_lost(self.faults.lose_answer):
            await self._time_out("the answer was lost")
        if self._happens(self.faults.truncate_answer):
            answer = replace(answer, body=self._cut(answer.body))
        return answer

    def partition(self, is_partitioned: bool) -> None:
        """Cut everything, what is under way included, or join the two sides again."""
        self.is_partitioned = is_partitioned

    def heal(self) -> None:
        """Join the two sides and set all faults to zero; what is already late still arrives."""
        self.is_partitioned = False
        self.faults = Faults()

    def stop_handling(self) -> None:
        """Cancel the requests that the server is working on: it has been killed, and callers time out."""
        for handling in self._handling:
            handling.cancel()

    async def settle(self) -> None:
        """Wait for every request that goes on without its caller, and raise what went wrong in them."""
        while self._in_background:
            await asyncio.wait(list(self._in_background))
        if self._errors:
            errors, self._errors = self._errors, []
            raise ExceptionGroup("the server failed on requests nobody was waiting for", errors)

    def _deliver(self, send: Send, request: Request) -> asyncio.Task[Answer]:
        """Start the server's work on a request."""
        self.traffic.requests += 1
        self.traffic.request_bytes += len(request.body)
        handling = self._loop.create_task(self._handle(send, request))
        self._handling[handling] = None
        handling.add_done_callback(self._handling.pop)
        return handling

    async def _handle(self, send: Send, request: Request) -> Answer:
        answer = await send(request)
        self.traffic.answers += 1
        self.traffic.answer_bytes += len(answer.body)
        return answer

    async def _answer_of(self, handling: asyncio.Task[Answer]) -> Answer:
        """Wait for the server without being able to stop it."""
        try:
            await asyncio.wait([handling])
        except asyncio.CancelledError:
            self._keep(handling)
            raise
        if handling.cancelled():
            await self._time_out("the server stopped")
        return handling.result()

    def _perhaps_deliver_late(self, send: Send, request: Request) -> None:
        if not self.is_partitioned and self._happens(self.faults.duplicate):
            self._keep(self._loop.create_task(self._deliver_late(send, request)))

    async def _deliver_late(self, send: Send, request: Request) -> None:
        """Deliver the bytes in the background: about now, or when everyone has forgotten them."""
        delay_max_seconds = self._rng.choice([self.faults.delay_max_seconds, LATE_SECONDS_MAX])
        await asyncio.sleep(self._rng.uniform(0, delay_max_seconds))
        if self.is_partitioned:
            return
        self.traffic.late_requests += 1
        handling = self._deliver(send, request)
        self._keep(handling)
        await asyncio.wait([handling])

    def _keep(self, task: asyncio.Task[Any]) -> None:
        self._in_background[task] = None
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        del self._in_background[task]
        error = None if task.cancelled() else task.exception()
        if isinstance(error, Exception) and not isinstance(error, NetworkError):
            self._errors.append(error)

    async def _delay(self) -> None:
        if self.faults.delay_max_seconds > 0:
            await asyncio.sleep(self._rng.uniform(0, self.faults.delay_max_seconds))

    async def _time_out(self, reason: str) -> NoReturn:
        self.traffic.failures += 1
        await asyncio.sleep(TIMEOUT_SECONDS)
        raise NetworkError(f"no answer within {TIMEOUT_SECONDS} s: {reason}")

    def _is_lost(self, probability: float) -> bool:
        return self.is_partitioned or self._happens(probability)

    def _happens(self, probability: float) -> bool:
        return probability > 0 and self._rng.random() < probability

    def _cut(self, body: bytes) -> bytes:
        return body[: self._rng.randrange(len(body))] if body else body


Message = MutableMapping[str, Any]
AsgiApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
    Awaitable[None],
]


def asgi_send(app: AsgiApp) -> Callable[[Request], Coroutine[Any, Any, Answer]]:
    """Return a `send` that hands each request to an ASGI app and collects its whole answer.

    An answer without an end, such as an event stream, never comes back.
    """

    async def send(request: Request) -> Answer:
        exchange = _Exchange(request)
        try:
            await app(_scope(request), exchange.receive, exchange.send)
        finally:
            exchange.is_over.set()
        return exchange.answer()

    return send


class _Exchange:
    """One request and its answer as ASGI messages."""

    def __init__(self, request: Request) -> None:
        self.is_over = asyncio.Event()
        self._unread: list[Message] = [{"type": "http.request", "body": request.body, "more_body": False}]
        self._start: Message | None = None
        self._body = bytearray()

    async def receive(self) -> Message:
        if self._unread:
            return self._unread.pop()
        await self.is_over.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._start = message
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if len(self._body) > ANSWER_BYTES_MAX:
                raise ValueError(f"answer: expected at most {ANSWER_BYTES_MAX} bytes, found more")
            if not message.get("more_body", False):
                self.is_over.set()

    def answer(self) -> Answer:
        if self._start is None:
            raise RuntimeError("the app returned without an answer")
        pairs = self._start.get("headers", ())
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs)
        return Answer(self._start["status"], headers, bytes(self._body))


def _scope(request: Request) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(request.path),
        "raw_path": request.path.encode("ascii"),
        "root_path": "",
        "query_string": request.query.encode("ascii"),
        "headers": [
            *((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers),
            (REQUEST_ID_HEADER.encode("ascii"), b"simulated"),  # so that the server draws none
        ],
        "client": ("client.test", 50_000),
        "server": ("server.test", 80),
    }
