"""Collect one page of a pull: the documents that changed after a cursor, in the order of their latest change.

The change log has one live entry for each document, so the cost of a page follows the page, never the database: the log
is scanned from the cursor, then the documents of each collection in the page are fetched with one statement a chunk,
and put back in order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from msgspec import UNSET, Raw, UnsetType

from solidb_sync.clock import iso_text
from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta import parse_path, value_at
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.model.field_dots import FieldDots, paths_since
from solidb_sync.protocol.limits import PULL_BYTES_MAX
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import Echo, LogEntry, StoredDocument
from solidb_sync.server.whole_transactions import TOGETHER_DOCUMENTS_MAX, entries_with

FIELDS_WHERE_SHORTER = DeltaPolicy(1.0)
CHUNK_ENTRIES = 64
"""How many documents are fetched at a time, so that the byte limit bounds what is in memory."""


@dataclass(frozen=True, slots=True)
class PullQuery:
    """What a device asks for.

    `since` is the sequence at which it held every document, which fields are relative to; 0 asks for whole documents.
    With `wants_both`, the fields come with the whole document beside them.
    """

    cursor: int
    limit: int
    collections: Sequence[str] | None
    echo: Echo
    since: int = 0
    excluded: Sequence[str] = ()
    wants_both: bool = False
    policy: DeltaPolicy = FIELDS_WHERE_SHORTER
    has_resets: bool = False
    """Whether the device may be about to drop whole collections: what has come into them since goes along with that."""


@dataclass(slots=True)
class Page:
    """Documents, the last sequence scanned, and the newest one there was; `authors` made the changes in it.

    `changes` may be JSON text already.
    """

    changes: list[ServerChange] | Raw
    cursor: int
    has_more: bool
    target_seq: int
    authors: dict[str, int] = field(default_factory=dict)


def collect_changes(session: ReadSession, query: PullQuery) -> Page:
    """Return the next page after a cursor. A cursor beyond the newest sequence is read as 0: everything is new."""
    newest = session.head().newest
    if query.cursor > newest:
        query = replace(query, cursor=0, since=0)
    cursor = query.cursor
    page = Page([], newest, False, newest)
    if cursor == newest or query.limit == 0:
        page.cursor = cursor
        return page
    names = asked_collections(session, query.collections, query.excluded)
    wanted = None if query.collections is None and not query.excluded else list(names)
    is_plain = not (query.since or query.has_resets or session.has_transactions())
    if is_plain and _fill_with_text(session, page, query, names=names, wanted=wanted):
        return page
    entries = session.log_after(cursor, wanted=wanted, echo=query.echo, limit=query.limit + 1)
    if len(entries) <= query.limit:
        _end_of_scan(session, page, cursor)
    else:
        page.cursor, page.has_more = entries[query.limit - 1].seq, True
    _fill(session, page, entries[: query.limit], names, query)
    if page.has_more:
        made_anew = after_resets(session, query, page.cursor, names)
        here = [*(entry for entry in entries if entry.seq <= page.cursor), *made_anew]
        shown = [(entry.collection, entry.row) for entry in here]
        others = entries_with(session, shown, upto=page.cursor, since=query.since, wanted=wanted, echo=query.echo)
        _add_others(session, page, sorted({*others, *made_anew}), names, query)
    return page


def after_resets(session: ReadSession, query: PullQuery, upto: int, names: dict[int, str]) -> list[LogEntry]:
    """Return the entries beyond a page of the collections that it empties: the device may have those documents already."""
    if not query.has_resets:
        return []
    emptied = {reset.collection for reset in session.resets_after(query.cursor) if reset.seq <= upto}
    wanted = [number for number, name in names.items() if name in emptied]
    if not wanted:
        return []
    found = session.log_after(upto, wanted=wanted, echo=query.echo, limit=TOGETHER_DOCUMENTS_MAX + 1)
    return found if len(found) <= TOGETHER_DOCUMENTS_MAX else []


def asked_collections(session: ReadSession, names: Sequence[str] | None, excluded: Sequence[str]) -> dict[int, str]:
    """Return number and name of the collections a pull is about: those named, or all, without the excluded ones."""
    left_out = set(excluded)
    return {number: name for number, name in session.collection_ids(names).items() if name not in left_out}


def _end_of_scan(session: ReadSession, page: Page, cursor: int) -> None:
    """Say how far a scan came that did not fill its page: to its own bound, or to the end."""
    bound = session.scanned_to(cursor)
    if bound is not None and bound < page.target_seq:
        page.cursor, page.has_more = bound, True


def _fill(session: ReadSession, page: Page, entries: Sequence[LogEntry], names: dict[int, str], query: PullQuery) -> None:
    """Put the documents into the page, as many as fit into its bytes and at least one."""
    bytes_sent, last_seq = 0, 0
    changes: list[ServerChange] = []
    page.changes = changes
    for entry, stored in documents_of(session, entries):
        change, size = _sent(names[entry.collection], stored, query)
        if bytes_sent and bytes_sent + size > PULL_BYTES_MAX:
            page.cursor, page.has_more = last_seq, True
            return
        bytes_sent += size
        last_seq = entry.seq
        _add(page, changes, entry, change)


def _add_others(
    session: ReadSession, page: Page, entries: Sequence[LogEntry], names: dict[int, str], query: PullQuery
) -> None:
    """Add what belongs together with the page from beyond its end, if it is not longer than a page by itself."""
    found = [(entry, *_sent(names[entry.collection], stored, query)) for entry, stored in documents_of(session, entries)]
    if sum(size for _, _, size in found) <= PULL_BYTES_MAX:
        assert isinstance(page.changes, list)
        for entry, change, _ in found:
            _add(page, page.changes, entry, change)


def _sent(collection: str, stored: StoredDocument, query: PullQuery) -> tuple[ServerChange, int]:
    change, size = server_change(collection, stored, since=query.since, policy=query.policy)
    if query.wants_both and change.operation == "update" and stored.body is not None:
        change.document = Raw(stored.body.encode())
        size += len(stored.body)
    return change, size


def _add(page: Page, changes: list[ServerChange], entry: LogEntry, change: ServerChange) -> None:
    changes.append(change)
    page.authors[entry.author] = max(entry.counter, page.authors.get(entry.author, 0))


def _fill_with_text(
    session: ReadSession, page: Page, query: PullQuery, *, names: dict[int, str], wanted: Sequence[int] | None
) -> bool:
    """Fill the page with whole documents of a single collection, if it is one and they fit; the same at a lower cost."""
    stretch = session.stretch_after(query.cursor, wanted=wanted, echo=query.echo, limit=query.limit)
    if stretch.collection is None or session.has_crdt_states(stretch.collection):
        return False
    text = session.page_text(stretch, names[stretch.collection], echo=query.echo, bytes_max=PULL_BYTES_MAX)
    if text is None:
        return False
    page.changes = Raw(text)
    page.authors = session.authors(stretch, wanted=wanted, echo=query.echo)
    has_more = stretch.entries == query.limit and session.log_after(
        stretch.last_seq, wanted=wanted, echo=query.echo, limit=1
    )
    if has_more:
        page.cursor, page.has_more = stretch.last_seq, True
    else:
        _end_of_scan(session, page, query.cursor)
    return True


def documents_of(session: ReadSession, entries: Sequence[LogEntry]) -> Iterator[tuple[LogEntry, StoredDocument]]:
    """Yield the documents of log entries, in their order."""
    for begin in range(0, len(entries), CHUNK_ENTRIES):
        chunk = entries[begin : begin + CHUNK_ENTRIES]
        rows: dict[int, list[int]] = {}
        for entry in chunk:
            rows.setdefault(entry.collection, []).append(entry.row)
        found = {
            stored.seq: stored for collection, wanted in rows.items() for stored in _stored(session, collection, wanted)
        }
        for entry in chunk:
            yield entry, found[entry.seq]


def _stored(session: ReadSession, collection: int, rows: Sequence[int]) -> list[StoredDocument]:
    """Return documents with the states of their replicated fields."""
    found = session.documents_at(collection, rows)
    if not session.has_crdt_states(collection):
        return found
    states = session.crdt_states(collection, rows)
    return [stored._replace(crdt=states.get(stored.row, "")) for stored in found]


def server_change(collection: str, stored: StoredDocument, *, since: int, policy: DeltaPolicy) -> tuple[ServerChange, int]:
    """Return a document as the change that brings a device from `since` to its current version, and its size in bytes."""
    change = ServerChange(
        collection=collection,
        key=stored.key,
        operation="delete",
        version_vector=Raw(stored.vector.encode()),
        seq=stored.seq,
        timestamp=iso_text(stored.updated_ms),
    )
    envelope = len(stored.vector) + len(stored.key) + len(stored.crdt)
    if stored.crdt:
        change.crdt = Raw(stored.crdt.encode())
    if stored.body is None:
        return change, envelope
    body = stored.body.encode()
    if since:
        fields = _fields_since(stored, body, since)
        if fields is not None and policy.sends_fields(collection, delta_bytes=fields[2], document_bytes=len(body)):
            delta, change.unset, _ = fields
            if stored.crdt:
                change.crdt = _states_since(stored, since)
            change.operation, change.delta = "update", Raw(delta)
            return change, envelope + len(delta)
    change.operation, change.document = "insert", Raw(body)
    return change, envelope + len(body)


def _states_since(stored: StoredDocument, since: int) -> Raw | UnsetType:
    """Return the states of the replicated fields written after `since`."""
    dots = FieldDots.from_json(stored.dots)
    states = {path: state for path, state in decode(stored.crdt).items() if dots.write_at(parse_path(path)).seq > since}
    return Raw(encode(states)) if states else UNSET


def _fields_since(stored: StoredDocument, body: bytes, since: int) -> tuple[bytes, list[str], int] | None:
    """Return the fields written and those removed after `since`, and their bytes; None when it was created since."""
    paths = paths_since(stored.dots, since)
    if paths is None:
        return None
    document = decode(body)
    values: dict[str, Any] = {}
    removed: list[str] = []
    for path in paths:
        is_present, value = value_at(document, parse_path(path))
        if is_present:
            values[path] = value
        else:
            removed.append(path)
    delta = encode(values)
    return delta, removed, len(delta) + sum(len(text) for text in removed)
