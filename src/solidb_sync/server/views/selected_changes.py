"""Collect a page of a pull by views: documents that match are sent, those that match no longer are taken away.

The log is scanned as for any pull. A document that does not match is told to leave (`remove`) only when it is in the
device's view; of all others the device learns nothing, not even that they are there. What the page does to the views is
returned beside it, to be written before the answer goes out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from msgspec import Raw

from solidb_sync.clock import iso_text
from solidb_sync.json_value import decode
from solidb_sync.protocol.limits import PULL_BYTES_MAX
from solidb_sync.protocol.messages import ServerChange
from solidb_sync.server.collect_changes import (
    CHUNK_ENTRIES,
    Page,
    PullQuery,
    after_resets,
    asked_collections,
    documents_of,
    server_change,
)
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import Echo, LogEntry, StoredDocument, is_echo
from solidb_sync.server.storage.views import RowState, ViewRow
from solidb_sync.server.views.selection import Selection, Standing
from solidb_sync.server.whole_transactions import entries_with

LOOKED_AT_MAX = 4_000
"""How many documents are looked at for one page, so that a filter that wants none of them does not hold up the rest."""
NO_ECHO = Echo("", 0)


@dataclass(slots=True)
class SelectedPage:
    """A page, and what it does to the views, by their numbers."""

    page: Page
    edits: dict[int, list[ViewRow]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Looked:
    """A document of the log, with its place in the view of its collection, if that has one."""

    collection: str
    entry: LogEntry
    stored: StoredDocument
    selection: Selection | None
    held: ViewRow | None


def collect_selected(
    session: ReadSession, query: PullQuery, selections: Mapping[str, Selection], *, caught_up: int
) -> SelectedPage:
    """Return the next page after a cursor; `caught_up` is when the device last had nothing left to pull."""
    newest = session.head().newest
    selected = SelectedPage(Page([], newest, False, newest))
    page = selected.page
    if query.limit == 0 or query.cursor >= newest:
        page.cursor = min(query.cursor, newest)
        return selected
    names = asked_collections(session, query.collections, query.excluded)
    wanted = None if query.collections is None and not query.excluded else list(names)
    entries = session.log_after(query.cursor, wanted=wanted, echo=NO_ECHO, limit=LOOKED_AT_MAX + 1)
    if len(entries) > LOOKED_AT_MAX:
        entries, page.cursor, page.has_more = entries[:LOOKED_AT_MAX], entries[LOOKED_AT_MAX - 1].seq, True
    else:
        bound = session.scanned_to(query.cursor)
        if bound is not None and bound < newest:
            page.cursor, page.has_more = bound, True
    shown = _fill(selected, _looked(session, entries, names, selections), query, caught_up)
    if page.has_more:
        made_anew = after_resets(session, replace(query, echo=NO_ECHO), page.cursor, names)
        here = [*shown, *((entry.collection, entry.row) for entry in made_anew)]
        others = entries_with(session, here, upto=page.cursor, since=query.since, wanted=wanted, echo=NO_ECHO)
        _add(selected, _looked(session, sorted({*others, *made_anew}), names, selections), query, caught_up)
    return selected


def count_selected(session: ReadSession, query: PullQuery, standing: Standing, *, caught_up: int) -> int:
    """Return how many changes a pull to the end would bring, without any effect."""
    count = 0
    while True:
        page = collect_selected(session, query, standing.selections, caught_up=caught_up).page
        count += len(page.changes)
        if not page.has_more:
            return count
        query = replace(query, cursor=page.cursor)


def _looked(
    session: ReadSession, entries: Sequence[LogEntry], names: Mapping[int, str], selections: Mapping[str, Selection]
) -> Iterator[_Looked]:
    for begin in range(0, len(entries), CHUNK_ENTRIES):
        chunk = entries[begin : begin + CHUNK_ENTRIES]
        held = _held(session, chunk, names, selections)
        for entry, stored in documents_of(session, chunk):
            collection = names[entry.collection]
            yield _Looked(collection, entry, stored, selections.get(collection), held.get(entry.row))


def _held(
    session: ReadSession, chunk: Sequence[LogEntry], names: Mapping[int, str], selections: Mapping[str, Selection]
) -> dict[int, ViewRow]:
    rows: dict[str, list[int]] = {}
    for entry in chunk:
        if names[entry.collection] in selections:
            rows.setdefault(names[entry.collection], []).append(entry.row)
    return {
        row: found
        for collection, wanted in rows.items()
        for row, found in session.view_rows(selections[collection].view.number, wanted).items()
    }


def _fill(selected: SelectedPage, documents: Iterator[_Looked], query: PullQuery, caught_up: int) -> list[tuple[int, int]]:
    """Put what is to be sent into the page, as much as fits into its bytes and number, and at least one; return its rows."""
    page, bytes_sent, last_seq = selected.page, 0, query.cursor
    shown: list[tuple[int, int]] = []
    changes: list[ServerChange] = []
    page.changes = changes
    for looked in documents:
        change, size, edit = _answer_to(looked, query, caught_up)
        if change is not None:
            if changes and (len(changes) >= query.limit or bytes_sent + size > PULL_BYTES_MAX):
                page.cursor, page.has_more = last_seq, True
                return shown
            changes.append(change)
            shown.append((looked.entry.collection, looked.entry.row))
            bytes_sent += size
        _note(selected, looked, change, edit)
        last_seq = looked.entry.seq
    return shown


def _add(selected: SelectedPage, documents: Iterator[_Looked], query: PullQuery, caught_up: int) -> None:
    """Add to the page what belongs together with it, from beyond its end."""
    assert isinstance(selected.page.changes, list)
    for looked in documents:
        change, _, edit = _answer_to(looked, query, caught_up)
        if change is not None:
            selected.page.changes.append(change)
        _note(selected, looked, change, edit)


def _note(selected: SelectedPage, looked: _Looked, change: ServerChange | None, edit: ViewRow | None) -> None:
    authors, entry = selected.page.authors, looked.entry
    if change is not None:
        authors[entry.author] = max(entry.counter, authors.get(entry.author, 0))
    if edit is not None and looked.selection is not None:
        selected.edits.setdefault(looked.selection.view.number, []).append(edit)


def _answer_to(looked: _Looked, query: PullQuery, caught_up: int) -> tuple[ServerChange | None, int, ViewRow | None]:
    """Return what is sent of a document, its size in bytes, and what becomes of it in the view."""
    is_own = is_echo(looked.entry, query.echo)
    selection, held, stored = looked.selection, looked.held, looked.stored
    if selection is None:
        return (None, 0, None) if is_own else (*_sent(looked, query, since=query.since), None)
    if stored.body is None or not _matches(selection, stored):
        return _taken_away(looked, is_settled=selection.view.is_settled, is_known=is_own and stored.body is None)
    if not selection.view.is_settled:
        if held is not None and held.state is RowState.HELD:
            return None, 0, None
        return *_sent(looked, query, since=0), ViewRow(stored.row, stored.seq, RowState.SENT)
    if held is None or held.state is not RowState.HELD:
        return *_sent(looked, query, since=0), ViewRow(stored.row, stored.seq, RowState.HELD)
    is_there = held.since <= caught_up
    if is_own and (is_there or held.since == stored.row):  # numbered by the sequence that made it: its own document
        return None, 0, None
    return *_sent(looked, query, since=query.since if is_there else 0), None


def _taken_away(looked: _Looked, *, is_settled: bool, is_known: bool) -> tuple[ServerChange | None, int, ViewRow | None]:
    """Tell a document to leave that the device may hold; it is forgotten when the device's cursor has passed this."""
    held, stored = looked.held, looked.stored
    if held is None:
        return None, 0, None
    since = stored.seq if is_settled else 0
    edit = None if (held.state, held.since) == (RowState.LEAVING, since) else ViewRow(stored.row, since, RowState.LEAVING)
    if is_known and held.state is RowState.HELD:
        return None, 0, edit
    change = ServerChange(
        collection=looked.collection,
        key=stored.key,
        operation="delete" if stored.body is None else "remove",
        version_vector=Raw(stored.vector.encode()),
        seq=stored.seq,
        timestamp=iso_text(stored.updated_ms),
    )
    if stored.body is None and stored.crdt:
        change.crdt = Raw(stored.crdt.encode())  # a revival there goes on from these counts
    return change, len(stored.vector) + len(stored.key), edit


def _sent(looked: _Looked, query: PullQuery, *, since: int) -> tuple[ServerChange, int]:
    change, size = server_change(looked.collection, looked.stored, since=since, policy=query.policy)
    if query.wants_both and change.operation == "update" and looked.stored.body is not None:
        change.document = Raw(looked.stored.body.encode())
        size += len(looked.stored.body)
    return change, size


def _matches(selection: Selection, stored: StoredDocument) -> bool:
    return selection.filter is None or selection.filter.matches(stored.key, decode(stored.body or "{}"))
