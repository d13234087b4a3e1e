"""The story the demo tells, scene by scene. Every sentence with a number or a document in it shows what was found.

Each scene is a function over the cast. A scene that finds something else than it promises raises `SoliDBError`; nothing
waits by sleeping, every step is an answered request.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from solidb_sync.cli.demo.processes import Child, Device
from solidb_sync.cli.output import json_text
from solidb_sync.errors import SoliDBError

NOTES, ACCOUNTS = "notes", "accounts"
COLLECTIONS = (NOTES, ACCOUNTS)


@dataclass(slots=True)
class Cast:
    """Who plays, how it is told, and what was found for the summary."""

    phone: Device
    laptop: Device
    tell: Callable[[str], None]
    found: dict[str, Any] = field(default_factory=dict)

    def scene(self, title: str) -> None:
        """Begin a scene."""
        self.tell(f"\n{title}")

    def detail(self, text: str) -> None:
        """Tell one thing of a scene."""
        self.tell(f"  {text}")


async def meet(cast: Cast) -> None:
    """Both devices get one document."""
    cast.scene("1. The phone writes a note, the laptop fetches it")
    await cast.phone.save(NOTES, "shopping", title="Shopping", milk=1, bread=1)
    await _sync(cast, cast.phone)
    await _sync(cast, cast.laptop)
    cast.detail(f"laptop: shopping = {await _note(cast.laptop, 'shopping')}")


async def edit_apart(cast: Cast) -> None:
    """Both edit while one of them is offline."""
    cast.scene("2. The laptop goes offline, and both edit the same note")
    await cast.laptop.call("set_online", online=False)
    await cast.phone.save(NOTES, "shopping", milk=2, eggs=6)
    cast.detail("phone:  milk 2, eggs 6")
    await _sync(cast, cast.phone)
    await cast.laptop.save(NOTES, "shopping", milk=3, bread=2)
    await cast.laptop.save(NOTES, "ideas", title="Ideas", first="learn to sail")
    cast.detail("laptop: milk 3, bread 2, and a new note")
    refused = await cast.laptop.call("sync")
    _expect(not refused["success"], "a sync while offline is not a success")
    waiting = await cast.laptop.call("pending")
    cast.found["pending_while_offline"] = len(waiting)
    for change in waiting:
        cast.detail(f"laptop: waits to be sent: {change['operation']} {change['key']} {json_text(change['data'])}")
    _expect(len(waiting) == 2, "two changes wait on the laptop")


async def reconnect(cast: Cast) -> None:
    """The offline device comes back, and the conflict is decided."""
    cast.scene("3. The laptop is back: different fields merge, the one both wrote is a conflict")
    await cast.laptop.call("set_online", online=True)
    await _sync(cast, cast.laptop)
    await _sync(cast, cast.phone)
    conflicts = await cast.laptop.call("conflicts")
    _expect(len(conflicts) == 1, "there is one conflict")
    cast.found["conflicts"] = conflicts
    conflict = conflicts[0]
    fields = ", ".join(conflict["fields"])
    winner = "laptop" if conflict["winner"] == "local" else "phone"
    cast.detail(f"conflict in {conflict['key']}, field {fields}: the {winner}'s value won, it reached the server later")
    cast.detail(f"overruled, kept in the log: {json_text(conflict['remote'])}")
    after = await _note(cast.phone, "shopping")
    cast.detail(f"phone:  shopping = {after}")
    seen = (await cast.phone.documents(NOTES))["shopping"]
    _expect((seen["milk"], seen["bread"], seen["eggs"]) == (3, 2, 6), "the phone sees both devices' fields")


async def delete(cast: Cast) -> None:
    """A deletion travels."""
    cast.scene("4. The phone deletes the new note")
    await cast.phone.call("delete", collection=NOTES, key="ideas")
    await _sync(cast, cast.phone)
    await _sync(cast, cast.laptop)
    keys = sorted(await cast.laptop.documents(NOTES))
    cast.detail(f"laptop: notes = {', '.join(keys)}")
    _expect("ideas" not in keys, "the note is gone from the laptop")


async def transact(cast: Cast) -> None:
    """Two documents change together."""
    cast.scene("5. The laptop moves 30 from one account to another, in one transaction")
    await cast.laptop.call("save_together", collection=ACCOUNTS, documents={"a": {"balance": 100}, "b": {"balance": 0}})
    await cast.laptop.call("save_together", collection=ACCOUNTS, documents={"a": {"balance": 70}, "b": {"balance": 30}})
    await _sync(cast, cast.laptop)
    await _sync(cast, cast.phone)
    balances = {key: document["balance"] for key, document in (await cast.phone.documents(ACCOUNTS)).items()}
    cast.detail(f"phone:  balances = {json_text(balances)}")
    _expect(balances == {"a": 70, "b": 30}, "both accounts changed")


async def save_and_crash(cast: Cast, process: Child) -> None:
    """A device dies with saves it has not sent."""
    cast.scene("6. The phone saves three notes and is killed before it sends them (kill -9)")
    for number in range(1, 4):
        await cast.phone.save(NOTES, f"diary-{number}", text=f"day {number}")
    await process.kill()
    cast.detail(f"phone:  process {process.pid} killed")


async def come_back(cast: Cast) -> None:
    """The same store in a new process: nothing that was saved is missing."""
    waiting = await cast.phone.call("pending")
    cast.found["pending_after_kill"] = len(waiting)
    cast.detail(f"phone:  started again, waiting to be sent: {', '.join(change['key'] for change in waiting)}")
    _expect(len(waiting) == 3, "three changes survived the kill")
    await _sync(cast, cast.phone)
    await _sync(cast, cast.laptop)


async def _sync(cast: Cast, device: Device) -> None:
    result = await device.call("sync")
    if not result["success"]:
        raise SoliDBError(f"{device.name}: the sync failed: {'; '.join(problem['error'] for problem in result['errors'])}")
    cast.detail(f"{device.name + ':':<7} synced, {result['pushed']} pushed, {result['pulled']} pulled")


async def _note(device: Device, key: str) -> str:
    document = (await device.documents(NOTES))[key]
    return json_text({name: value for name, value in document.items() if not name.startswith("_")})


def _expect(is_so: bool, promise: str) -> None:
    if not is_so:
        raise SoliDBError(f"the demo found otherwise: {promise}")
