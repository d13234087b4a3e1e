"""What becomes of pushed changes: the rules of the protocol, one by one."""

from __future__ import annotations

from typing import Any


def test_an_insert_is_applied_and_has_the_first_sequence(server: Any) -> None:
    phone = server.device("phone")
    answer = phone.push(phone.insert("a", {"text": "milk"}))
    assert answer["results"][0]["status"] == "applied"
    assert answer["results"][0]["seq"] == 1
    assert answer["server_version"]["phone"] == 1
    assert server.document("a") == {"text": "milk"}


def test_a_chain_of_edits_on_a_known_base_is_applied_each_time(server: Any) -> None:
    phone = server.device("phone")
    statuses = phone.statuses(
        phone.insert("a", {"text": "milk", "done": False}),
        phone.update("a", {"done": True}, base={"phone": 1}),
        phone.update("a", {}, unset=["text"], base={"phone": 2}),
    )
    assert statuses == ["applied"] * 3
    assert server.document("a") == {"done": True}


def test_a_change_sent_again_is_a_duplicate_with_its_first_outcome(server: Any) -> None:
    phone = server.device("phone")
    change = phone.insert("a", {"n": 1})
    phone.push(change)
    again = phone.push(change)["results"][0]
    assert (again["status"], again["original"], again["seq"]) == ("duplicate", "applied", 1)
    assert (again["actor"], again["counter"]) == ("phone", 1)
    assert server.rows("SELECT newest FROM meta") == [(1,)]


def test_a_change_sent_twice_in_one_request_is_applied_once(server: Any) -> None:
    phone = server.device("phone")
    change = phone.insert("a", {"n": 1})
    assert phone.statuses(change, change) == ["applied", "duplicate"]


def test_a_change_sent_again_under_a_new_dot_is_a_duplicate_and_uses_the_dot(server: Any) -> None:
    phone = server.device("phone")
    change = phone.insert("a", {"n": 1})
    phone.push(change)
    reborn = server.device("phone", actor="phone~1")
    reborn.counter = 2
    assert reborn.push({**change, "counter": 1})["server_version"]["phone~1"] == 1
    answer = reborn.push({**change, "counter": 1}, {**phone.insert("b", {}), "counter": 2})
    assert [result["status"] for result in answer["results"]] == ["duplicate", "applied"]
    assert answer["server_version"]["phone~1"] == 2
    assert server.rows("SELECT count(*) FROM outcomes") == [(2,)]


def test_an_edit_on_top_of_a_change_known_under_another_dot_has_seen_that_change(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1})
    phone.push(first)
    reborn = server.device("phone", actor="phone~1")
    again = {**first, "counter": 1}
    later = {**reborn.update("a", {"n": 2}, base={"phone~1": 1}), "counter": 2}
    reborn.counter = 2
    answer = reborn.push(again, later)
    assert [result["status"] for result in answer["results"]] == ["duplicate", "applied"]
    assert [(result["actor"], result["counter"]) for result in answer["results"][:1]] == [("phone", 1)]
    assert server.get("/_api/database/db/document/notes/a").json()["_version"] == {"phone": 1, "phone~1": 2}


def test_a_new_incarnation_fences_the_one_it_replaces(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    late = phone.insert("b", {})
    asked = {"client_id": "phone", "actor": "phone", "protocol": 1, "reset": True, "known": [late["id"]]}
    answer = server.post("/_api/sync/clients/db", asked).json()
    assert (answer["incarnation"], answer["known"]) == (1, {})
    assert phone.push(late)["replica"]["reset"] == "fenced"
    assert server.document("b") is None


def test_a_known_id_is_a_duplicate_whatever_comes_with_it(server: Any) -> None:
    phone = server.device("phone")
    change = phone.insert("a", {"n": 1})
    phone.push(change)
    assert phone.statuses({**phone.insert("b", {}), "id": change["id"]}, phone.insert("c", {})) == ["duplicate", "applied"]
    assert server.document("b") is None


def test_a_counter_used_for_two_changes_fences_the_actor_for_good(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1})
    phone.push(first)
    other = {**phone.insert("b", {}), "counter": 1}
    later = phone.insert("c", {})
    answer = phone.push(other, later)
    assert answer["replica"]["reset"] == "reused"
    assert [result["status"] for result in answer["results"]] == ["skipped", "skipped"]
    assert server.document("b") is None
    assert phone.push(later)["replica"]["reset"] == "fenced"
    assert phone.statuses(first) == ["duplicate"]


