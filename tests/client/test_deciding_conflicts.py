"""Open conflicts decided by hand, by callback, by function, elsewhere; and decisions taken back."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from conflict_devices import FWW, LWW, MANUAL, MERGE, START, clash, document, pair, settled, shown
from device_types import DeviceMaker
from server_process import ServerProcess
from solidb_sync import (
    Conflict,
    ConflictResolution,
    ConflictStatus,
    ConflictStrategy,
    ConnectionError,
    HttpClient,
    LocalStore,
    SyncConfig,
    SyncError,
    SyncManager,
)
from solidb_sync.client.transport.transport import TransportAnswer

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("resolution", "outcome"),
    [
        (ConflictResolution.ACCEPT_LOCAL, document("laptop", "phone", "laptop")),
        (ConflictResolution.ACCEPT_REMOTE, document("phone", "phone", "start")),
        (ConflictResolution.merge(document("both", "phone", "start")), document("both", "phone", "start")),
        ({"title": "mine"}, {"title": "mine"}),
        (None, None),
    ],
)
async def test_resolving_settles_the_conflict_for_everybody(
    device: DeviceMaker, resolution: Any, outcome: dict[str, Any] | None
) -> None:
    """G7 and invariant 25: a version that has seen both, on every device, and the conflict is open nowhere."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.resolve_conflict("notes", "a", resolution)
    assert await shown(laptop) == outcome
    assert await laptop.get_conflicts() == []
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == outcome
    assert (await laptop._server.open_conflicts("laptop", after="")).conflicts == []
    (conflict,) = await laptop.conflict_log()
    assert conflict.status is ConflictStatus.RESOLVED
    await phone.save_document("notes", "a", {"after": 1})
    await settled(phone, laptop)
    assert len(await laptop.conflict_log()) == 1


async def test_a_deletion_that_lost_can_be_accepted_and_one_that_won_confirmed(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await phone.save_document("notes", "a", {"title": "phone"})
    await laptop.delete_document("notes", "a")
    await settled(phone, laptop)
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    await settled(laptop, phone)
    assert await shown(phone) is None
    await phone.save_document("notes", "a", START)
    await settled(phone, laptop)
    await phone.delete_document("notes", "a")
    await laptop.save_document("notes", "a", {"title": "laptop"})
    await settled(phone, laptop)
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_REMOTE)
    await settled(laptop, phone)
    assert await shown(phone) is await shown(laptop) is None
    assert await laptop.get_conflicts() == []
    assert (await laptop._server.open_conflicts("laptop", after="")).conflicts == []


async def test_a_pending_conflict_outlives_a_restart_and_holds_up_nothing(device: DeviceMaker, tmp_path: Path) -> None:
    """G9: it is listed, its document can be edited, and others go on syncing."""
    phone = device("phone", conflict_strategy=MANUAL)
    laptop = device("laptop", conflict_strategy=MANUAL, engine="sqlite", path=tmp_path / "laptop.db")
    await phone.save_document("notes", "a", START)
    await settled(phone, laptop)
    await clash(phone, laptop)
    await laptop.stop()
    laptop._store.close()
    laptop = device("laptop", conflict_strategy=MANUAL, engine="sqlite", path=tmp_path / "laptop.db")
    (conflict,) = await laptop.get_conflicts("notes")
    assert conflict.local_version["tag"] == "laptop"
    assert await laptop.get_conflicts("others") == []
    await laptop.save_document("notes", "a", {"tag": "later"})
    await laptop.save_document("notes", "b", {"n": 1})
    await settled(laptop, phone)
    assert await shown(phone) == document("phone", "phone", "later")
    assert await shown(phone, "b") == {"n": 1}
    assert [known.id for known in await laptop.get_conflicts()] == [conflict.id]


