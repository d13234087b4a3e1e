"""Documents that are on the server only: fetched when asked for, and kept if the next pull can go on from them."""

from __future__ import annotations

from solidb_sync.client.connectivity import Connectivity
from solidb_sync.client.events import with_identity
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import ConnectionError, DocumentEvictedError, ProtocolError
from solidb_sync.json_value import JsonDocument, decode
from solidb_sync.protocol.messages import FetchAnswer
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import Mark
from solidb_sync.storage.retention import is_evicted, take_back


async def fetch_evicted(
    store: LocalStore, server: ServerCalls, connectivity: Connectivity, place: tuple[str, str]
) -> JsonDocument | None:
    """Return an evicted document as the server has it now, None when it has been deleted there.

    Raises `DocumentEvictedError` when the server can't be asked.
    """
    where = "/".join(place)
    if not connectivity.is_on:
        raise DocumentEvictedError(f"{where}: evicted from this device, and the manager is offline: set_online(True)")
    try:
        answer = await server.fetch(*place)
    except ConnectionError as problem:
        raise DocumentEvictedError(f"{where}: evicted from this device, and the server can't be reached") from problem
    await store.commit(lambda engine: _note(engine, place, answer))
    if answer.change is None:
        return None
    if (answer.change.collection, answer.change.key) != place or answer.change.operation != "insert":
        raise ProtocolError(f"the server was asked for {where} and sent something else")
    return with_identity(decode(bytes(answer.change.document)), *place)  # type: ignore[arg-type]


def _note(engine: StorageEngine, place: tuple[str, str], answer: FetchAnswer) -> None:
    if answer.change is not None:
        take_back(engine, place, answer)
    elif is_evicted(engine, *place):
        engine.unmark(Mark.EVICTED, *place)
