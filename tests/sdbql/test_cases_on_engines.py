"""D17: every query of the `.case` files gives the same over each storage engine as over a dict of the same documents."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from test_cases import CASES, NOW_MS, as_json

import sdbql
from solidb_sync import LocalStore
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.sqlite.sqlite_data_source import data_source


def outcome(query: str, binds: Any, source: Any) -> str:
    """Return the rows of a query, or its error with its place."""
    try:
        return as_json(sdbql.run(query, binds, source, now_ms=NOW_MS, random_number=lambda: 0.5))
    except sdbql.QueryError as problem:
        return f"{type(problem).__name__}: {problem.message} at {problem.line}:{problem.column}"


@pytest.fixture(params=["sqlite", "rocksdb", "memory"])
def store_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    """Return a function to a store with the documents of a case; those of many cases are the same."""
    with ExitStack() as opened:
        known: dict[str, LocalStore] = {}

        def store_of(source: dict[str, list[dict[str, Any]]]) -> LocalStore:
            name = json.dumps(source, sort_keys=True)
            if name not in known:
                path = tmp_path / str(len(known))
                store = LocalStore.open(path, "phone", engine=request.param, durability="normal")
                known[name] = opened.enter_context(store)
                for collection, documents in source.items():
                    store.transact(lambda engine, collection=collection: engine.add_collection(collection))
                    for number, document in enumerate(documents):
                        body = {field: value for field, value in document.items() if field not in ("_key", "_id")}
                        store.put_document(collection, document.get("_key", f"{number:04}"), body, {})
            return known[name]

        yield store_of


def test_every_case_gives_the_same_over_an_engine(store_of: Any) -> None:
    differing = []
    for case in [parameter.values[0] for parameter in CASES]:

        def run(reader: EngineReader, case: Any = case) -> tuple[str, str]:
            source = data_source(reader)
            plain = {name: list(source.scan(name)) for name in source.collections()}
            return outcome(case.query, case.binds, source), outcome(case.query, case.binds, plain)

        ours, expected = store_of(case.source).scan(run)
        if ours != expected:
            differing.append((case.title, ours[:200], expected[:200]))
    assert differing == []
