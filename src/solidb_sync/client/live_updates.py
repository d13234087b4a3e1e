"""Listen for the server's doorbell: a stream that says "news up to 17", and what the news is when it is short.

A page in the stream is the answer to a pull that nobody had to ask for: it is applied as one, or not at all.

A broken stream is opened again after a jittered delay. When the first line of the new one is heard, one ring without a
number is given: the server can be reached again, and whatever waits for that may go. Delays double until a stream has
lasted: one that opens and breaks at once, behind a proxy that ends streams, is no reason to ask several times a second.

A stream that is refused for want of credentials is not opened again before a round has had its credentials accepted: it is
the rounds that try again, and one who tries is enough.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import msgspec

from solidb_sync.client.retry import Backoff
from solidb_sync.client.transport.transport import Transport
from solidb_sync.errors import AuthError, SoliDBError
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.messages import ReceivedAnswer

STREAM_LASTED_SECONDS = 30.0
"""After how long a stream counts as one that lasts, so that the next delay is short again."""

REOPEN_SECONDS_MAX = 20.0
"""The longest wait before a stream is asked for again: hearing it is what tells a device that the server is back."""


@dataclass(frozen=True, slots=True)
class Ring:
    """News up to a sequence, and maybe the page that leads there from the cursor `since`.

    Without a sequence: a stream that was opened again, or news that can't be read.
    """

    seq: int | None
    since: int = 0
    page: ReceivedAnswer | None = None


async def listen_for_news(
    transport: Transport,
    database: str,
    client_id: str,
    *,
    ring: Callable[[Ring], Awaitable[None]],
    backoff: Backoff,
    accepted: asyncio.Event,
) -> None:
    """Call `ring` with every piece of news, one after the other, for ever; ends only by cancellation."""
    clock = asyncio.get_running_loop()
    path, query = endpoints.path_for(endpoints.STREAM, database), {"client_id": client_id, "pages": "true"}
    backoff = replace(backoff, cap_seconds=REOPEN_SECONDS_MAX)
    failures = 0
    while True:
        opened: float | None = None
        try:
            async for line in transport.listen(path, query):
                if opened is None:
                    opened = clock.time()
                    if failures:
                        await ring(Ring(None))
                if line.startswith("data:"):
                    await ring(read_ring(line))
        except AuthError:
            await ring(Ring(None))  # a round finds out whether that is so, and says it
        except SoliDBError:
            pass
        has_lasted = opened is not None and clock.time() - opened >= STREAM_LASTED_SECONDS
        failures = 1 if has_lasted else failures + 1
        await asyncio.sleep(backoff.delay_seconds(failures))
        await accepted.wait()


def read_ring(line: str) -> Ring:
    """Return what a line of the stream tells; what can't be read is a ring all the same: then the pull will tell.

    >>> read_ring('data: {"seq": 17}')
    Ring(seq=17, since=0, page=None)
    """
    try:
        told = _decoder.decode(line.removeprefix("data:"))
    except (msgspec.MsgspecError, UnicodeError):
        return Ring(None)
    return Ring(told.seq, told.since, told.page)


class _Told(msgspec.Struct):
    seq: int
    since: int = msgspec.field(default=0, name="from")
    page: ReceivedAnswer | None = None


_decoder = msgspec.json.Decoder(_Told)
