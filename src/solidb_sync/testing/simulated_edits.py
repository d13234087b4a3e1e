"""What apps do in a simulated world: save, delete, create again, and several of these in one transaction."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import Any

from solidb_sync.errors import DocumentEvictedError
from solidb_sync.testing.invariants import LARGE
from solidb_sync.testing.model_fields import plain
from solidb_sync.testing.model_filters import FILTER_FIELD, FILTER_VALUES
from solidb_sync.testing.model_oracle import Place
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice

KEYS = ("a", "b", "c")
FIELDS = ("p", "q", "r")
INNER_FIELDS = ("x", "y")

Step = Callable[[SimulatedDevice], Awaitable[object]]
Choices = dict[str, tuple[float, Step]]
"""What can happen, each with its weight (0: never in this weather)."""


class Edits:
    """The edits of one world: every value in them is new."""

    def __init__(self, rng: random.Random, *, has_rejections: bool, has_filters: bool) -> None:
        self._rng = rng
        self._has_filters = has_filters
        self._has_rejections = has_rejections
        self._values = 0

    def choices(self) -> Choices:
        """Return the steps that edit documents."""
        return {
            "save": (42, self.save),
            "delete": (6, self.delete),
            "recreate": (2, self._recreate),
            "transaction": (4, self.transaction),
            "save something large": (6 if self._has_rejections else 0, self._save_large),
        }

    def place(self) -> Place:
        """Return a random document's place."""
        return self._rng.choice(COLLECTIONS), self._rng.choice(KEYS)

    def _value(self) -> Any:
        self._values += 1
        unique = f"v{self._values}"
        match self._rng.randrange(8):
            case 0:
                return {name: f"{unique}{name}" for name in INNER_FIELDS if self._rng.random() < 0.7}
            case 1:
                return [unique, self._values, None]
            case 2:
                return None
            case _:
                return unique

    def document(self, before: dict[str, Any] | None) -> dict[str, Any]:
        """Return fields to save: some new ones, sometimes one inside a nested field."""
        fields = {name: self._value() for name in FIELDS if self._rng.random() < 0.4}
        if self._has_filters and self._rng.random() < 0.6:
            fields[FILTER_FIELD] = self._rng.choice(FILTER_VALUES)
        nested = [name for name, value in (before or {}).items() if isinstance(value, dict)]
        if nested and self._rng.random() < 0.7:
            name = self._rng.choice(nested)
            fields[name] = {**(before or {})[name], self._rng.choice(INNER_FIELDS): self._value()}
        return fields

    async def save(self, device: SimulatedDevice) -> object:
        """Save a random document."""
        place = self.place()
        return await self.local(device, lambda: self.save_at(device, place))

    async def save_at(self, device: SimulatedDevice, place: Place) -> object:
        """Save, and read it back: 7 read your writes."""
        before = await self.shown(device, place)
        merge = self._rng.random() < 0.75
        fields = self.document(before)
        if not merge and before and self._rng.random() < 0.5:
            fields = {name: value for name, value in before.items() if self._rng.random() < 0.6} | fields
        await device.manager.save_document(*place, fields, merge=merge)
        wanted = {**(before or {}), **fields} if merge else fields
        shown = await self.shown(device, place)
        assert shown == wanted, f"7 read your writes: saved {wanted}, read {shown}"
        return place, sorted(fields), merge

    async def _save_large(self, device: SimulatedDevice) -> object:
        """Save what the server may refuse; the device can't know."""
        place = self.place()
        text = LARGE * self._rng.randint(30, 65) + str(self._values)
        await self.local(device, lambda: device.manager.save_document(*place, {self._rng.choice(FIELDS): text}))
        return place, len(text)

    async def shown(self, device: SimulatedDevice, place: Place) -> dict[str, Any] | None:
        """Return what the app reads of a document, without the fields the system adds, and without replicated ones."""
        if place in device.evicted():
            return None
        document = await device.manager.get_document(*place)
        return plain(None if document is None else {name: at for name, at in document.items() if not name.startswith("_")})

    async def delete(self, device: SimulatedDevice) -> object:
        """Delete a random document."""
        place = self.place()
        return await self.local(device, lambda: self._delete_at(device, place))

    async def _delete_at(self, device: SimulatedDevice, place: Place) -> object:
        if place in device.evicted():
            return place, await self._is_refused(device, place)
        await device.manager.delete_document(*place)
        assert await self.shown(device, place) is None, f"7 read your writes: {place} was deleted and is still there"
        return place

    async def _is_refused(self, device: SimulatedDevice, place: Place) -> str:
        """An evicted document can't be deleted by who doesn't see it."""
        try:
            await device.manager.delete_document(*place)
        except DocumentEvictedError:
            return "evicted"
        raise AssertionError(f"{place} was evicted, and deleted without having been read")

    async def _recreate(self, device: SimulatedDevice) -> object:
        place = self.place()
        await self.local(device, lambda: self._delete_at(device, place))
        return await self.local(device, lambda: self.save_at(device, place))

    async def transaction(self, device: SimulatedDevice) -> object:
        """Change two or three documents, all or none."""
        return await self.local(device, lambda: self._transact(device))

    async def _transact(self, device: SimulatedDevice) -> object:
        places = [self.place() for _ in range(self._rng.randint(2, 3))]
        async with device.manager.transaction() as transaction:
            for place in places:
                if self._rng.random() < 0.2 and place not in device.evicted():
                    await transaction.delete_document(*place)
                else:
                    await transaction.save_document(*place, self.document(None))
        return places

    async def local(self, device: SimulatedDevice, work: Callable[[], Awaitable[object]]) -> object:
        """Do something that must not touch the network, and look at the store before and after."""
        device.observe()
        device.life.is_in_local_call = True
        device.truth.released = "let go"  # an edit of a document takes over what the server refused of it
        try:
            return await work()
        finally:
            device.life.is_in_local_call = False
            if not device.life.is_over and not device.files.is_dark():
                device.observe()
                device.truth.released = ""
