"""What every local store must do, as tests: section 1.1 of the public contract, call by call.

Subclass `StoreConformance` in a test module, and say in `open` how an empty store of the device `device-1` is made:

    class TestMyStore(StoreConformance):
        def open(self) -> LocalStore:
            return LocalStore.open("unused", "device-1", engine="memory")

Each law opens a store of its own and closes it. Nothing here needs pytest itself.
"""

from __future__ import annotations

from collections.abc import Callable
from tempfile import TemporaryDirectory

from solidb_sync.errors import ConfigError, InvalidDocumentError, StorageError, UniqueIndexError
from solidb_sync.json_value import JsonDocument
from solidb_sync.model.version_vector import VersionVector
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import IndexDefinition, Subscription

BAD_NAMES = ["", "_system", "a/b", "a|b", "a b", "x" * 129]
BAD_KEYS = ["", "a/b", "a|b", "line\nfeed", "x" * 513]


def error_of(call: Callable[[], object]) -> BaseException | None:
    """Return what a call raises, None when it returns."""
    try:
        call()
    except Exception as problem:  # noqa: BLE001 - the tests look at the kind
        return problem
    return None


class StoreConformance:
    """The laws of a local store; every test is one."""

    backup_engine = "sqlite"
    """The engine that a backup opens with."""

    def open(self) -> LocalStore:
        """Return an empty store of the device `device-1`; the test closes it."""
        raise NotImplementedError

    def open_backup(self, path: str) -> LocalStore:
        """Return the store that a backup holds."""
        return LocalStore.open(path, "device-1", engine=self.backup_engine)

    def test_a_document_put_is_got_with_its_vector(self) -> None:
        """Verbatim, of the same JSON types, and a copy: what the caller does to it later stays outside."""
        document: JsonDocument = {"n": [1, 1.0, True, None, -0.0], "deep": {"é": "😀"}}
        with self.open() as store:
            store.put_document("users", "u1", document, VersionVector({"device-1": 2, "server": 7}))
            document["n"].append("later")
            found = store.get_document("users", "u1")
        assert found is not None
        assert repr(found[0]) == "{'n': [1, 1.0, True, None, -0.0], 'deep': {'é': '😀'}}"
        assert found[1] == VersionVector({"device-1": 2, "server": 7})

    def test_a_put_queues_nothing(self) -> None:
        """Neither does a delete: both are the server's news, not this device's."""
        with self.open() as store:
            store.put_document("users", "u1", {}, {"server": 1})
            store.delete_document("users", "u1", {"server": 2})
            assert store.get_pending_changes() == []

    def test_a_put_twice_is_a_put_once(self) -> None:
        """And the later of two stands."""
        with self.open() as store:
            for vector in ({"server": 1}, {"server": 1}, {"server": 2}):
                store.put_document("users", "u1", {"v": vector["server"]}, vector)
            assert store.list_documents("users") == [("u1", {"v": 2}, VersionVector({"server": 2}))]

    def test_a_key_never_put_is_none(self) -> None:
        """In a collection that is there and in one that is not."""
        with self.open() as store:
            store.put_document("users", "u1", {}, {})
            assert store.get_document("users", "u2") is None
            assert store.get_document("orders", "u1") is None
            assert store.list_documents("orders") == []

    def test_a_deleted_document_is_none_until_it_is_put_again(self) -> None:
        """A tombstone reads as nothing; a put clears it."""
        with self.open() as store:
            store.put_document("users", "u1", {"a": 1}, {"server": 1})
            store.delete_document("users", "u1", {"server": 2})
            assert store.get_document("users", "u1") is None
            assert store.list_documents("users") == []
            store.put_document("users", "u1", {"a": 2}, {"server": 3})
            assert store.get_document("users", "u1") == ({"a": 2}, VersionVector({"server": 3}))

    def test_deleting_leaves_a_tombstone_with_the_vector_though_the_key_was_never_here(self) -> None:
        """The news of a deletion may come before the document."""
        with self.open() as store:
            store.delete_document("users", "ghost", {"server": 4})
            row = store.view(lambda reader: reader.row("users", "ghost"))
            assert row is not None
            assert (row.body, row.vector) == (None, '{"server":4}')
            assert store.list_collections() == ["users"]

    def test_documents_are_listed_by_key_without_tombstones(self) -> None:
        """In the order of code points."""
        with self.open() as store:
            for key in ("b", "10", "a", "9", "é"):
                store.put_document("users", key, {"k": key}, {"server": 1})
            store.delete_document("users", "a", {"server": 2})
            assert store.list_documents("users") == [
                (key, {"k": key}, VersionVector({"server": 1})) for key in ("10", "9", "b", "é")
            ]

    def test_a_collection_is_known_when_written_deleted_in_or_subscribed(self) -> None:
        """And stays known when it is empty."""
        with self.open() as store:
            store.put_document("written", "k", {}, {})
            store.delete_document("deleted", "k", {})
            store.add_pending_change("queued", "k", "delete", None, {})
            store.add_subscription("subscribed", None)
            assert store.list_collections() == ["deleted", "queued", "subscribed", "written"]

    def test_pending_changes_come_back_in_order_with_what_was_given(self) -> None:
        """The id returned names the change; change ids are all different."""
        with self.open() as store:
            ids = [
                store.add_pending_change("users", "u1", "insert", {"a": 1.0}, {}),
                store.add_pending_change("users", "u2", "delete", None, {"server": 3}),
                store.add_pending_change("users", "u1", "update", {"a": None}, VersionVector({"device-1": 1})),
            ]
            changes = store.get_pending_changes()
        assert [change.id for change in changes] == ids
        assert [(change.collection, change.key, change.operation) for change in changes] == [
            ("users", "u1", "insert"),
            ("users", "u2", "delete"),
            ("users", "u1", "update"),
        ]
        assert repr([change.data for change in changes]) == "[{'a': 1.0}, None, {'a': None}]"
        assert [dict(change.version_vector) for change in changes] == [{}, {"server": 3}, {"device-1": 1}]
        assert len({change.change_id for change in changes}) == 3

    def test_pending_changes_are_never_silently_cut(self) -> None:
        """All of them without a limit, the oldest with one."""
        with self.open() as store:
            ids = store.transact(lambda _: 0) or [
                store.add_pending_change("users", str(number), "delete", None, {}) for number in range(120)
            ]
            assert [change.id for change in store.get_pending_changes()] == ids
            assert [change.id for change in store.get_pending_changes(limit=7)] == ids[:7]
            assert store.get_pending_changes(limit=0) == []

    def test_a_change_queued_by_hand_leaves_the_document_alone(self) -> None:
        """The caller puts the document; the queue is the queue."""
        with self.open() as store:
            store.put_document("users", "u1", {"a": 1}, {"server": 1})
            store.add_pending_change("users", "u1", "update", {"a": 2}, {"server": 1})
            assert store.get_document("users", "u1") == ({"a": 1}, VersionVector({"server": 1}))

    def test_marking_a_change_synced_removes_exactly_it(self) -> None:
        """Once: a second time, or an unknown id, is no error and says so."""
        with self.open() as store:
            first, second, third = (store.add_pending_change("users", "u1", "delete", None, {}) for _ in range(3))
            assert store.mark_change_synced(second) is True
            assert [change.id for change in store.get_pending_changes()] == [first, third]
            assert store.mark_change_synced(second) is False
            assert store.mark_change_synced(third + 1000) is False
            assert [change.id for change in store.get_pending_changes()] == [first, third]

    def test_a_subscription_is_replaced_listed_and_removed(self) -> None:
        """One for each collection, by collection."""
        with self.open() as store:
            store.add_subscription("users", "doc.age > @age", {"age": 18})
            store.add_subscription("orders", None)
            store.add_subscription("users", "doc.age > @age", {"age": 21})
            assert store.list_subscriptions() == [
                Subscription("orders", None, None),
                Subscription("users", "doc.age > @age", {"age": 21}),
            ]
            assert store.remove_subscription("users") is True
            assert store.remove_subscription("users") is False
            assert store.list_subscriptions() == [Subscription("orders", None, None)]

    def test_bind_variables_that_are_not_json_are_refused(self) -> None:
        """Rather than turned into something else."""
        with self.open() as store:
            for value in (float("nan"), (1, 2), b"x"):
                given = {"x": value}
                assert isinstance(error_of(lambda given=given: store.add_subscription("users", "f", given)), ValueError)  # type: ignore[misc]
            assert store.list_subscriptions() == []

    def test_a_document_that_is_not_json_is_refused_with_its_place(self) -> None:
        """And nothing is stored."""
        with self.open() as store:
            problem = error_of(lambda: store.put_document("users", "u1", {"a": [1, (2,)]}, {}))
            assert isinstance(problem, InvalidDocumentError)
            assert "document.a[1]" in str(problem)
            assert store.list_collections() == []

    def test_a_bad_name_is_refused_by_every_call_that_writes(self) -> None:
        """Collections and keys have their rules everywhere."""
        places = [(name, "k") for name in BAD_NAMES] + [("users", key) for key in BAD_KEYS]
        with self.open() as store:
            for collection, key in places:
                calls: list[Callable[[], object]] = [
                    lambda c=collection, k=key: store.put_document(c, k, {}, {}),  # type: ignore[misc]
                    lambda c=collection, k=key: store.delete_document(c, k, {}),  # type: ignore[misc]
                    lambda c=collection, k=key: store.add_pending_change(c, k, "delete", None, {}),  # type: ignore[misc]
                ]
                assert [type(error_of(call)) for call in calls] == [InvalidDocumentError] * 3, (collection, key)
            assert store.list_collections() == []

    def test_an_unknown_operation_is_refused(self) -> None:
        """There are three."""
        with self.open() as store:
            assert isinstance(error_of(lambda: store.add_pending_change("users", "u", "upsert", {}, {})), ConfigError)
            assert store.get_pending_changes() == []

    def test_an_index_is_made_listed_and_dropped(self) -> None:
        """Under the one way to write its field; making it again, or dropping it again, is harmless."""
        with self.open() as store:
            store.put_document("users", "u1", {"address": {"city": "Oslo"}}, {})
            for field in ("address.city", "`address`.`city`"):
                store.create_index("users", field)
            store.create_index("users", "email", unique=True)
            city, email = IndexDefinition("users", "address.city"), IndexDefinition("users", "email", unique=True)
            assert store.list_indexes() == store.list_indexes("users") == [city, email]
            assert store.list_indexes("orders") == []
            assert store.drop_index("users", "`address`.city") is True
            assert store.drop_index("users", "address.city") is False
            assert store.list_indexes("users") == [email]

    def test_an_index_with_another_unique_says_to_drop_it_first(self) -> None:
        """Rather than to change what the rest of the app relies on."""
        with self.open() as store:
            store.put_document("users", "u1", {}, {})
            store.create_index("users", "email", unique=True)
            problem = error_of(lambda: store.create_index("users", "email"))
            assert isinstance(problem, ConfigError)
            assert "users.email: has an index that is unique; drop it first" in str(problem)

    def test_an_index_over_what_is_not_there_is_refused(self) -> None:
        """A collection nobody knows, and fields no stored document has; a subscribed collection is known."""
        with self.open() as store:
            store.add_subscription("orders", None)
            store.create_index("orders", "total")
            for collection, field, words in (
                ("users", "city", "collection: 'users' is not known here"),
                ("orders", "_key", "'_key' needs no index"),
                ("orders", "_id", "'_id' needs no index"),
                ("orders", "_sync", "no attribute of a document"),
                ("orders", "lines[*].sku", "into objects only"),
                ("orders", "zip code", "between backticks: `zip code`"),
                ("orders", "a..b", "empty part"),
                ("orders", "", "1 to 1000 characters"),
                ("orders", "`open", "open backtick at character 1"),
                ("orders", '`say "hi"`', "without quotation marks"),
                ("orders", "`a`b", "expected '.' at character 4"),
            ):
                problem = error_of(lambda c=collection, f=field: store.create_index(c, f))  # type: ignore[misc]
                assert isinstance(problem, ConfigError), field
                assert words in str(problem)
            assert store.list_indexes() == [IndexDefinition("orders", "total")]

    def test_a_unique_index_over_documents_that_collide_is_refused_with_the_collisions(self) -> None:
        """Nulls and missing values don't; 1 and 1.0 do."""
        with self.open() as store:
            documents: list[JsonDocument] = [{"n": 1}, {"n": 1.0}, {"n": True}, {"n": None}, {"n": None}, {}, {}]
            for key, document in zip("abcdefg", documents, strict=True):
                store.put_document("users", key, document, {})
            problem = error_of(lambda: store.create_index("users", "n", unique=True))
            assert isinstance(problem, UniqueIndexError)
            assert (problem.collection, problem.field) == ("users", "n")
            assert problem.collisions == ((1, ("a", "b")),)
            assert "users.n: can't be unique: 1 value is in more than one document: 1 in a, b" in str(problem)
            assert store.list_indexes() == []
            store.put_document("users", "b", {"n": 2}, {})
            store.create_index("users", "n", unique=True)

    def test_what_the_server_sends_is_stored_whatever_a_unique_index_says(self) -> None:
        """Else a device would come to differ from the server for ever."""
        with self.open() as store:
            store.put_document("users", "a", {"n": 1}, {})
            store.create_index("users", "n", unique=True)
            store.put_document("users", "b", {"n": 1}, {"server": 7})
            assert store.get_document("users", "b") == ({"n": 1}, VersionVector({"server": 7}))

    def test_progress_is_told_and_what_it_raises_leaves_no_index_and_the_store_in_use(self) -> None:
        """Whoever gives up has changed nothing."""

        def give_up(done: int, count: int) -> None:
            raise KeyError(f"{done} of {count}")

        with self.open() as store:
            for number in range(10):
                store.put_document("users", str(number), {"n": number}, {})
            told: list[tuple[int, int]] = []
            store.create_index("users", "n", progress=lambda done, count: told.append((done, count)))
            assert (told[0], told[-1]) == ((0, 10), (10, 10))
            assert isinstance(error_of(lambda: store.create_index("users", "m", progress=give_up)), KeyError)
            store.put_document("users", "10", {}, {})
            assert store.list_indexes() == [IndexDefinition("users", "n")]

    def test_a_backup_has_the_indexes(self) -> None:
        """And a store opened from it."""
        with TemporaryDirectory() as directory, self.open() as store:
            store.put_document("users", "u1", {"email": "a@x"}, {})
            store.create_index("users", "email", unique=True)
            store.backup(f"{directory}/copy.db")
            with self.open_backup(f"{directory}/copy.db") as copy:
                (index,) = copy.list_indexes()
                assert index == IndexDefinition("users", "email", unique=True)
                assert copy.view(lambda reader: reader.keys_with(index, "a@x")) == ["u1"]
                assert copy.verify().is_sound

    def test_a_fresh_store_is_sound(self) -> None:
        """And so is one in use; every record is counted."""
        with self.open() as store:
            assert store.verify().is_sound
            store.put_document("users", "u1", {"a": 1}, {"server": 1})
            store.delete_document("users", "u2", {"server": 1})
            store.add_pending_change("users", "u1", "update", {"a": 2}, {"server": 1})
            report = store.verify()
            assert report.is_sound
            assert report.records >= 3

    def test_work_that_raises_leaves_nothing_behind(self) -> None:
        """And the error reaches the caller as it was."""
        with self.open() as store:

            def work() -> None:
                raise KeyError("mine")

            def failing(engine: object) -> None:
                store.view(lambda reader: reader.collections())
                work()

            assert isinstance(error_of(lambda: store.transact(failing)), KeyError)
            store.put_document("users", "u1", {}, {})
            assert store.list_collections() == ["users"]

    def test_a_closed_store_refuses_everything(self) -> None:
        """With an error of the store, and closing it again is harmless."""
        store = self.open()
        store.put_document("users", "u1", {}, {})
        store.close()
        store.close()
        calls: list[Callable[[], object]] = [
            lambda: store.get_document("users", "u1"),
            lambda: store.list_documents("users"),
            lambda: store.list_collections(),
            lambda: store.put_document("users", "u2", {}, {}),
            lambda: store.delete_document("users", "u1", {}),
            lambda: store.add_pending_change("users", "u1", "delete", None, {}),
            lambda: store.get_pending_changes(),
            lambda: store.mark_change_synced(1),
            lambda: store.add_subscription("users", None),
            lambda: store.list_subscriptions(),
            lambda: store.remove_subscription("users"),
            lambda: store.create_index("users", "city"),
            lambda: store.list_indexes(),
            lambda: store.drop_index("users", "city"),
            lambda: store.verify(),
        ]
        assert [type(error_of(call)) for call in calls] == [StorageError] * len(calls)
