"""Look at the way to the server: does it answer, does its clock agree, does it know these credentials and this device."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from solidb_sync.cli.doctor.findings import Finding, fine, notice, problem
from solidb_sync.client.transport.transport import Transport, TransportAnswer
from solidb_sync.clock import Clock
from solidb_sync.errors import ConnectionError, ProtocolError, SoliDBError
from solidb_sync.protocol import endpoints
from solidb_sync.protocol.codec import decode_error, decode_message
from solidb_sync.protocol.messages import StatusAnswer

CLOCK_SECONDS_MAX = 60.0
"""Where the latest time wins, a clock that is further off decides conflicts that were none of its business."""

_REMEDIES = {
    401: "make a key (solidb-sync token create, at the server) and set SOLIDB_API_KEY or SOLIDB_API_KEY_FILE",
    403: "use a key that may use this database, and a device id of your own",
    404: "check SOLIDB_URL and SOLIDB_DATABASE; a database is made by the first sync of a key that may make it",
}


class Health(msgspec.Struct):
    """What a server says of itself."""

    timestamp: str


async def check_server(server: Transport, client_id: str, clock: Clock) -> AsyncIterator[Finding]:
    """Yield what is found of a server, and what it says of a device; changes nothing there."""
    begun = clock.monotonic()
    try:
        answer = await server.exchange("GET", endpoints.HEALTH)
        waited = clock.monotonic() - begun
        if answer.status != 200:
            yield _refused("server", answer)
            return
        yield fine("server", f"answers in {waited * 1000:.0f} ms")
        yield _clock_finding(answer, clock, waited)
        yield await _device_finding(server, client_id)
    except ConnectionError as found:
        yield problem("server", str(found), "check SOLIDB_URL, the network, and that the server runs (solidb-sync serve)")
    except SoliDBError as found:
        yield problem(
            "server", str(found), "check SOLIDB_URL: what answers there is no server of this system, or a newer one"
        )


def _clock_finding(answer: TransportAnswer, clock: Clock, waited: float) -> Finding:
    try:
        theirs = datetime.fromisoformat(msgspec.json.decode(answer.body, type=Health).timestamp).timestamp()
    except (msgspec.MsgspecError, ValueError) as found:
        raise ProtocolError(f"{endpoints.HEALTH}: no time in the answer: {found}") from found
    ahead = clock.now_ms() / 1000 - waited / 2 - theirs
    told = f"this device's is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the server's"
    if abs(ahead) > CLOCK_SECONDS_MAX:
        return notice("clock", told, "let this device set its clock from the network (NTP)")
    return fine("clock", told)


async def _device_finding(server: Transport, client_id: str) -> Finding:
    assert server.database is not None
    path = endpoints.path_for(endpoints.STATUS, server.database)
    answer = await server.exchange("GET", path, query={"client_id": client_id})
    if answer.status != 200:
        return _refused("access", answer)
    known = decode_message(answer.body, StatusAnswer)
    last = f"last synced {known.last_sync}" if known.last_sync else "never synced"
    return fine("access", f"the key is accepted for {server.database!r}; {last}, {known.pending_for_client} to fetch")


def _refused(check: str, answer: TransportAnswer) -> Finding:
    told = f"{decode_error(answer.body, answer.status).error} (status {answer.status}, request {answer.request_id})"
    return problem(check, told, _REMEDIES.get(answer.status, "look for the request's id in the server's log"))
