"""Any sequence of edits, answers and pages, lost and late ones too, keeps what always holds on a device."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.json_value import decode
from solidb_sync.model.delta import Delta, value_at
from solidb_sync.model.field_dots import SERVER_ACTOR
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import ChangeResult, ServerChange
from solidb_sync.reconcile.decision import Edit, Operation, Version, decide
from solidb_sync.storage.outbox import Batch, settle
from solidb_sync.storage.text_forms import decode_change, delta_fields, wire_delta

KEYS = ("a", "b")
NAMES = ("v", "w")


class Server:
    """The server in thirty lines: the decision itself, outcomes by change id, and pages by sequence."""

    def __init__(self) -> None:
        self.versions: dict[str, Version] = {}
        self.seqs: dict[str, int] = {}
        self.outcomes: dict[str, str] = {}
        self.seq = 0

    def write(self, key: str, document: dict[str, Any] | None) -> None:
        """Make an edit that knows the current version, by somebody else."""
        base = self.versions[key].vector if key in self.versions else VersionVector()
        operation = Operation.DELETE if document is None else Operation.INSERT
        self._decide(key, Edit(operation, base, Dot(SERVER_ACTOR, self.seq + 1), document=document))

    def _decide(self, key: str, edit: Edit) -> str:
        decision = decide(self.versions.get(key), edit, seq=self.seq + 1, trusted_base=edit.base)
        if decision is None:
            return "need_full"
        self.seq += 1
        self.versions[key], self.seqs[key] = decision.version, self.seq
        return "applied" if decision.is_fast_forward else "merged" if decision.clash is None else "conflict"

    def push(self, batch: Batch) -> list[ChangeResult]:
        """Judge a batch; a change that is known by its id is a duplicate."""
        results = []
        waiting: set[str] = set()
        for change, wire in zip(batch.changes, map(decode_change, batch.texts), strict=True):
            if change.change_id in self.outcomes:
                results.append(ChangeResult(change.change_id, "duplicate", original=self.outcomes[change.change_id]))
                continue
            edit = Edit(
                Operation(wire.operation),
                VersionVector(wire.base_version),
                Dot(change.actor, change.counter),
                decode(bytes(wire.document)) if wire.document else None,
                wire_delta(wire) if wire.operation == "update" else None,
            )
            status = "skipped" if change.key in waiting else self._decide(change.key, edit)
            if status in ("need_full", "skipped"):
                waiting.add(change.key)
            else:
                self.outcomes[change.change_id] = status
            results.append(ChangeResult(change.change_id, status))
        return results

    def page(self, cursor: int, *, in_full: bool, pages: Any) -> list[ServerChange]:
        """Return the documents changed since a cursor, echoes too."""
        news = []
        for key in sorted((key for key in self.seqs if self.seqs[key] > cursor), key=self.seqs.__getitem__):
            version = self.versions[key]
            paths = None if in_full else version.dots.written_since(cursor)
            if version.document is None:
                news.append(pages.gone(key, dict(version.vector)))
            elif paths is None:
                news.append(pages.whole(key, version.document, dict(version.vector)))
            else:
                found = {path: value_at(version.document, path) for path in paths}
                values, unset = delta_fields(
                    Delta(
                        {path: value for path, (is_there, value) in found.items() if is_there},
                        tuple(path for path, (is_there, _) in found.items() if not is_there),
                    )
                )
                news.append(pages.fields(key, decode(bytes(values)), dict(version.vector), unset))
        return news


def exchange(device: Any, server: Server, pages: Any, *, count: int, loses: str, in_full: bool = False) -> None:
    """Push and pull once; the answer may be lost whole, or its page alone."""
    batch = device.batch(count) if count else Batch([], [])
    results = server.push(batch)
    start = device.engine.replica().cursor
    news = server.page(start, in_full=in_full, pages=pages)
    end = server.seq
    if loses == "answer":
        return
    if batch.changes:
        with device.transaction() as engine:
            settle(engine, batch.changes, results)
    if loses == "page":
        return
    if device.pull(*news, at=start, to=end).needs_whole:
        assert not in_full
        whole = server.page(start, in_full=True, pages=pages)
        assert not device.pull(*whole, at=start, to=end).needs_whole


documents = st.dictionaries(st.sampled_from(NAMES), st.sampled_from([0, 1, 1.0, {"x": 1}, {"x": 2, "y": 1}, {}]), max_size=2)
keys = st.sampled_from(["a", "a", "a", "b"])
saves = st.tuples(st.just("save"), keys, documents, st.booleans())
exchanges = st.tuples(st.just("exchange"), st.integers(0, 3), st.sampled_from(["nothing", "nothing", "answer", "page"]))
steps = st.one_of(
    saves,
    saves,
    exchanges,
    exchanges,
    st.tuples(st.just("delete"), keys),
    st.tuples(st.just("write"), keys, documents | st.none()),
    st.tuples(st.just("readdress")),
)


def new_life(device: Any, server: Server) -> None:
    """Go on under another actor, as after a restore; the server says which ids it knows."""
    device.readdress(*server.outcomes, incarnation=device.engine.replica().incarnation + 1)


def keys_with_vectors(device: Any) -> dict[str, VersionVector]:
    """Return what the device has seen of each document."""
    return {key: device.vector(key) for key in KEYS}


@settings(max_examples=250, deadline=None)
@given(script=st.lists(steps, min_size=4, max_size=16), kind=st.sampled_from(["memory", "sqlite", "rocksdb"]))
def test_a_device_keeps_its_laws_and_ends_with_what_the_server_has(
    script: list[Any], kind: str, new_device: Callable[[str], Any], server: Any
) -> None:
    """Rows are the fold of base copy and changes; no base copy lies about; vectors never shrink; no edit is lost."""
    device, there = new_device(kind), Server()
    seen = keys_with_vectors(device)
    for step in script:
        match step:
            case "save", key, document, merge:
                device.save(key, document, merge=merge)
                assert document.items() <= (device.visible(key) or {}).items()
            case "delete", key:
                device.delete(key)
                assert device.visible(key) is None
            case "write", key, document:
                there.write(key, document)
            case "exchange", count, loses:
                exchange(device, there, server, count=count, loses=loses)
            case ("readdress",):
                new_life(device, there)
                seen = keys_with_vectors(device)
        device.check()
        now = keys_with_vectors(device)
        assert all(now[key].includes(seen[key]) for key in KEYS)
        seen = now
    for _ in range(30):
        if not device.engine.has_changes() and device.engine.replica().cursor == there.seq:
            break
        exchange(device, there, server, count=2, loses="nothing")
        device.check()
    assert device.states() == {}
    assert {key: device.visible(key) for key in KEYS} == {
        key: there.versions[key].document if key in there.versions else None for key in KEYS
    }
    assert {key: device.vector(key) for key in there.versions} == {
        key: version.vector for key, version in there.versions.items()
    }
    device.engine.close()
