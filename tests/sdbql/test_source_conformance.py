"""The data sources obey the laws of `sdbql.source_conformance`, and those that are broken do not."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import sdbql
from sdbql.source_conformance import Collections, DataSourceConformance
from solidb_sync import LocalStore
from solidb_sync.storage.document_source import DocumentSource
from solidb_sync.storage.sqlite.sqlite_data_source import data_source


class TestDictOfLists(DataSourceConformance):
    """The simplest source."""

    def open(self, collections: Collections) -> sdbql.DataSource:
        """Return it over the documents themselves."""
        return sdbql.DictSource(collections)


class StoreConformance(DataSourceConformance):
    """A local store, filled by its own means, within one snapshot."""

    engine: str
    source: Any
    """How the source is made of a reader and the names of the collections."""

    @pytest.fixture(autouse=True)
    def _in_a_directory(self, tmp_path: Path) -> Iterator[None]:
        self._directory = tmp_path
        self._stores: list[LocalStore] = []
        self._snapshots: list[Any] = []
        yield
        for snapshot in self._snapshots:
            snapshot.__exit__(None, None, None)
        for store in self._stores:
            store.close()

    def open(self, collections: Collections) -> sdbql.DataSource:
        """Save the documents; the collections that are empty are known because they are subscribed to."""
        path = str(self._directory / f"{len(self._stores)}.db")
        store = LocalStore.open(path, "phone", engine=self.engine, durability="normal")
        self._stores.append(store)
        for name, documents in collections.items():
            for document in documents:
                content = {attribute: value for attribute, value in document.items() if attribute != "_key"}
                store.put_document(name, document["_key"], content, {})
        reader = store._engine.reader()
        snapshot = reader.snapshot()
        snapshot.__enter__()
        self._snapshots.append(snapshot)
        return self.source(reader, collections)


class TestSqliteStore(StoreConformance):
    """In a file, and queried with SQL."""

    engine = "sqlite"
    source = staticmethod(data_source)


class TestScannedSqliteStore(StoreConformance):
    """In a file, and scanned document by document."""

    engine = "sqlite"
    source = DocumentSource


class TestRocksdbStore(StoreConformance):
    """In a directory."""

    engine = "rocksdb"
    source = staticmethod(data_source)


class TestMemoryStore(StoreConformance):
    """In memory."""

    engine = "memory"
    source = staticmethod(data_source)


class Keyed(sdbql.DictSource):
    """A right source with keys, to be broken in one way each."""

    def __init__(self, collections: Collections) -> None:
        super().__init__(collections)
        self.known = collections

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        """Return the document of this key."""
        return next((document for document in self.known.get(name, []) if document["_key"] == key), None)


class ForgetsOne(Keyed):
    """The last document of a scan is missing."""

    def scan(self, name: str) -> Iterable[dict[str, Any]]:
        return self.known[name][:-1]


class RepeatsOne(Keyed):
    """The first document comes twice."""

    def scan(self, name: str) -> Iterable[dict[str, Any]]:
        return [*self.known[name][:1], *self.known[name]]


class TurnsRound(Keyed):
    """Every other scan goes backwards."""

    def __init__(self, collections: Collections) -> None:
        super().__init__(collections)
        self.scans = 0

    def scan(self, name: str) -> Iterable[dict[str, Any]]:
        self.scans += 1
        return self.known[name][:: (-1) ** self.scans]


class SharesItsCursor(Keyed):
    """All scans of a collection are one."""

    def __init__(self, collections: Collections) -> None:
        super().__init__(collections)
        self.cursors: dict[str, Iterator[dict[str, Any]]] = {}

    def scan(self, name: str) -> Iterable[dict[str, Any]]:
        return self.cursors.setdefault(name, iter(self.known[name]))


class HidesEmptyOnes(Keyed):
    """A collection without documents is not named."""

    def collections(self) -> Iterable[str]:
        return [name for name in self.known if self.known[name]]


class HasEverything(Keyed):
    """Any name is a collection."""

    def has_collection(self, name: str) -> bool:
        return True


class FindsNumbers(Keyed):
    """Keys are compared as numbers."""

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        found = super().get(name, key)
        return found or super().get(name, key.lstrip("0").removesuffix(".0"))


class IgnoresCase(Keyed):
    """Keys are compared without their case."""

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        return super().get(name, key) or super().get(name, key.lower())


class RaisesForUnknownKeys(Keyed):
    """An unknown key is an error."""

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        return {document["_key"]: document for document in self.known[name]}[key]


class FindsInOtherCollections(Keyed):
    """The key is looked for everywhere."""

    def get(self, name: str, key: str) -> dict[str, Any] | None:
        found = super().get(name, key)
        return found or next((one for other in self.known if (one := super(type(self), self).get(other, key))), None)


def changed(value: Any, change: Any) -> Any:
    """Return a JSON value with every value inside it changed."""
    if isinstance(value, dict):
        value = {key: changed(member, change) for key, member in value.items()}
    elif isinstance(value, list):
        value = [changed(element, change) for element in value]
    return change(value)


def changing(change: Any) -> type[Keyed]:
    """Return a source that changes every value on its way out."""

    class Changing(Keyed):
        def scan(self, name: str) -> Iterable[dict[str, Any]]:
            return [changed(document, change) for document in self.known[name]]

        def get(self, name: str, key: str) -> dict[str, Any] | None:
            return next((document for document in self.scan(name) if document["_key"] == key), None)

    return Changing


class Subdict(dict[str, Any]):
    """A dict that is not quite one."""


BROKEN = {
    **{kind.__name__: kind for kind in (ForgetsOne, RepeatsOne, TurnsRound, SharesItsCursor, HidesEmptyOnes)},
    **{kind.__name__: kind for kind in (HasEverything, FindsNumbers, IgnoresCase, RaisesForUnknownKeys)},
    "FindsInOtherCollections": FindsInOtherCollections,
    "bools become numbers": changing(lambda value: int(value) if isinstance(value, bool) else value),
    "nulls are dropped": changing(
        lambda value: {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value
    ),
    "integers become floats": changing(lambda value: float(value) if type(value) is int else value),
    "text ends at a zero": changing(lambda value: value.split("\0")[0] if isinstance(value, str) else value),
    "empty arrays become objects": changing(lambda value: {} if value == [] else value),
    "arrays are tuples": changing(lambda value: tuple(value) if isinstance(value, list) else value),
    "objects are of a class": changing(lambda value: Subdict(value) if isinstance(value, dict) else value),
}


def failures(kind: type[Keyed]) -> list[str]:
    """Return the laws that a source breaks."""

    class Suite(DataSourceConformance):
        def open(self, collections: Collections) -> sdbql.DataSource:
            return kind(collections)

    found: list[str] = []
    for name in [name for name in dir(Suite) if name.startswith("test_")]:
        try:
            getattr(Suite(), name)()
        except (AssertionError, sdbql.QueryError, LookupError, TypeError, ValueError, RuntimeError):
            found.append(name)
    return found


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_a_broken_source_breaks_a_law(name: str) -> None:
    """Each in its own way."""
    assert failures(BROKEN[name]), "no law noticed"


def test_a_right_source_with_keys_breaks_none() -> None:
    """Of which all the broken ones are made."""
    assert failures(Keyed) == []
