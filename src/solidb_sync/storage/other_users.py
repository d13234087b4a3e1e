"""What a store keeps for users of its device who are not the present one.

A client id belongs to one user at the server (`server/client_owners`). When somebody else signs in, the store takes another
client id, and what the user before had not sent is *put away* under the id it was made under: changes that wait, changes
that were refused, and the conflict log. Nothing of that is shown or sent until its user signs in again, and none of it is
lost. Edits that the present user made before the server said so stay: they are told apart by the *author*, a name that the
transport gives for whoever its credentials are for, noted with the first edit each makes here.

Put away means: as settings, in pages, because nothing else reads them; every engine keeps, copies and seals those already.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace as with_fields

from msgspec import Struct, field, json
from msgspec.structs import replace

from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.attachment_custody import doubt
from solidb_sync.storage.departures import show_without
from solidb_sync.storage.engine import EngineReader, StorageEngine
from solidb_sync.storage.new_dots import readdress
from solidb_sync.storage.outbox import Applied
from solidb_sync.storage.overlay import keep_base_apart, rebuild
from solidb_sync.storage.records import ChangeState, StoredChange
from solidb_sync.storage.text_forms import decode_change, encode_change

SETTING = "users"
PAGE_SETTING = "put_away/"
CHANGES_PER_PAGE = 200
CLIENTS_REMEMBERED_MAX = 100
"""How many client ids are remembered that nothing is kept for; of the others every one is."""

Place = tuple[str, str]


class KeptClient(Struct, frozen=True):
    """A client id this store has been: whose it is at the server (a digest), and how much is put away under it."""

    owner: str = ""
    changes: int = 0
    pages: int = 0


class Users(Struct, frozen=True):
    """Who has used this store. `author` has made the changes with ids beyond `after` that wait, others those up to it."""

    author: str = ""
    after: int = 0
    clients: dict[str, KeptClient] = field(default_factory=dict)


_users = json.Decoder(Users)
_pages = json.Decoder(list[StoredChange])


def users_of(reader: EngineReader) -> Users:
    """Return who has used this store."""
    text = reader.setting(SETTING)
    return Users() if text is None else _users.decode(text)


def _save(engine: StorageEngine, users: Users) -> None:
    engine.put_setting(SETTING, json.encode(users).decode())


def note_author(engine: StorageEngine, author: str) -> None:
    """Note whose the edits are that come from here on."""
    users = users_of(engine)
    if users.author != author:
        _save(engine, replace(users, author=author, after=engine.replica().last_change))


def readdress_all(engine: StorageEngine, *, known: Mapping[str, Applied] | None = None, lost: Dot | None = None) -> None:
    """Give every change that waits a new dot and a new id (`new_dots.readdress`), and go on knowing whose each is."""
    users, waiting = users_of(engine), engine.changes(state=ChangeState.PENDING)
    of_others = {change.change_id for change in waiting if change.id <= users.after}
    readdress(engine, waiting, known=known, lost=lost)
    if of_others:
        moved = [change.id for change in engine.changes(state=ChangeState.PENDING) if change.change_id in of_others]
        _save(engine, replace(users, after=max([users.after, *moved])))


def client_of(reader: EngineReader, owner: str) -> str | None:
    """Return the client id under which this store was that owner's before, None when it never was."""
    found = [name for name, kept in users_of(reader).clients.items() if owner and kept.owner == owner]
    return found[-1] if found else None


def kept_for_others(reader: EngineReader) -> int:
    """Return how many changes are put away for users who are not signed in."""
    return sum(kept.changes for kept in users_of(reader).clients.values())


def changes_put_away(reader: EngineReader, client_id: str | None = None) -> Iterator[StoredChange]:
    """Yield what is put away under a client id, or under any, oldest first."""
    for name, kept in users_of(reader).clients.items():
        if client_id in (None, name):
            for page in range(kept.pages):
                text = reader.setting(_page(name, page))
                yield from [] if text is None else _pages.decode(text)