def test_a_twin_whose_counters_do_not_clash_is_known_by_the_push_it_did_not_make(server: Any) -> None:
    phone, twin = server.device("phone"), server.device("phone")
    first = phone.insert("a", {"n": 1})
    assert phone.push(first, pushes=0)["pushes"] == 1
    phone.counter = twin.counter = 4
    twin.counter = 6
    assert phone.push(phone.insert("b", {"by": "phone"}), pushes=1)["pushes"] == 2
    edit = twin.insert("b", {"by": "twin"})
    answer = twin.push(edit, pushes=1)
    assert (answer["replica"]["reset"], answer["results"][0]["status"]) == ("rolled_back", "skipped")
    assert twin.sync(pushes=1)["replica"]["reset"] == "rolled_back"
    assert server.document("b") == {"by": "phone"}


def test_a_push_whose_answer_was_lost_is_no_push_of_a_twin(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1})
    phone.push(first, pushes=0)
    answer = phone.push(first, phone.insert("b", {}), pushes=0)
    assert [result["status"] for result in answer["results"]] == ["duplicate", "applied"]
    assert (answer["replica"], answer["pushes"]) == (None, 2)
    assert phone.push(first, pushes=0)["pushes"] == 0, "it has yet to show that it knows of the second"


def test_a_twin_that_shares_unsent_changes_is_known_by_what_it_does_not_have(server: Any) -> None:
    """Both begin with what they had in common, as a push does whose answer was lost; the twin goes on with its own."""
    phone, twin = server.device("phone"), server.device("phone")
    phone.push(phone.insert("a", {"n": 1}), pushes=0)
    twin.counter = 1
    common = phone.insert("b", {"n": 1})
    twin.counter = phone.counter
    assert phone.push(common, phone.insert("c", {"by": "phone"}), pushes=1)["pushes"] == 2
    twin.counter += 1
    answer = twin.push(common, twin.insert("c", {"by": "twin"}), pushes=1)
    assert answer["replica"]["reset"] == "rolled_back"
    assert server.document("c") == {"by": "phone"}
    answer = twin.push(common, pushes=1)
    assert (answer["replica"], answer["pushes"]) == (None, 1), "that may be a push whose answer was lost, in parts"
    assert twin.push(twin.insert("d", {}), pushes=answer["pushes"])["replica"]["reset"] == "rolled_back"


def test_a_restored_store_that_sends_an_edit_of_its_first_life_under_a_new_counter_is_known(server: Any) -> None:
    phone = server.device("phone")
    first = phone.insert("a", {"n": 1})
    phone.push(first, pushes=0)
    phone.push(phone.insert("b", {"by": "the life that is lost"}), pushes=1)
    phone.counter = 4
    edit = {**phone.insert("b", {"by": "the restored one"}), "counter": 5}
    answer = phone.push({**first, "counter": 4}, edit, pushes=0)
    assert answer["replica"]["reset"] == "rolled_back"
    assert [result["status"] for result in answer["results"]] == ["skipped", "skipped"]
    assert server.document("b") == {"by": "the life that is lost"}


def test_changes_before_a_reused_counter_stay_applied(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    good = phone.insert("b", {})
    answer = phone.push(good, {**phone.insert("c", {}), "counter": 2})
    assert [result["status"] for result in answer["results"]] == ["applied", "skipped"]
    assert server.document("b") == {}


def test_counters_may_leave_a_gap_but_never_go_back(server: Any) -> None:
    phone = server.device("phone")
    first, left_out, third = (phone.insert(key, {}) for key in "abc")
    answer = phone.push(first, third)
    assert [result["status"] for result in answer["results"]] == ["applied", "applied"]
    assert answer["server_version"]["phone"] == 3
    assert phone.push(left_out)["replica"]["reset"] == "reused"


def test_an_own_entry_beyond_the_highest_counter_taken_needs_a_resync(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    for answer in (phone.send(acknowledged=2), phone.send(phone.insert("b", {}), acknowledged=2)):
        assert (answer.status_code, answer.json()["type"]) == (410, "ResyncRequired")
    assert server.document("b") is None
    assert phone.send(acknowledged=1).status_code == 200


def test_a_store_that_went_back_in_time_is_told_and_nothing_is_applied(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}), phone.insert("b", {}))
    restored = server.device("phone")
    answer = restored.sync(restored.insert("c", {}))
    assert answer["replica"]["reset"] == "rolled_back"
    assert [result["status"] for result in answer["results"]] == ["skipped"]
    assert answer["server_changes"] == []
    assert server.document("c") is None


