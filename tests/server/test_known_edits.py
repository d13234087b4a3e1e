"""An edit by an author who knew the version that is there is taken the short way: with the outcome of judging it."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from solidb_sync.json_value import DEPTH_MAX, DOCUMENT_BYTES_MAX, encode
from solidb_sync.model.delta import Delta, Path, path_text, paths_overlap
from solidb_sync.model.field_dots import ENTRIES_MAX, SERVER_ACTOR, FieldDots, paths_since
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.reconcile.decision import Edit, Operation, Version, decide
from solidb_sync.server import judge_change
from solidb_sync.server.known_edit import KnownVersion, next_version

TABLES = (
    "collections", "latest", "outcomes", "unsettled", "actors", "conflict_log", "together", "crdt_states", "c_1", "c_2",
)  # fmt: skip
SEQ = 40
DOT = Dot("phone", 30)

names = st.sampled_from(["a", "b", "/a", "", "~1", "é"])
paths = st.lists(names, min_size=1, max_size=3).map(tuple)
values = st.recursive(
    st.sampled_from([None, True, 0, 1.0, -0.0, 1e22, "", 'é\u2028"']),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(names, inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(names, values, max_size=5)
writers = st.sampled_from(["phone", "laptop", "phonz"])


@st.composite
def deltas(draw: st.DrawFn) -> Delta:
    """Return a delta of which no path contains another."""
    chosen: list[Path] = []
    for path in draw(st.lists(paths, min_size=1, max_size=4)):
        if not any(paths_overlap(path, known) for known in chosen):
            chosen.append(path)
    removed = draw(st.integers(0, len(chosen)))
    return Delta({path: draw(values) for path in chosen[removed:]}, tuple(chosen[:removed]))


@st.composite
def dots_of(draw: st.DrawFn) -> FieldDots:
    """Return the dots of a document with a history, some of its writes with a stamp."""
    dots = FieldDots.created(Dot("laptop", 1), 1, draw(st.sampled_from(["", "0001"])))
    for seq, (path, actor, stamp) in enumerate(
        draw(st.lists(st.tuples(paths, writers, st.sampled_from(["", "0002"])), max_size=6)), start=2
    ):
        dots = dots.written([path], Dot(actor, seq), seq, stamp)
    return dots


vectors = st.dictionaries(st.sampled_from(["phone", "laptop", "phonz", SERVER_ACTOR]), st.integers(1, 29)).map(VersionVector)


def judged(known: Version, delta: Delta) -> KnownVersion | None:
    """Return what `decide` makes of the edit, as it is stored."""
    edit = Edit(Operation.UPDATE, known.vector, DOT, None, delta)
    decision = decide(known, edit, seq=SEQ, trusted_base=known.vector)
    if decision is None:
        return None
    assert decision.is_fast_forward
    assert decision.clash is None
    return stored(decision.version)


def stored(version: Version) -> KnownVersion:
    """Return a version as it is stored."""
    texts = encode(version.document), version.vector.to_json(), version.dots.to_json()
    return KnownVersion(*(text.decode() for text in texts))


@settings(deadline=None)
@given(documents, vectors, dots_of(), deltas())
def test_the_version_is_the_one_that_judging_makes_to_the_byte(
    document: dict[str, Any], vector: VersionVector, dots: FieldDots, delta: Delta
) -> None:
    known = Version(document, vector, dots)
    assert next_version(stored(known), delta, dict(vector), dot=DOT, seq=SEQ) == judged(known, delta)


@settings(deadline=None)
@given(dots_of(), st.integers(0, 9))
def test_paths_written_since_a_sequence_are_read_off_the_stored_form(dots: FieldDots, seq: int) -> None:
    wanted = dots.written_since(seq)
    found = paths_since(dots.to_json().decode(), seq)
    assert found == (None if wanted is None else [path_text(path) if path else "" for path in wanted])


@pytest.mark.parametrize(
    ("known", "base"),
    [({"laptop": 2}, {"laptop": 1}), ({"laptop": 2}, {"laptop": 3}), ({"laptop": 2}, {"laptop": 2, "tv": 1}),
     ({"laptop": 2}, {"laptop": 2, "tv": 0}), ({"phone": 30}, {"phone": 30}), ({"laptop": 2}, {})],
)  # fmt: skip
def test_another_base_than_the_very_version_is_judged(known: dict[str, int], base: dict[str, int]) -> None:
    version = stored(Version({}, VersionVector(known), FieldDots.created(Dot("laptop", 1), 1)))
    assert next_version(version, Delta({("n",): 1}), base, dot=DOT, seq=SEQ) is None


def test_what_may_leave_its_bounds_is_judged() -> None:
    plain = Version({"n": "x" * 100}, VersionVector({"laptop": 1}), FieldDots.created(Dot("laptop", 1), 1))
    deep: Any = {}
    for _ in range(DEPTH_MAX):
        deep = [deep]
    many = {(f"f{number}",): number for number in range(ENTRIES_MAX)}
    below = {("deep", f"f{number}"): number for number in range(ENTRIES_MAX + 1)}
    for values in ({("m",): "x" * DOCUMENT_BYTES_MAX}, {("m",): deep}, many, below):
        assert next_version(stored(plain), Delta(values), {"laptop": 1}, dot=DOT, seq=SEQ) is None


@pytest.mark.parametrize("strategy", ["last_write_wins", "last_write_wins:hlc", "merge_fields", "manual"])
@pytest.mark.parametrize("seed", [1, 2])
def test_histories_end_the_same_whichever_way_their_edits_are_taken(server: Any, strategy: str, seed: int) -> None:
    """A change that is a transaction by itself is always judged, and means the same."""
    short = _history(server, "short", Random(seed), strategy, is_judged=False)
    judged = _history(server, "judged", Random(seed), strategy, is_judged=True)
    assert short == judged
    assert _tables(server, 1) == _tables(server, 2)
    statuses = Counter(result["status"] for answer in short for result in answer)
    assert {"applied", "duplicate", "rejected", "need_full", "skipped"} <= set(statuses)
    assert {"merged", "conflict"} & set(statuses)


def test_edits_of_known_versions_do_take_the_short_way(server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {"n": 1, "deep": {"er": 1}}), phone.insert("b", {"n": 1}))
    monkeypatch.delattr(judge_change, "decide")
    answer = phone.push(
        phone.update("a", {"/deep/er": 2}, base={"phone": 1}), phone.update("b", {}, unset=["n"], base={"phone": 2})
    )
    assert [(result["status"], result["seq"]) for result in answer["results"]] == [("applied", 3), ("applied", 4)]
    assert (server.document("a"), server.document("b")) == ({"n": 1, "deep": {"er": 2}}, {})


DEVICES = ("phone", "tablet", "tv")
KEYS = ("a", "b", "c", "d", "e")


def _history(server: Any, database: str, rng: Random, strategy: str, *, is_judged: bool) -> list[list[Any]]:
    """Return the results of many pushes by devices that have seen some of what the others did."""
    asked = ClientSettings(default_strategy=strategy)
    text = settings_text(asked)
    counters: Counter[str] = Counter()
    seen: dict[tuple[str, str, str], dict[str, int]] = {}
    answers = []
    for client in DEVICES:
        body = {"client_id": client, "settings": {"default_strategy": strategy}}
        assert server.post(f"/_api/sync/clients/{database}", body).status_code == 200
    push: list[dict[str, Any]] = []
    for number in range(150):
        client = rng.choice(DEVICES)
        device = server.device(client, database=database)
        if rng.random() < 0.4:
            for change in device.sync(settings=settings_hash(text))["server_changes"]:
                seen[client, change["collection"], change["key"]] = change["version_vector"]
        if not (push and push[0]["id"].startswith(client) and rng.random() < 0.3):
            push = [_change(rng, client, f"{number}-{at}", counters, seen) for at in range(rng.randrange(1, 9))]
        sent = [{**change, "transaction": change["id"], "transaction_size": 1} for change in push] if is_judged else push
        device.counter = counters[client]
        answer = device.push(*sent, settings=settings_hash(text))
        answers.append([_as_alone(result) for result in answer["results"]])
    return answers


def _as_alone(result: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in result.items() if name != "error"}


def _change(
    rng: Random, client: str, name: str, counters: Counter[str], seen: dict[tuple[str, str, str], dict[str, int]]
) -> dict[str, Any]:
    counters[client] += 1
    collection, key = rng.choice(["notes", "notes", "other"]), rng.choice(KEYS)
    base = seen.get((client, collection, key), {})
    change = {
        "collection": collection,
        "key": key,
        "id": f"{client} {name}",
        "counter": counters[client],
        **({"base_version": base} if base else {}),
        **(rng.choice(EDITS) if base else {"operation": "insert", "document": {"n": 0, "deep": {"er": 0}}}),
    }
    if rng.random() < 0.08:
        change |= rng.choice(UNUSUAL)
    seen[client, collection, key] = {**base, client: counters[client]}
    return change


EDITS: list[dict[str, Any]] = [
    {"operation": "update", "delta": {"n": 1}},
    {"operation": "update", "delta": {"n": 2, "m": [1.0, "é"]}},
    {"operation": "update", "delta": {"/deep/er": 3}},
    {"operation": "update", "delta": {"deep": {"er": 4}}, "unset": ["n"]},
    {"operation": "update", "unset": ["m"]},
    {"operation": "update", "delta": {"count": 5}},
    {"operation": "update", "delta": {"/n/no/object": 1}},
    {"operation": "update", "delta": {"n": 5}, "document": {"n": 5, "deep": {}}},
    {"operation": "insert", "document": {"n": 6, "deep": {"er": 6}}},
    {"operation": "update", "delta": {"n": 7}, "hlc": "018d0d2a6b40-0001"},
    {"operation": "update", "delta": {"n": 7}, "base_seq": 3},
    *[{"operation": "update", "delta": {"n": number}} for number in range(8, 14)],
]
UNUSUAL: list[dict[str, Any]] = [
    {"operation": "delete"},
    {"operation": "update", "delta": []},
    *[{"operation": "update", "crdt": {"count": {"t": "counter", "add": 1}}, "collection": "other"}] * 4,
    {"base_version": {"phone": 3}},
    {"counter": 1},
    {"key": "a/b"},
]


def _tables(server: Any, database: int) -> dict[str, list[Any]]:
    connection = apsw.Connection(str(server.path / f"db-{database}.sqlite"), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}
    finally:
        connection.close()


def test_a_plain_write_over_a_replicated_field_is_translated(server: Any) -> None:
    """The field keeps its state, and a later increment goes on from there."""
    phone, laptop = server.device("phone"), server.device("laptop")
    count = {"n": {"t": "counter", "add": 5}}
    assert phone.statuses(phone.insert("k", {"v": 1}, crdt=count)) == ["applied"]
    assert phone.statuses(phone.update("k", {"n": 7}, base={"phone": 1})) == ["merged"]
    assert laptop.statuses(laptop.change("crdt", "k", crdt=count, base={"phone": 1})) == ["merged"]
    assert server.document("k") == {"v": 1, "n": 12}


def test_an_edit_on_top_of_one_that_was_overruled_is_merged(server: Any) -> None:
    """Its author may still show what was overruled, though its base names all that is here."""
    phone, laptop = server.device("phone"), server.device("laptop")
    text = settings_text(ClientSettings(default_strategy="first_write_wins"))
    named = {"settings": settings_hash(text)}
    body = {"client_id": "laptop", "settings": {"default_strategy": "first_write_wins"}}
    assert server.post("/_api/sync/clients/db", body).status_code == 200
    assert phone.statuses(phone.insert("k", {"v": 1, "w": 1})) == ["applied"]
    assert phone.statuses(phone.update("k", {"v": 2}, base={"phone": 1})) == ["applied"]
    assert laptop.statuses(laptop.update("k", {"v": 3}, base={"phone": 1}), **named) == ["conflict"]
    again = laptop.update("k", {"w": 3}, base={"phone": 2, "laptop": 1})
    assert laptop.statuses(again, **named) == ["merged"]
    assert server.document("k") == {"v": 2, "w": 3}


def test_an_edit_made_without_one_that_waits_ends_the_waiting(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    assert phone.statuses(phone.update("k", {"v": 1}, base={"laptop": 1})) == ["need_full"]
    assert len(server.rows("SELECT * FROM unsettled")) == 1
    assert laptop.statuses(laptop.insert("k", {"v": 2})) == ["applied"]
    assert phone.statuses(phone.update("k", {"v": 3}, base={"laptop": 1})) == ["applied"]
    assert server.rows("SELECT * FROM unsettled") == []


def test_an_edit_from_before_its_collection_was_emptied_is_merged(server: Any) -> None:
    """Its device has pulled since, so what it has under the edit need not be what is here (seed 2)."""
    phone = server.device("phone")
    assert phone.statuses(phone.insert("k", {"v": 1}), phone.insert("other", {})) == ["applied"] * 2
    phone.pull()
    server.request("PUT", "/_api/database/db/collection/notes/truncate")
    first = phone.insert("k", {"v": 2}, base_seq=1)
    second = phone.update("k", {"w": 3}, base={"phone": 3}, base_seq=1)
    assert phone.statuses(first) == ["applied"]
    assert phone.statuses(second) == ["merged"]
