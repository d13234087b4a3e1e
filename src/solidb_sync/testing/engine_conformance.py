"""What every storage engine must do, as tests: the other half of `storage/engine.py`.

Subclass `EngineConformance` in a test module, say in `open` how an empty engine is made, and pytest collects the laws:

    class TestMyEngine(EngineConformance):
        def open(self) -> StorageEngine:
            return MyEngine(Replica("phone", "store-1"))

The engine must belong to the device `phone`. Nothing here needs pytest itself.
"""

from __future__ import annotations

from itertools import cycle

from msgspec.structs import replace

from solidb_sync.model.version_vector import Dot
from solidb_sync.storage.records import (
    ChangeState,
    Replica,
    StoredBase,
    StoredChange,
    Subscription,
)
from solidb_sync.testing.engine_samples import DEVICE_ID, change, conflict, document_row, live, tombstone, transaction
from solidb_sync.testing.engine_transactions import TransactionsConformance

TRICKY_KEYS = ["05", "5", "5.0", "A", "a", "a b", "null", "é", "ﬀ", "😀"]
TRICKY_BODIES = [
    "{}",
    '{"z":1,"a":2}',
    '{"n":[1,1.0,-0.0,1e22,9223372036854775807,-9223372036854775808,0.1]}',
    '{"s":"quote \\" slash / back \\\\ line \\n zero \\u0000 del \u007f emoji 😀 sep \u2028"}',
    '{"":{"":[]},"é":null,"t":[true,false,{"deep":[[[{}]]]}]}',
]