def test_a_pull_of_a_store_that_went_back_in_time_is_told_as_well(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}))
    assert server.device("phone").sync()["replica"]["reset"] == "rolled_back"


def test_an_update_of_an_unknown_document_needs_the_full_one(server: Any) -> None:
    phone = server.device("phone")
    change = phone.update("a", {"n": 1}, base={"phone": 0, "other": 4})
    assert phone.statuses(change) == ["need_full"]
    again = phone.push({**change, "document": {"n": 1, "m": 2}})["results"][0]
    assert (again["status"], again["seq"]) == ("applied", 1)
    assert server.document("a") == {"n": 1, "m": 2}
    assert phone.statuses(change) == ["duplicate"]


def test_a_later_edit_of_a_document_waits_for_the_one_before_it(server: Any) -> None:
    phone = server.device("phone")
    first = phone.update("a", {"n": 1})
    second = phone.update("a", {"n": 2}, base={"phone": 1})
    elsewhere = phone.insert("b", {})
    assert phone.statuses(first, second, elsewhere) == ["need_full", "skipped", "applied"]
    # Built on what is not settled, in a request of its own:
    third = phone.update("a", {"n": 3}, base={"phone": 2}, document={"n": 3})
    assert phone.statuses(third) == ["skipped"]
    assert phone.statuses({**first, "document": {"n": 1}}, second, third) == ["applied", "applied", "applied"]
    assert server.document("a") == {"n": 3}
    assert server.rows("SELECT count(*) FROM unsettled") == [(0,)]


def test_an_edit_not_built_on_an_abandoned_one_goes_ahead(server: Any) -> None:
    phone = server.device("phone")
    abandoned = phone.update("a", {"n": 1})
    assert phone.statuses(abandoned) == ["need_full"]
    assert phone.statuses(phone.insert("a", {"n": 2})) == ["applied"]
    assert phone.statuses(phone.update("a", {"n": 3}, base={"phone": 2})) == ["applied"]


def test_one_bad_change_is_rejected_alone_and_names_its_field(server: Any) -> None:
    phone = server.device("phone")
    answer = phone.push(
        phone.insert("a", {}),
        phone.insert("a/b", {}),
        phone.change("upsert", "c"),
        phone.update("d", None),
        phone.insert("e", [1]),
        phone.insert("f", {}, collection="_system"),
        phone.change("insert", "g"),
        phone.insert("h", {}),
    )
    assert [result["status"] for result in answer["results"]] == ["applied", *["rejected"] * 6, "applied"]
    messages = [result["error"]["message"] for result in answer["results"][1:-1]]
    assert messages[0].startswith("changes[1].key: ")
    assert messages[1] == "changes[2].operation: expected insert, update, delete or crdt, found 'upsert'"
    assert messages[2] == "changes[3].delta: expected an object, found null"
    assert messages[3] == "changes[4].document: expected an object, found an array"
    assert messages[4].startswith("changes[5].collection: '_system'")
    assert messages[5] == "changes[6].document: expected an object, found nothing"
    assert server.rows("SELECT highest FROM actors") == [(8,)]


def test_a_change_of_the_wrong_types_is_rejected_alone(server: Any) -> None:
    phone = server.device("phone")
    bad = {**phone.insert("b", {}), "base_version": {"phone": "one"}}
    worse = {**phone.insert("c", {}), "key": 7}
    answer = phone.push(phone.insert("a", {}) | {"counter": 1}, bad | {"counter": 2}, worse | {"counter": 3}, "nonsense")
    assert [result["status"] for result in answer["results"]] == ["applied", "rejected", "rejected", "rejected"]
    assert answer["results"][2]["change_id"] == worse["id"]
    assert answer["results"][2]["error"]["message"] == "changes[2].key: expected a string, found the number 7"
    assert answer["results"][3]["error"]["message"] == "changes[3]: expected an object, found a string"


def test_a_rejected_change_stays_rejected_and_holds_back_later_edits_of_its_document(server: Any) -> None:
    phone = server.device("phone")
    bad = phone.insert("a", [1])
    assert phone.statuses(bad, phone.insert("a", {})) == ["rejected", "skipped"]
    again = phone.push(bad)["results"][0]
    assert (again["status"], again["original"]) == ("duplicate", "rejected")
    assert "expected an object" in again["error"]["message"]


