"""The server-sent event stream of a doorbell, as an ASGI response.

A comment line goes out at once, so that the listener knows it is heard, and again whenever nothing else did for a
while. The stream ends as soon as the listener leaves or the bell is taken down.
"""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from solidb_sync.server.live.doorbell import Listener, News

HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


def news_event(news: News) -> bytes:
    """Return the event of a ring.

    >>> news_event(News(17))
    b'event: news\\nid: 17\\ndata: {"seq": 17}\\n\\n'
    """
    return b"event: news\nid: %d\ndata: %s\n\n" % (news.seq, news.text)


async def send_event_stream(
    listener: Listener, heartbeat_seconds: float, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send events to a listener until it leaves."""
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await _send_part(send, b": listening\n\n")
    leaving = asyncio.create_task(_until_gone(receive))
    ringing = asyncio.create_task(_ring_on(listener, heartbeat_seconds, send))
    try:
        await asyncio.wait({leaving, ringing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (leaving, ringing):
            task.cancel()
        await asyncio.gather(leaving, ringing, return_exceptions=True)
    if listener.is_closed:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _ring_on(listener: Listener, heartbeat_seconds: float, send: Send) -> None:
    while True:
        try:
            async with asyncio.timeout(heartbeat_seconds):
                rings = await listener.next_news()
        except TimeoutError:
            await _send_part(send, b": still here\n\n")
            continue
        if listener.is_closed:
            return
        await _send_part(send, b"".join(map(news_event, rings)))


async def _send_part(send: Send, text: bytes) -> None:
    await send({"type": "http.response.body", "body": text, "more_body": True})