def change_hands(engine: StorageEngine, *, client_id: str, owner: str, author: str, owner_before: str) -> int:
    """Go on as another client: put away what others have not sent, bring back what this one had not.

    Returns how many changes were put away. The caller begins a new incarnation in the same transaction.
    """
    replica = engine.replica()
    users = users_of(engine)
    upto = users.after if author and users.author == author else replica.last_change
    put_away = _put_away(engine, replica.client_id, owner_before, upto)
    _exchange_logs(engine, before=replica.client_id, now=client_id)
    engine.save_replica(replace(engine.replica(), alias="" if client_id == replica.device_id else client_id))
    _bring_back(engine, client_id, owner)
    _save(engine, replace(users_of(engine), author=author, after=0))
    for blob in engine.blobs():
        doubt(engine, blob)  # an incarnation of another client has nothing to say of it
    return put_away


def _put_away(engine: StorageEngine, client_id: str, owner: str, upto: int) -> int:
    leaving = [change for change in engine.changes(state=None) if change.id <= upto]
    kept = [change for change in leaving if change.state is not ChangeState.HELD]  # those the server has already
    pages = [kept[first : first + CHANGES_PER_PAGE] for first in range(0, len(kept), CHANGES_PER_PAGE)]
    for number, page in enumerate(pages):
        engine.put_setting(_page(client_id, number), json.encode(page).decode())
    _remember(engine, client_id, KeptClient(owner, len(kept), len(pages)))
    _unbase(engine, kept)
    engine.drop_changes(change.id for change in leaving)
    for place in _places(leaving):
        show_without(engine, place)
    return len(kept)


def _bring_back(engine: StorageEngine, client_id: str, owner: str) -> None:
    """Have what was put away under a client id wait again, in front of what was made since."""
    back = list(changes_put_away(engine, client_id))
    made_since = engine.changes(state=ChangeState.PENDING) if back else []
    for change in back:
        keep_base_apart(engine, change.collection, change.key, engine.row(change.collection, change.key))
        engine.add_change(change)
    engine.drop_changes([change.id for change in made_since])
    for change in made_since:
        engine.add_change(change)
    for place in _places([*back, *made_since]):
        rebuild(engine, *place)
    for number in range(users_of(engine).clients.get(client_id, KeptClient()).pages):
        engine.put_setting(_page(client_id, number), None)
    _remember(engine, client_id, KeptClient(owner))


def _remember(engine: StorageEngine, client_id: str, kept: KeptClient) -> None:
    users = users_of(engine)
    clients = {name: known for name, known in users.clients.items() if name != client_id}
    empty = [name for name, known in clients.items() if not known.changes]
    for name in empty[: max(0, len(empty) - CLIENTS_REMEMBERED_MAX + 1)]:
        del clients[name]
    _save(engine, replace(users, clients={**clients, client_id: kept}))


def _unbase(engine: StorageEngine, leaving: list[StoredChange]) -> None:
    """Let the edits that stay no longer stand on edits that leave, which the server may never have seen."""
    seen: dict[tuple[Place, str], int] = {}
    for change in leaving:
        if change.state is ChangeState.PENDING:
            before = decode_change(change.wire).base_version.get(change.actor, 0)
            seen.setdefault(((change.collection, change.key), change.actor), before)
    if not seen:
        return
    gone = {change.id for change in leaving}
    for change in engine.changes(state=ChangeState.PENDING):
        known = seen.get(((change.collection, change.key), change.actor))
        if known is not None and change.id not in gone:
            wire = decode_change(change.wire)
            base = {actor: count for actor, count in wire.base_version.items() if actor != change.actor}
            wire.base_version = {**base, **({change.actor: known} if known else {})}
            engine.replace_change(replace(change, wire=encode_change(wire)))


def _exchange_logs(engine: StorageEngine, *, before: str, now: str) -> None:
    """Take the conflicts of one client out of sight, and show those of another; see `conflict_log.is_own`."""
    for conflict in engine.conflicts():
        owner, is_put_away, status = conflict.status.rpartition("/")
        if not is_put_away:
            engine.put_conflict(with_fields(conflict, status=f"{before}/{conflict.status}"))
        elif owner == now:
            engine.put_conflict(with_fields(conflict, status=status))


def _places(changes: Iterable[StoredChange]) -> list[Place]:
    return list(dict.fromkeys((change.collection, change.key) for change in changes))


def _page(client_id: str, number: int) -> str:
    return f"{PAGE_SETTING}{client_id}/{number}"