def test_a_document_has_at_most_64_levels_and_one_mebibyte(server: Any) -> None:
    def nested(levels: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        for _ in range(levels - 1):
            value = {"a": value}
        return value

    phone = server.device("phone")
    big = {"text": "x" * (1024 * 1024 - 11)}
    bigger = {"text": "x" * (1024 * 1024 - 10)}
    answer = phone.push(
        phone.insert("a", nested(64)),
        phone.insert("b", nested(65)),
        phone.insert("c", big),
        phone.insert("d", bigger),
        phone.update("c", {"more": 1}, base={"phone": 3}),
        phone.update("a", {"b": nested(64)}, base={"phone": 1}),
        phone.insert("z", {}),
    )
    results = answer["results"]
    assert [result["status"] for result in results] == [
        "applied",
        "rejected",
        "applied",
        "rejected",
        "rejected",
        "rejected",
        "applied",
    ]
    assert [results[at]["error"]["type"] for at in (1, 3, 4, 5)] == [
        "DocumentTooDeep",
        "DocumentTooLarge",
        "DocumentTooLarge",
        "DocumentTooDeep",
    ]
    assert server.document("a") == nested(64)


def test_edits_of_different_fields_are_merged(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"name": "Ann", "age": 1}))
    assert laptop.statuses(laptop.update("a", {"age": 2}, base={"phone": 1})) == ["applied"]
    answer = phone.push(phone.update("a", {"name": "Anna"}, base={"phone": 1}))
    assert [result["status"] for result in answer["results"]] == ["merged"]
    assert answer["conflicts"] == []
    assert server.document("a") == {"name": "Anna", "age": 2}


def test_edits_of_one_field_are_a_conflict_which_keeps_the_overruled_version(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"name": "Ann", "age": 1}))
    laptop.push(laptop.update("a", {"name": "Anne"}, base={"phone": 1}))
    change = phone.update("a", {"name": "Anna"}, base={"phone": 1}, timestamp="2024-01-15T10:30:00Z")
    answer = phone.push(change)
    (conflict,) = answer["conflicts"]
    assert answer["results"][0]["status"] == "conflict"
    assert (conflict["winner"], conflict["fields"], conflict["strategy"]) == ("local", ["name"], "last_write_wins")
    assert conflict["remote_version"]["document"] == {"name": "Anne", "age": 1}
    assert conflict["remote_version"]["version_vector"] == {"phone": 1, "laptop": 1}
    assert conflict["local_version"]["document"]["name"] == "Anna"
    assert conflict["local_version"]["timestamp"] == "2024-01-15T10:30:00Z"
    assert server.document("a") == {"name": "Anna", "age": 1}
    ((remote,),) = server.rows("SELECT remote FROM conflict_log")
    assert '"Anne"' in remote
    again = phone.push(change)
    assert (again["results"][0]["original"], again["conflicts"]) == ("conflict", [conflict])
    assert server.rows("SELECT count(*) FROM conflict_log") == [(1,)]


def test_two_edits_to_the_same_value_agree(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1}))
    laptop.push(laptop.update("a", {"n": 2}, base={"phone": 1}))
    assert phone.statuses(phone.update("a", {"n": 2}, base={"phone": 1})) == ["merged"]


def test_a_delete_that_arrives_after_an_unseen_update_wins_and_keeps_it(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1}))
    laptop.push(laptop.update("a", {"n": 2}, base={"phone": 1}))
    answer = phone.push(phone.delete("a", base={"phone": 1}))
    assert answer["results"][0]["status"] == "conflict"
    assert answer["conflicts"][0]["remote_version"]["document"] == {"n": 2}
    assert answer["conflicts"][0]["local_version"]["deleted"] is True
    assert server.document("a") is None


def test_an_update_that_arrives_after_an_unseen_delete_needs_the_full_document_and_revives_it(server: Any) -> None:
    phone, laptop = server.device("phone"), server.device("laptop")
    phone.push(phone.insert("a", {"n": 1, "m": 1}))
    laptop.push(laptop.delete("a", base={"phone": 1}))
    change = phone.update("a", {"n": 2}, base={"phone": 1})
    assert phone.statuses(change) == ["need_full"]
    answer = phone.push({**change, "document": {"n": 2, "m": 1}})
    assert answer["results"][0]["status"] == "conflict"
    assert answer["conflicts"][0]["remote_version"]["deleted"] is True
    assert server.document("a") == {"n": 2, "m": 1}


