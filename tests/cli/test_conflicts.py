"""`conflicts list`, `show`, `resolve` and `undo`."""

import asyncio

import pytest

from solidb_sync import ConflictStrategy, LocalStore, SyncConfig, SyncManager
from solidb_sync.cli.device import NoServer


def ask_to_decide(path, device_id):
    """Have a store's conflicts in `notes` left open."""

    async def change() -> None:
        with LocalStore.open(path, device_id) as store:
            manager = SyncManager(store, NoServer(), SyncConfig(auto_sync=False))
            await manager.set_conflict_strategy("notes", ConflictStrategy.MANUAL)
            await manager.stop()

    asyncio.run(change())


@pytest.fixture
def clashed(device):
    """A laptop whose edit met one of the phone; `decides` says whether it is left open."""

    def make(*, is_open):
        phone, laptop = device("phone"), device("laptop")
        phone.here("put", "notes", "a", '{"n": 0, "own": 0}')
        for one in (phone, laptop):
            one.here("sync")
        if is_open:
            ask_to_decide(laptop.directory / laptop.settings["SOLIDB_STORE"], laptop.settings["SOLIDB_DEVICE_ID"])
        phone.here("put", "notes", "a", '{"n": 1}')
        laptop.here("put", "notes", "a", '{"n": 2, "own": 2}')
        for one in (phone, laptop):
            assert one.here("sync").code == 0
        return phone, laptop

    return make


def synced(phone, laptop):
    for one in (laptop, phone):
        assert one.here("sync").code == 0
    return phone.here("get", "notes", "a", "--json").json


def test_an_open_conflict_is_listed_shown_and_resolved(clashed):
    phone, laptop = clashed(is_open=True)
    (listed,) = laptop("conflicts", "list", "--json").json["conflicts"]
    assert (listed["key"], listed["fields"], listed["status"], listed["winner"]) == ("a", ["n"], "pending", "")
    assert (listed["local"], listed["remote"]) == ({"n": 2, "own": 2}, {"n": 1, "own": 0})
    shown = laptop.here("conflicts", "show", listed["id"])
    assert "notes/a (n): pending, open" in shown.out
    assert 'base    {"n": 0, "own": 0}' in shown.out.replace('{"n":0,"own":0}', '{"n": 0, "own": 0}')
    assert laptop.here("conflicts", "resolve", "notes", "a", "--local").out.startswith("resolved notes/a")
    assert laptop.here("conflicts", "list").out == "no conflict is open\n"
    assert synced(phone, laptop)["n"] == 2


@pytest.mark.parametrize(
    ("how", "kept"),
    [(["--remote"], {"n": 1, "own": 0}), (['{"n": 3}'], {"n": 3}), (["--delete"], None)],
)
def test_a_conflict_is_resolved_by_a_side_a_document_or_a_deletion(clashed, how, kept):
    phone, laptop = clashed(is_open=True)
    assert laptop.here("conflicts", "resolve", "notes", "a", *how, "--json").json["resolved"] is True
    for one in (laptop, phone):
        assert one.here("sync").code == 0
    found = phone.here("get", "notes", "a", "--json")
    if kept is None:
        assert found.code == 1
    else:
        assert {name: value for name, value in found.json.items() if name[0] != "_"} == kept


def test_a_decision_is_taken_back(clashed):
    phone, laptop = clashed(is_open=False)
    assert synced(phone, laptop)["n"] == 2
    (logged,) = laptop.here("conflicts", "list", "notes", "--all", "--json").json["conflicts"]
    assert laptop.here("conflicts", "undo", logged["id"]).out.startswith(f"undone {logged['id']}")
    assert synced(phone, laptop)["n"] == 1
    again = laptop.here("conflicts", "undo", logged["id"], "--json")
    assert (again.code, again.error["type"]) == (1, "SyncError")


def test_what_can_not_be_done_says_so(clashed):
    _, laptop = clashed(is_open=False)
    assert laptop.here("conflicts", "show", "unknown", "--json").error["type"] == "NotFound"
    assert laptop.here("conflicts", "resolve", "notes", "a", "--local").code == 1
    assert laptop.here("conflicts", "resolve", "notes", "a").code == 2
    assert laptop.here("conflicts", "resolve", "notes", "a", "{}", "--local").code == 2
