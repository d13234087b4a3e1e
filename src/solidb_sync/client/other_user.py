"""Another user on the same device: the server says that this store's client id belongs to somebody else.

The store takes another client id, or the one that this user had here before, and fetches everything again with the
credentials it has now; documents the new user may not read are dropped at the end of that. What the user before had not sent
is put away until that user signs in again (`storage/other_users`): neither shown, nor sent in another's name, nor lost.
"""

from __future__ import annotations

from msgspec.structs import replace

from solidb_sync.client.resync import begin_resync, known_changes
from solidb_sync.client.server_calls import ServerCalls
from solidb_sync.errors import OtherUserError
from solidb_sync.protocol.limits import CLIENT_ID_CHARACTERS_MAX
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.storage.engine import StorageEngine
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.other_users import change_hands, changes_put_away, client_of

OTHER_USER = "other_user"
SUFFIX_BYTES = 8


async def go_on_as_other_user(
    store: LocalStore, server: ServerCalls, settings: ClientSettings, problem: OtherUserError, *, author: str
) -> str:
    """Take another client id and forget the cursor; returns what to tell people. The next round fetches all."""
    before = store.client_id
    client_id = store.view(lambda reader: client_of(reader, problem.asking)) or _new_client_id(store)
    waiting = store.view(lambda reader: [change.change_id for change in changes_put_away(reader, client_id)])
    answer, known = await known_changes(store, server, settings, client_id=client_id, also=waiting)

    def work(engine: StorageEngine) -> int:
        if engine.replica().client_id != before:
            return 0  # somebody else has seen to it meanwhile
        offered = engine.replica().offered
        count = change_hands(engine, client_id=client_id, owner=problem.asking, author=author, owner_before=problem.owner)
        begin_resync(engine, answer.incarnation, known, epoch=answer.epoch, discard_local=False)
        engine.save_replica(replace(engine.replica(), offered=offered))  # what the server has lost is no user's alone
        return count

    put_away = await store.commit(work)
    return (
        f"the credentials are another user's than before: everything is fetched again under the client id {client_id!r} "
        f"instead of {before!r}; {put_away} unsent edits of the user before are kept until that user signs in again, "
        f"and {len(waiting)} that this user had left here go out"
    )


def _new_client_id(store: LocalStore) -> str:
    suffix = f".{store.random_bytes(SUFFIX_BYTES).hex()}"
    return store.device_id[: CLIENT_ID_CHARACTERS_MAX - len(suffix)] + suffix
