"""The replicated fields of a manager: counters, registers, sets and maps whose concurrent edits always merge.

A field is named as in a delta: `login_count`, or `/stats/logins` inside an object. The first use makes document and field.
The document shows plain values; everything here is durable when it returns, and none of it touches the network. A field that
is of another type raises `CrdtTypeError`, and nothing is recorded then. See docs/crdts.md.
"""

from __future__ import annotations

from typing import Any

from solidb_sync.client import field_operations as operations
from solidb_sync.client.local_edits import Operated
from solidb_sync.client.manager.parts import ManagerParts
from solidb_sync.model.crdt.bounded_counter import BoundedCounter
from solidb_sync.model.crdt.field_states import read_states
from solidb_sync.model.crdt.registry import Operation
from solidb_sync.storage.engine import EngineReader


class ReplicatedFieldMethods(ManagerParts):
    """Operations on replicated fields."""

    async def crdt_increment(self, col: str, key: str, field: str, amount: int = 1) -> int:
        """Add to a counter (PNCounter), and return its new value here.

        A plain number becomes a counter that begins with it; one that had a fraction keeps it.
        """
        value: int = (await self._operate(col, key, field, operations.counter_operation(amount))).value
        return value

    async def crdt_decrement(self, col: str, key: str, field: str, amount: int = 1) -> int:
        """Take from a counter, and return its new value here; there is no lower bound."""
        value: int = (await self._operate(col, key, field, operations.counter_operation(amount, sign=-1))).value
        return value

    async def crdt_set(self, col: str, key: str, field: str, value: Any) -> None:
        """Write a register (LWWRegister): of concurrent writes the one that is later by a hybrid clock stays."""
        await self._operate(col, key, field, operations.register_operation(value))

    async def crdt_add_to_set(self, col: str, key: str, field: str, value: Any) -> bool:
        """Add an element to a set that only grows (GSet); False when it was there."""
        done = await self._operate(col, key, field, operations.grow_set_operation(value))
        return not operations.has_element(done.before, done.path, value)

    async def crdt_orset_add(self, col: str, key: str, field: str, value: Any) -> bool:
        """Add an element to a set (ORSet), which survives a concurrent removal; False when it was there."""
        done = await self._operate(col, key, field, operations.set_addition(value))
        return not operations.has_element(done.before, done.path, value)

    async def crdt_orset_remove(self, col: str, key: str, field: str, value: Any) -> bool:
        """Remove an element from a set, as far as its additions are known here; False when it was not there."""
        done = await self._operate(col, key, field, operations.set_removal(value))
        return operations.has_element(done.before, done.path, value)

    async def crdt_map_put(self, col: str, key: str, field: str, map_key: str, value: Any) -> None:
        """Put a value under a key of a map (ORMap), which survives a concurrent removal of the key."""
        await self._operate(col, key, field, operations.map_put(map_key, value))

    async def crdt_map_remove(self, col: str, key: str, field: str, map_key: str) -> bool:
        """Remove a key from a map, as far as its puts are known here; False when it was not there."""
        done = await self._operate(col, key, field, operations.map_removal(map_key))
        return operations.has_name(done.before, done.path, map_key)

    async def crdt_bounded_increment(self, col: str, key: str, field: str, amount: int = 1) -> int:
        """Add to a counter that never goes below zero, and return its new value here. This device may take what it added."""
        return int((await self._operate(col, key, field, operations.bounded_operation("add", amount))).value)

    async def crdt_bounded_decrement(self, col: str, key: str, field: str, amount: int = 1) -> int:
        """Take from a bounded counter, and return its new value here.

        Raises `CrdtBoundError` when this device may not take so much (`crdt_bounded_rights`); reserve before going offline.
        """
        return int((await self._operate(col, key, field, operations.bounded_operation("take", amount))).value)

    async def crdt_bounded_reserve(self, col: str, key: str, field: str, amount: int) -> None:
        """Ask the server for the right to take `amount` from what belongs to nobody; the next rounds bring what it gave."""
        await self._operate(col, key, field, operations.bounded_operation("reserve", amount))

    async def crdt_bounded_release(self, col: str, key: str, field: str, amount: int) -> None:
        """Give rights back, for others to reserve; raises `CrdtBoundError` when this device has not so many."""
        await self._operate(col, key, field, operations.bounded_operation("release", amount))

    async def crdt_bounded_rights(self, col: str, key: str, field: str) -> int:
        """Return how much this device may take from a bounded counter now, without asking anybody."""
        path = operations.field_path(field)

        def read(reader: EngineReader) -> int:
            known = reader.states(col, key)
            state = None if known is None else read_states(known.visible).get(path)
            return state.rights(reader.replica().client_id) if isinstance(state, BoundedCounter) else 0

        return self._view(read)

    async def _operate(self, col: str, key: str, field: str, operation: Operation) -> Operated:
        done = await self._edits.operate(col, key, operations.field_path(field), operation)
        if done.has_changed:
            self._something_was_saved()
        return done