async def test_a_second_conflict_takes_the_place_of_the_first_and_loses_nothing_of_it(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await phone.save_document("notes", "a", {"body": "phone 2"})
    await laptop.save_document("notes", "a", {"body": "laptop 2"})
    await settled(phone, laptop)
    (conflict,) = await laptop.get_conflicts()
    assert conflict.local_version.document == document("laptop", "laptop 2", "laptop")
    assert conflict.base_version is not None
    assert conflict.base_version.document == START
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    await settled(laptop, phone)
    assert await shown(phone) == document("laptop", "laptop 2", "laptop")
    assert [known.status for known in await laptop.conflict_log()] == [ConflictStatus.REPLACED, ConflictStatus.RESOLVED]
    assert (await laptop._server.open_conflicts("laptop", after="")).conflicts == []


async def test_resolving_what_is_not_open_says_so(device: DeviceMaker) -> None:
    phone, _ = await pair(device, MANUAL)
    with pytest.raises(SyncError, match="notes/a has no open conflict"):
        await phone.resolve_conflict("notes", "a", None)


@pytest.mark.parametrize(
    ("strategy", "undone"),
    [
        (LWW, document("phone", "phone", "laptop")),
        (FWW, document("laptop", "phone", "laptop")),
        (MERGE, document("phone", "phone", "laptop")),
    ],
)
async def test_undoing_brings_the_overruled_values_back(
    device: DeviceMaker, strategy: ConflictStrategy, undone: dict[str, Any]
) -> None:
    """G3 E7: the overruled edit is in the log, and can be had back."""
    phone, laptop = await pair(device, strategy)
    await clash(phone, laptop)
    (conflict,) = await laptop.conflict_log()
    await laptop.undo_resolution(conflict.id)
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == undone
    (conflict,) = await laptop.conflict_log()
    assert conflict.status is ConflictStatus.UNDONE
    with pytest.raises(SyncError, match="undone"):
        await laptop.undo_resolution(conflict.id)
    with pytest.raises(SyncError, match="no conflict 'unknown'"):
        await laptop.undo_resolution("unknown")


async def test_undoing_a_lost_deletion_deletes_and_undoing_a_won_one_restores(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, FWW)
    await phone.save_document("notes", "a", {"title": "phone"})
    await laptop.delete_document("notes", "a")
    await settled(phone, laptop)
    assert await shown(laptop) == document("phone", "start", "start")
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    await settled(laptop, phone)
    assert await shown(phone) is None
    await phone.save_document("notes", "b", START)
    await settled(phone, laptop)
    for each in (phone, laptop):
        await each.set_conflict_strategy("notes", LWW)
    await phone.save_document("notes", "b", {"title": "phone"})
    await laptop.delete_document("notes", "b")
    await settled(phone, laptop)
    assert await shown(laptop, "b") is None
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    await settled(laptop, phone)
    assert await shown(phone, "b") == document("phone", "start", "start")


async def test_a_conflict_that_is_open_can_not_be_undone(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    with pytest.raises(SyncError, match="pending"):
        await laptop.undo_resolution((await laptop.get_conflicts())[0].id)


async def test_a_conflict_decided_elsewhere_is_closed_here(device: DeviceMaker, database: str) -> None:
    """Invariant 25: by the server's endpoint, on behalf of somebody else."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    (conflict,) = await laptop.get_conflicts()
    body = f'{{"conflict": "{conflict.id}", "resolution": "accept_local"}}'.encode()
    answer = await laptop._transport.exchange("POST", f"/_api/sync/resolve/{database}", body=body)
    assert answer.status == 200, answer.body
    await settled(laptop, phone)
    assert await laptop.get_conflicts() == []
    assert await shown(phone) == await shown(laptop) == document("laptop", "phone", "laptop")


async def test_open_conflicts_are_fetched_again_by_a_store_that_begins_anew(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    (conflict,) = await laptop.get_conflicts()
    fresh = LocalStore.open(":memory:", "laptop", engine="memory")
    reborn = SyncManager(fresh, laptop._transport, SyncConfig(auto_sync=False, conflict_strategy=MANUAL))
    try:
        assert (await reborn.full_resync()).success
        (found,) = await reborn.get_conflicts()
        assert (found.id, found.fields) == (conflict.id, conflict.fields)
        assert found.remote_version.document == conflict.remote_version.document
        await reborn.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
        await settled(reborn, phone)
        assert await shown(phone) == document("laptop", "phone", "laptop")
    finally:
        fresh.close()


async def test_a_custom_function_decides_and_its_result_is_everywhere(device: DeviceMaker) -> None:
    """G5 and invariant 24: it gets the three documents; what it returns is the document, and decided once."""
    seen: list[Any] = []

    def joined(local: Any, remote: Any, base: Any) -> dict[str, Any]:
        seen.append((dict(local), dict(remote), dict(base)))
        local["body"] = remote["body"]
        return {**local, "title": f"{local['title']} & {remote['title']}"}

    phone, laptop = await pair(device, ConflictStrategy.custom(joined))
    await clash(phone, laptop)
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == document("laptop & phone", "phone", "laptop")
    assert seen == [(document("laptop", "start", "laptop"), document("phone", "phone", "start"), START)]
    await laptop.conflicts_handled()
    assert len(seen) == 1
    assert await laptop.get_conflicts() == []


async def test_a_custom_function_sees_a_deletion_as_none(device: DeviceMaker) -> None:
    """G5: and the side that is there may be kept."""
    phone, laptop = await pair(device, ConflictStrategy.custom(lambda local, remote, base: local or remote))
    await phone.save_document("notes", "a", {"title": "phone"})
    await laptop.delete_document("notes", "a")
    await settled(phone, laptop)
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == {**START, "title": "phone"}
    assert await laptop.get_conflicts() == []


async def test_what_was_written_while_a_function_made_up_its_mind_stays(device: DeviceMaker) -> None:
    asked, may_answer = asyncio.Event(), asyncio.Event()

    async def slow(local: Any, remote: Any, base: Any) -> dict[str, Any]:
        asked.set()
        await may_answer.wait()
        return {**remote, "title": "both"}

    phone, laptop = await pair(device, ConflictStrategy.custom(slow))
    await clash(phone, laptop)
    await asked.wait()
    await laptop.save_document("notes", "a", {"tag": "meanwhile"})
    may_answer.set()
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == document("both", "phone", "meanwhile")


class Broken:
    """Functions that fail in every way there is."""

    def __init__(self) -> None:
        self.never = threading.Event()

    def raises(self, *sides: Any) -> Any:
        raise ZeroDivisionError("on purpose")

    def hangs(self, *sides: Any) -> Any:
        self.never.wait()

    async def hangs_too(self, *sides: Any) -> Any:
        await asyncio.Event().wait()

    def returns_junk(self, *sides: Any) -> Any:
        return 42

    def returns_what_is_not_json(self, *sides: Any) -> Any:
        return {"a": object()}

    def returns_nothing(self, *sides: Any) -> Any:
        return None


@pytest.mark.parametrize("how", ["custom", "on_conflict"])
@pytest.mark.parametrize("name", [name for name in vars(Broken) if name[0] != "_"])
async def test_a_judge_that_fails_leaves_the_conflict_open_and_the_rest_syncing(
    device: DeviceMaker, name: str, how: str
) -> None:
    """G5 G8: neither side is lost, and the rest goes on."""
    broken = Broken()
    judge = getattr(broken, name)
    phone, laptop = await pair(device, ConflictStrategy.custom(judge) if how == "custom" else MANUAL)
    if how == "on_conflict":
        laptop.on_conflict(judge)
    await clash(phone, laptop)
    await laptop.save_document("notes", "b", {"n": 1})
    await settled(laptop, phone)
    assert await shown(phone, "b") == {"n": 1}
    laptop._conflicts.calls.seconds_max = 0.05
    broken_call = laptop._conflicts._task
    if name.startswith("hangs") and broken_call is not None:
        broken_call.cancel()  # the call that began under the ordinary limit; the next one has the short one
        await asyncio.wait([broken_call])
        laptop._conflicts.offer_again()
    await laptop.conflicts_handled()
    (conflict,) = await laptop.get_conflicts()
    assert conflict.local_version.document == document("laptop", "start", "laptop")
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    await settled(laptop, phone)
    assert await shown(phone) == document("laptop", "phone", "laptop")
    broken.never.set()


@pytest.mark.parametrize(
    ("resolution", "outcome"),
    [
        (ConflictResolution.ACCEPT_LOCAL, document("laptop", "phone", "laptop")),
        (ConflictResolution.ACCEPT_REMOTE, document("phone", "phone", "start")),
        (ConflictResolution.merge({"title": "both"}), {"title": "both"}),
        (ConflictResolution.DELETE, None),
    ],
)
@pytest.mark.parametrize("is_coroutine", [False, True])
async def test_a_callback_decides_once_for_each_conflict(
    device: DeviceMaker, resolution: ConflictResolution, outcome: dict[str, Any] | None, is_coroutine: bool
) -> None:
    """G8: a plain function or a coroutine function."""
    phone, laptop = await pair(device, MANUAL)
    asked: list[Conflict] = []

    def decide(conflict: Conflict) -> ConflictResolution:
        asked.append(conflict)
        return resolution

    async def decide_later(conflict: Conflict) -> ConflictResolution:
        return decide(conflict)

    laptop.on_conflict(decide_later if is_coroutine else decide)
    await clash(phone, laptop)
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == await shown(laptop) == outcome
    assert [conflict.document_key for conflict in asked] == ["a"]
    assert await laptop.get_conflicts() == []


async def test_a_callback_may_overrule_what_a_strategy_has_decided(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, LWW)
    stop = laptop.on_conflict(lambda conflict: ConflictResolution.ACCEPT_REMOTE)
    await clash(phone, laptop)
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == document("phone", "phone", "laptop")
    stop()
    await clash(phone, laptop)
    await laptop.conflicts_handled()
    await settled(laptop, phone)
    assert await shown(phone) == document("laptop", "phone", "laptop")


async def test_a_function_set_later_decides_what_is_open(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.set_conflict_strategy("notes", ConflictStrategy.custom(lambda local, remote, base: remote))
    await laptop.conflicts_handled()
    assert await laptop.get_conflicts() == []
    await settled(laptop, phone)
    assert await shown(phone) == document("phone", "phone", "start")


HAND_MADE = document("agreed", "agreed", "agreed")


@pytest.mark.parametrize("how", ["resolve_conflict", "merge", "on_conflict", "custom"])
async def test_undoing_a_merge_brings_back_all_it_changed_and_keeps_what_was_written_since(
    device: DeviceMaker, how: str
) -> None:
    """E7: before, the phone's title and body; the laptop's tag was overruled, and what both wrote since stays."""
    phone, laptop = await pair(device, ConflictStrategy.custom(lambda *sides: HAND_MADE) if how == "custom" else MANUAL)
    if how == "on_conflict":
        laptop.on_conflict(lambda conflict: ConflictResolution.merge(HAND_MADE))
    await clash(phone, laptop)
    await laptop.conflicts_handled()
    if how == "resolve_conflict":
        await laptop.resolve_conflict("notes", "a", HAND_MADE)
    if how == "merge":
        await laptop.resolve_conflict("notes", "a", ConflictResolution.merge(HAND_MADE))
    await settled(laptop, phone)
    assert await shown(phone) == HAND_MADE
    await phone.save_document("notes", "a", {"later": "phone"})
    await settled(phone, laptop)
    await laptop.save_document("notes", "a", {"here": "laptop"})
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    await settled(laptop, phone)
    before = document("phone", "phone", "start")
    assert await shown(phone) == await shown(laptop) == {**before, "later": "phone", "here": "laptop"}


async def test_undoing_an_accepted_side_brings_back_all_it_changed(device: DeviceMaker) -> None:
    """Also the fields that only this device had written, which came with its side."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    assert await shown(laptop) == document("phone", "phone", "start")


async def test_undoing_an_acceptance_that_changed_nothing_brings_the_other_side(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_REMOTE)
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    assert await shown(laptop) == document("laptop", "phone", "laptop")


async def test_undoing_a_decision_to_delete_brings_the_document_back(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await laptop.resolve_conflict("notes", "a", None)
    await settled(laptop, phone)
    assert await shown(phone) is None
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    await settled(laptop, phone)
    assert await shown(phone) == document("phone", "phone", "start")


class Meanwhile:
    """The way to a real server, on which something is done while the answer to the next request comes back."""

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self.act: Callable[[], Awaitable[None]] | None = None

    @property
    def database(self) -> str | None:
        return self._client.database

    async def exchange(self, method: str, path: str, **parts: Any) -> TransportAnswer:
        answer = await self._client.exchange(method, path, **parts)
        act, self.act = self.act, None
        if act is not None:
            await act()
        return answer

    def listen(self, path: str, query: Mapping[str, str]) -> AsyncIterator[str]:
        return self._client.listen(path, query)

    async def close(self) -> None:
        await self._client.close()


async def test_a_conflict_whose_base_was_pulled_over_has_none_rather_than_a_later_one(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """An edit made while the other's version was on its way: it had not seen it, though the device has it beneath."""
    way = Meanwhile(server.client(database))
    phone = device("phone")
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        laptop = SyncManager(store, way, SyncConfig(auto_sync=False, conflict_strategy=MANUAL))  # type: ignore[arg-type]
        await phone.save_document("notes", "a", START)
        await settled(phone, laptop)
        await phone.save_document("notes", "a", {"title": "phone"})
        await phone.sync_now()
        way.act = lambda: laptop.save_document("notes", "a", {"title": "laptop"})
        await settled(laptop)
        (conflict,) = await laptop.get_conflicts()
        assert (conflict.local_version["title"], conflict.remote_version["title"]) == ("laptop", "phone")
        assert conflict.base_version is None
        await laptop.stop()


async def test_a_conflict_of_the_second_of_two_edits_has_the_base_of_both(device: DeviceMaker) -> None:
    phone, laptop = await pair(device, MANUAL)
    await phone.save_document("notes", "a", {"title": "phone"})
    await phone.sync_now()
    await laptop.save_document("notes", "a", {"tag": "laptop"})
    await laptop.save_document("notes", "a", {"title": "laptop"})
    assert (await laptop.sync_now()).success
    (conflict,) = await laptop.get_conflicts()
    assert conflict.base_version is not None
    assert conflict.base_version.document == START


class Cut(Meanwhile):
    """The way to a real server, which is cut after some requests."""

    left: float = float("inf")

    async def exchange(self, method: str, path: str, **parts: Any) -> TransportAnswer:
        if self.left <= 0:
            raise ConnectionError("cut")
        self.left -= 1
        return await super().exchange(method, path, **parts)


@asynccontextmanager
async def half_synced(device: DeviceMaker, way: Cut, strategy: ConflictStrategy) -> AsyncIterator[SyncManager]:
    """A laptop that was told of a conflict, with one more edit to send, and has not fetched the phone's version."""
    phone = device("phone")
    with LocalStore.open(":memory:", "laptop", engine="memory") as store:
        config = SyncConfig(auto_sync=False, conflict_strategy=strategy, batch_size=1)
        laptop = SyncManager(store, way, config)  # type: ignore[arg-type]
        await phone.save_document("notes", "a", START)
        await settled(phone, laptop)
        await phone.save_document("notes", "a", {"title": "phone"})
        await phone.sync_now()
        await laptop.save_document("notes", "a", {"title": "laptop"})
        await laptop.save_document("notes", "b", {"more": 1})
        yield laptop
        await laptop.stop()


async def test_a_conflict_is_decided_only_when_the_other_side_is_here(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """Over this device's own version, which it shows until then, the decision would be about nothing."""
    way = Cut(server.client(database))
    async with half_synced(device, way, MANUAL) as laptop:
        way.left = 1
        assert not (await laptop.sync_now()).success
        assert len(await laptop.get_conflicts()) == 1
        with pytest.raises(SyncError, match="notes/a: the other side of the conflict has not been fetched yet"):
            await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
        way.left = float("inf")
        await settled(laptop)
        assert (await shown(laptop) or {})["title"] == "phone"
        await laptop.resolve_conflict("notes", "a", ConflictResolution.ACCEPT_LOCAL)
        await settled(laptop)
        assert (await shown(laptop) or {})["title"] == "laptop"
        assert await laptop.get_conflicts() == []


async def test_a_function_is_asked_when_the_other_side_is_here_and_once(
    device: DeviceMaker, server: ServerProcess, database: str
) -> None:
    """Asked before, its decisions met the same conflict again and again, for as long as there was more to send
    (deciding world, seed 102).
    """
    asked: list[object] = []

    async def join(local: Any, remote: Any, _: Any) -> Any:
        asked.append((local["title"], remote["title"]))
        return {**remote, "title": "both"}

    async with half_synced(device, Cut(server.client(database)), ConflictStrategy.custom(join)) as laptop:
        await settled(laptop)
        await laptop.conflicts_handled()
        await settled(laptop)
        assert asked == [("laptop", "phone")]
        assert (await shown(laptop) or {})["title"] == "both"
        assert await laptop.get_conflicts() == []


async def test_a_decision_that_made_an_empty_document_is_taken_back(device: DeviceMaker) -> None:
    """It has changed something, though no field (deciding world, seed 120)."""
    phone, laptop = await pair(device, MANUAL)
    await clash(phone, laptop)
    await phone.delete_document("notes", "a")
    await settled(phone, laptop)
    await laptop.resolve_conflict("notes", "a", {})
    await laptop.undo_resolution((await laptop.conflict_log())[-1].id)
    assert await shown(laptop) is None