def test_a_base_enters_a_vector_only_as_far_as_the_server_knows_it(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {}, base={"stranger": 9, "phone": 77, "server": 1000}))
    assert server.get("/_api/database/db/document/notes/a").json()["_version"] == {"phone": 1}


def test_an_actor_is_a_life_of_its_client(server: Any) -> None:
    for actor, status in (("phone", 200), ("phone~3", 200), ("laptop", 400), ("phone~x", 400), ("phone~", 400)):
        answer = server.post("/_api/sync/push/db", {"client_id": "phone", "actor": actor, "changes": []})
        assert answer.status_code == status, actor


def test_an_unknown_protocol_is_refused_with_the_supported_range(server: Any) -> None:
    answer = server.post("/_api/sync/pull/db", {"client_id": "phone", "protocol": 2})
    assert (answer.status_code, answer.json()["type"]) == (400, "UnsupportedProtocol")
    details = answer.json()["details"]
    assert (details["lowest"], details["highest"]) == (1, 1)


def test_changes_written_by_hand_get_ids_and_counters(server: Any) -> None:
    def push(document: dict[str, Any]) -> dict[str, Any]:
        change = {"collection": "notes", "key": "a", "operation": "insert", "document": document}
        return server.post("/_api/sync/push/db", {"client_id": "hand", "changes": [change]}).json()

    first, second = push({"n": 1}), push({"n": 1})
    assert first["results"][0]["change_id"].startswith("h-")
    assert (first["results"][0]["status"], second["results"][0]["status"]) == ("applied", "duplicate")
    assert push({"n": 2})["server_version"]["hand"] == 2


def test_a_change_written_by_hand_counts_on_from_the_vector_of_its_request(server: Any) -> None:
    change = {"collection": "notes", "key": "a", "operation": "insert", "document": {}}
    body = {"client_id": "hand", "version_vector": {"hand": 5}, "changes": [change]}
    assert server.post("/_api/sync/push/db", body).json()["server_version"]["hand"] == 6
    body["version_vector"]["hand"] = 2**53 - 1
    body["changes"] = [{**change, "key": "b"}]
    assert server.post("/_api/sync/push/db", body).status_code == 400


def test_a_field_written_twice_by_one_delta_is_rejected(server: Any) -> None:
    phone = server.device("phone")
    phone.push(phone.insert("a", {"b": {"c": 1}}))
    for delta, unset in (({"b": 1, "/b/c": 2}, []), ({"b": 1, "/b": 2}, []), ({"b": 1}, ["b"]), ({}, ["b", "/b/c"])):
        answer = phone.push(phone.update("a", delta, unset=unset, base={"phone": phone.counter}))
        assert answer["results"][0]["status"] == "rejected", delta


def test_a_plain_insert_and_a_judged_one_write_the_same_record(server: Any) -> None:
    phone, hand = server.device("phone"), server.device("hand")
    phone.push(phone.insert("a", {"n": 1}))
    hand.push({**hand.insert("b", {"n": 1}), "id": ""})
    rows = server.rows(
        "SELECT json(body), replace(vector, 'hand', 'phone'), replace(dots, '\"hand\",1,2', '\"phone\",1,1') FROM c_1"
    )
    assert rows[0] == rows[1]


def test_what_an_answer_says_nothing_with_is_left_out_of_it_but_its_first_fields_are_always_there(server: Any) -> None:
    """A round with nothing to do carries no empty lists of things that hardly ever happen."""
    phone = server.device("phone")
    answer = phone.send(run=phone.sync()["run"]).json()
    counted = "cursor has_more target_seq epoch run server_time protocol pushes"
    assert set(answer) == {"server_version", "server_changes", "conflicts", "results", *counted.split()}


def test_settled_says_what_the_vector_says_under_the_name_of_the_actor(server: Any) -> None:
    """It is shorter; a server that has taken less than was answered for has lost history."""
    phone = server.device("phone")
    phone.push(phone.insert("a", {"v": 1}))
    assert phone.send(settled=1).status_code == 200
    refused = phone.send(settled=2)
    assert refused.status_code == 410
    assert "settled: 2 of 'phone' was answered for, but only 1 is here" in refused.json()["error"]
    assert phone.send(acknowledged=2).json()["error"] == refused.json()["error"]