class EngineConformance(TransactionsConformance):
    """The laws of a storage engine; every test is one."""

    # rows

    def test_a_row_reads_back_as_it_was_put(self) -> None:
        """Bodies are text and are kept to the byte, number forms and escapes too."""
        with self.opened() as engine:
            with transaction(engine):
                for number, body in enumerate(TRICKY_BODIES):
                    engine.put_row("notes", str(number), live(body))
                engine.put_row("notes", "gone", tombstone())
            assert [engine.row("notes", str(number)) for number in range(len(TRICKY_BODIES))] == [
                live(body) for body in TRICKY_BODIES
            ]
            assert engine.row("notes", "gone") == tombstone()

    def test_what_was_never_put_is_not_there(self) -> None:
        """An unknown collection and an unknown key read as nothing."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("notes", "k", live())
            assert engine.row("notes", "other") is None
            assert engine.row("others", "k") is None
            assert list(engine.all_rows("others")) == []
            assert engine.base("others", "k") is None
            assert engine.changes_of("others", "k") == []
            assert not engine.has_changes_of("others", "k")

    def test_a_row_takes_the_place_of_the_one_before(self) -> None:
        """One key, one row: a tombstone replaces a document and is replaced by one."""
        with self.opened() as engine, transaction(engine):
            for row in (live(), tombstone(), live('{"b":2}')):
                engine.put_row("notes", "k", row)
                assert list(engine.all_rows("notes")) == [("k", row)]

    def test_rows_come_by_key_in_the_order_of_code_points(self) -> None:
        """Keys that look like numbers, or differ in case only, are keys of their own."""
        with self.opened() as engine:
            with transaction(engine):
                for key in reversed(TRICKY_KEYS):
                    engine.put_row("notes", key, live())
            assert [key for key, _ in engine.all_rows("notes")] == sorted(TRICKY_KEYS)
            assert all(engine.row("notes", key) == live() for key in TRICKY_KEYS)

    def test_tombstones_are_not_live(self) -> None:
        """`live_rows` leaves out what `all_rows` has."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("notes", "a", live())
                engine.put_row("notes", "b", tombstone())
            assert list(engine.live_rows("notes")) == [("a", live())]
            assert list(engine.all_rows("notes")) == [("a", live()), ("b", tombstone())]

    def test_rows_are_read_in_pages_by_key(self) -> None:
        """From just after a key, tombstones too; an unknown collection has none."""
        with self.opened() as engine, transaction(engine):
            for key in reversed(TRICKY_KEYS):
                engine.put_row("notes", key, live())
            engine.put_row("notes", "zzz", tombstone())
            keys = sorted([*TRICKY_KEYS, "zzz"])
            assert [key for key, _ in engine.rows_after("notes", "", 99)] == keys
            assert engine.rows_after("notes", keys[1], 2) == [(key, engine.row("notes", key)) for key in keys[2:4]]
            assert engine.rows_after("notes", keys[-1], 2) == engine.rows_after("others", "", 2) == []
            assert engine.keys_after("notes", "", 99) == keys
            assert engine.keys_after("notes", keys[1], 2) == keys[2:4]
            assert engine.keys_after("notes", keys[-1], 2) == engine.keys_after("others", "", 2) == []

    def test_rows_of_many_keys_are_read_as_one_by_one(self) -> None:
        """Tombstones too; a key that is not there, or asked for twice, is no matter, nor an unknown collection."""
        with self.opened() as engine, transaction(engine):
            for key, body in zip(TRICKY_KEYS, cycle(TRICKY_BODIES), strict=False):
                engine.put_row("notes", key, live(body))
            engine.put_row("notes", "gone", tombstone())
            asked = [*TRICKY_KEYS, "gone", "gone", "never there", ""]
            one_by_one = {key: row for key in asked if (row := engine.row("notes", key)) is not None}
            assert engine.rows_of("notes", asked) == one_by_one
            assert len(one_by_one) == len(TRICKY_KEYS) + 1
            assert engine.rows_of("notes", []) == engine.rows_of("others", asked) == {}

    def test_many_documents_are_put_as_one_by_one(self) -> None:
        """`put_documents` replaces rows and tombstones like `put_row`, and makes the collection known."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("notes", "a", tombstone())
                row = live()
                engine.put_documents("notes", [document_row(key, row) for key in ("b", "a")])
                engine.put_documents("empty", [])
            assert list(engine.all_rows("notes")) == [("a", live()), ("b", live())]
            assert engine.collections() == ["empty", "notes"]

    def test_many_documents_keep_every_key_and_body_as_it_is(self) -> None:
        """None is changed by travelling with others, and of two under one key the later stays."""
        rows = [(f"{key}{body}"[:20].replace("/", ""), live(body)) for key in TRICKY_KEYS for body in TRICKY_BODIES]
        with self.opened() as engine:
            with transaction(engine):
                engine.put_documents("notes", [document_row(*row) for row in rows])
            assert dict(engine.live_rows("notes")) == dict(rows)

    def test_a_dropped_row_is_gone_and_its_collection_stays(self) -> None:
        """Dropping what is not there is no change, and makes no collection known."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("notes", "k", live())
                engine.drop_row("notes", "k")
                engine.drop_row("notes", "k")
                engine.drop_row("others", "k")
            assert engine.row("notes", "k") is None
            assert engine.collections() == ["notes"]

    def test_collections_share_no_keys(self) -> None:
        """The same key in two collections is two documents, with bases and changes of their own."""
        with self.opened() as engine, transaction(engine):
            engine.put_row("a", "k", live())
            engine.put_base("a", "k", StoredBase("{}", False, "{}", ""))
            engine.add_change(change("c1", collection="a"))
            engine.add_collection("b")
            assert engine.row("b", "k") is None
            assert engine.base("b", "k") is None
            assert not engine.has_changes_of("b", "k")

    def test_everything_kept_under_a_collection_makes_it_known(self) -> None:
        """Rows, base copies and changes do, and adding it again changes nothing."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_base("bases", "k", StoredBase("{}", False, "{}", ""))
                engine.add_change(change("c1", collection="changes"))
                engine.put_row("rows", "k", live())
                engine.add_collection("alone")
                engine.add_collection("rows")
            assert engine.collections() == ["alone", "bases", "changes", "rows"]
            assert engine.row("rows", "k") == live()

    # base copies

    def test_a_deleted_base_copy_keeps_its_last_body(self) -> None:
        """Body and deletion are two facts; a base copy may lack a body too."""
        kept = {
            "live": StoredBase('{"a":1.0}', False, '{"server":1}', "t1"),
            "deleted": StoredBase('{"a":2}', True, '{"server":2}', "t2"),
            "unknown": StoredBase(None, True, "{}", ""),
        }
        with self.opened() as engine:
            with transaction(engine):
                for key, base in kept.items():
                    engine.put_base("notes", key, StoredBase("{}", False, "{}", ""))
                    engine.put_base("notes", key, base)
            assert {key: engine.base("notes", key) for key in kept} == kept
            assert {key: base for _, key, base in engine.bases()} == kept

    def test_a_dropped_base_copy_is_gone_alone(self) -> None:
        """The row and the other base copies stay."""
        with self.opened() as engine, transaction(engine):
            engine.put_row("notes", "a", live())
            for key in ("a", "b"):
                engine.put_base("notes", key, StoredBase("{}", False, "{}", ""))
            engine.drop_base("notes", "a")
            engine.drop_base("notes", "a")
            assert engine.base("notes", "a") is None
            assert [key for _, key, _ in engine.bases()] == ["b"]
            assert engine.row("notes", "a") == live()

    # changes

    def test_a_change_reads_back_as_it_was_added_under_the_id_it_got(self) -> None:
        """The `id` of what is given does not count."""
        added = StoredChange(99, "notes", "k", ChangeState.HELD, "c1", "phone~2", 7, "t1", True, '{"é":1.0}', "why", 8, 9)
        with self.opened() as engine, transaction(engine):
            number = engine.add_change(added)
            assert engine.changes(state=None) == [replace(added, id=number)]
            assert engine.changes_of("notes", "k") == [replace(added, id=number)]
            assert engine.has_changes()
            assert engine.has_changes_of("notes", "k")

    def test_changes_come_oldest_first(self) -> None:
        """Over all documents and of one."""
        with self.opened() as engine, transaction(engine):
            ids = [engine.add_change(change(name, key)) for name, key in (("c1", "a"), ("c2", "b"), ("c3", "a"))]
            assert ids == sorted(set(ids))
            assert [found.change_id for found in engine.changes(state=None)] == ["c1", "c2", "c3"]
            assert [found.change_id for found in engine.changes_of("notes", "a")] == ["c1", "c3"]

    def test_changes_are_selected_by_state_place_and_number(self) -> None:
        """`after` is exclusive, `limit` counts what was selected."""
        with self.opened() as engine, transaction(engine):
            ids = [engine.add_change(change(f"c{number}")) for number in range(5)]
            held = replace(engine.changes(state=None)[1], state=ChangeState.HELD)
            engine.replace_change(held)
            pending = [ids[0], *ids[2:]]
            assert [found.id for found in engine.changes(state=ChangeState.PENDING)] == pending
            assert [found.id for found in engine.changes(state=ChangeState.PENDING, after=ids[0], limit=2)] == ids[2:4]
            assert engine.changes(state=None, after=ids[0], limit=1) == [held]
            refused = [replace(found, state=ChangeState.REJECTED) for found in engine.changes(state=None)[3:]]
            for one in reversed(refused):
                engine.replace_change(one)
            assert (engine.rejected_of("notes", "k"), engine.rejected_of("notes", "other")) == (refused, [])
            assert engine.changes(state=None, limit=0) == []
            assert [engine.count_changes(state) for state in ChangeState] == [2, 1, 2]

    def test_a_replaced_change_keeps_its_place_in_the_order(self) -> None:
        """And replacing one that is gone adds nothing."""
        with self.opened() as engine, transaction(engine):
            first, second = (engine.add_change(change(name)) for name in ("c1", "c2"))
            newer = replace(
                change("c1"), id=first, state=ChangeState.REJECTED, actor="phone~1", counter=9, needs_full=True, wire="{}",
                reason="no", answered=5, document_bytes=7,
            )  # fmt: skip
            engine.replace_change(newer)
            engine.replace_change(replace(newer, id=second + 1))
            assert engine.changes_of("notes", "k") == [newer, replace(change("c2"), id=second)]

    def test_dropping_changes_counts_those_that_were_there(self) -> None:
        """Each once, however often it is named."""
        with self.opened() as engine, transaction(engine):
            first, second = (engine.add_change(change(name)) for name in ("c1", "c2"))
            assert engine.drop_changes(number for number in (first, first, second + 7)) == 1
            assert engine.drop_changes([first]) == 0
            assert [found.change_id for found in engine.changes_of("notes", "k")] == ["c2"]
            assert engine.drop_changes([second]) == 1
            assert not engine.has_changes()
            assert not engine.has_changes_of("notes", "k")

    def test_the_id_of_a_change_is_never_given_out_again(self) -> None:
        """Not even when the newest one was dropped, or all of them."""
        with self.opened() as engine:
            with transaction(engine):
                first = engine.add_change(change("c1"))
                engine.drop_changes([first])
            with transaction(engine):
                second = engine.add_change(change("c2"))
                engine.drop_changes([second])
            with transaction(engine):
                assert engine.add_change(change("c3")) > second > first

    # the replica, subscriptions, and the other books

    def test_the_replica_reads_back_as_it_was_saved(self) -> None:
        """No collections covered (`()`) and all of them (`None`) are two things."""
        whole = Replica(
            device_id=DEVICE_ID, store_id="s2", incarnation=3, counter=5, settled=4, cursor=99, covered=("a", "b"),
            excluded=("c",), epoch="epoch", is_resyncing=True, stable=7, alias="phone.1f",
        )  # fmt: skip
        with self.opened() as engine:
            assert engine.replica().device_id == DEVICE_ID
            for replica in (
                whole,
                replace(whole, covered=None, is_resyncing=False),
                replace(whole, covered=(), excluded=()),
            ):
                with transaction(engine):
                    engine.save_replica(replica)
                assert engine.replica() == replica

    def test_dots_count_the_edits_of_an_incarnation(self) -> None:
        """The counter is part of the replica, and the actor's name of the dot."""
        with self.opened() as engine, transaction(engine):
            assert [engine.next_dot(), engine.next_dot()] == [Dot("phone", 1), Dot("phone", 2)]
            engine.save_replica(replace(engine.replica(), incarnation=2, counter=0))
            assert engine.next_dot() == Dot("phone~2", 1)
            assert engine.replica().counter == 1
            engine.save_replica(replace(engine.replica(), alias="phone.1f"))
            assert engine.next_dot() == Dot("phone.1f~2", 2)

    def test_a_collection_has_one_subscription(self) -> None:
        """The later one stands; they come by collection; dropping says whether there was one."""
        later = Subscription("notes", "doc.a == @x", {"x": [1, 1.0, None, {"é": True}]})
        with self.opened() as engine, transaction(engine):
            for subscription in (Subscription("notes"), Subscription("albums", None, {}), later):
                engine.put_subscription(subscription)
            assert engine.subscriptions() == [Subscription("albums", None, {}), later]
            assert engine.drop_subscription("notes")
            assert not engine.drop_subscription("notes")
            assert engine.subscriptions() == [Subscription("albums", None, {})]

    def test_a_subscription_is_a_copy(self) -> None:
        """Neither the dict that was given nor the one that was read is the engine's own."""
        given: dict[str, object] = {"x": 1}
        with self.opened() as engine, transaction(engine):
            engine.put_subscription(Subscription("notes", "f", given))
            given["x"] = 2
            read = engine.subscriptions()[0].bind_vars
            assert read == {"x": 1}
            read["x"] = 3
            assert engine.subscriptions() == [Subscription("notes", "f", {"x": 1})]

    def test_a_backfill_has_one_cursor(self) -> None:
        """The later one stands; -1 is one that has not begun."""
        with self.opened() as engine, transaction(engine):
            for collection, cursor in (("b", 1), ("a", -1), ("b", 3)):
                engine.put_backfill(collection, cursor)
            assert engine.backfills() == {"a": -1, "b": 3}
            engine.drop_backfill("b")
            engine.drop_backfill("b")
            assert engine.backfills() == {"a": -1}

    def test_a_resync_has_not_seen_any_row(self) -> None:
        """Tombstones too, and documents with changes; a second resync begins anew."""
        with self.opened() as engine, transaction(engine):
            for key in ("a", "b", "changed"):
                engine.put_row("notes", key, live())
            engine.put_row("notes", "gone", tombstone())
            number = engine.add_change(change("c1", "changed"))
            engine.replace_change(replace(change("c1", "changed"), id=number, state=ChangeState.REJECTED))
            engine.mark_all_unseen()
            engine.mark_seen("notes", "a")
            engine.mark_seen("others", "b")
            left = [("notes", "b"), ("notes", "changed"), ("notes", "gone")]
            assert sorted(engine.unseen()) == left
            engine.put_row("notes", "new", live())
            assert sorted(engine.unseen()) == left
            engine.mark_all_unseen()
            assert sorted(engine.unseen()) == [("notes", "a"), *left, ("notes", "new")]
            engine.clear_unseen()
            assert engine.unseen() == []

    def test_the_conflict_log_is_in_order_and_an_entry_is_replaced_whole(self) -> None:
        """An entry that is put again stays where it stands, with everything new in it."""
        newer = conflict("x", "resolved", '["a"]')
        with self.opened() as engine, transaction(engine):
            for entry in (conflict("x"), conflict("b"), newer):
                engine.put_conflict(entry)
            assert engine.conflicts() == [newer, conflict("b")]
            assert (engine.conflict("x"), engine.conflict("c")) == (newer, None)

    def test_the_open_conflicts_are_those_that_are_pending(self) -> None:
        """In the order of the log, until they are put again with another status."""
        first, second = conflict("x", "pending"), conflict("a", "pending")
        with self.opened() as engine, transaction(engine):
            for entry in (first, conflict("b"), second):
                engine.put_conflict(entry)
            assert engine.open_conflicts() == [first, second]
            engine.put_conflict(conflict("x", "resolved"))
            assert engine.open_conflicts() == [second]

    def test_entries_leave_the_conflict_log_and_come_back_in_order_when_that_is_taken_back(self) -> None:
        """One that is open too; those that stay keep their order, and a new one goes behind them."""
        entries = [conflict("x"), conflict("a", "pending"), conflict("m")]
        with self.opened() as engine:
            with transaction(engine):
                for entry in entries:
                    engine.put_conflict(entry)
            engine.begin()
            engine.drop_conflicts(["x", "a", "nobody"])
            assert (engine.conflicts(), engine.open_conflicts(), engine.conflict("x")) == ([entries[2]], [], None)
            engine.rollback()
            assert engine.conflicts() == entries
            with transaction(engine):
                engine.drop_conflicts(["a"])
                engine.put_conflict(conflict("a"))
            assert engine.conflicts() == [entries[0], entries[2], conflict("a")]

    def test_a_setting_is_found_again_by_its_name_until_it_is_forgotten(self) -> None:
        """By name, in the order of names."""
        with self.opened() as engine, transaction(engine):
            for name, value in (("b", "1"), ("a", "{}"), ("b", "2")):
                engine.put_setting(name, value)
            assert (engine.setting("b"), engine.setting("c")) == ("2", None)
            assert list(engine.settings().items()) == [("a", "{}"), ("b", "2")]
            engine.put_setting("b", None)
            assert engine.settings() == {"a": "{}"}

    def test_a_sound_engine_finds_no_damage(self) -> None:
        """With something in it."""
        with self.opened() as engine:
            with transaction(engine):
                engine.put_row("notes", "k", live())
            assert engine.damage() == []
