"""The strategies of one manager: what the configuration says, what was set by collection, and the functions of `custom`.

Names set by collection are durable in the store; functions are not, and have to be set again in each process. Until then
the conflicts of their collection stay open.
"""

from __future__ import annotations

from dataclasses import replace

from solidb_sync.client.conflict_strategy import ConflictStrategy, CustomFunction
from solidb_sync.client.wanted_settings import STRATEGY_SETTING
from solidb_sync.json_value import decode, encode
from solidb_sync.reconcile.strategy import Strategy
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore


class Strategies:
    """Which strategy holds for each collection."""

    def __init__(self, store: LocalStore, default: ConflictStrategy) -> None:
        self._store = store
        self._default = default
        self._functions: dict[str, CustomFunction] = {}
        self._by_collection: dict[str, ConflictStrategy] | None = None

    def of(self, collection: str) -> ConflictStrategy:
        """Return the strategy of a collection."""
        if self._by_collection is None:
            self._by_collection = self._store.view(_stored_strategies)
        found = self._by_collection.get(collection)
        if found is None:
            return self._default
        return replace(found, function=self._functions.get(collection)) if found.name == Strategy.CUSTOM.value else found

    @property
    def has_functions(self) -> bool:
        """True when a function decides conflicts of some collection."""
        return bool(self._functions) or self._default.function is not None

    async def set(self, collection: str, strategy: ConflictStrategy) -> None:
        """Set the strategy of a collection; durable but for its function."""
        value = encode(strategy.name).decode()
        await self._store.commit(lambda engine: engine.put_setting(STRATEGY_SETTING + collection, value))
        self._by_collection = None
        self._functions.pop(collection, None)
        if strategy.function is not None:
            self._functions[collection] = strategy.function

    def wants_stamps(self, collection: str) -> bool:
        """Return whether edits of a collection are decided by the stamps of hybrid clocks."""
        return self.of(collection).name == Strategy.LAST_STAMP_WINS.value


def _stored_strategies(reader: EngineReader) -> dict[str, ConflictStrategy]:
    return {
        name.removeprefix(STRATEGY_SETTING): ConflictStrategy(decode(value))
        for name, value in reader.settings().items()
        if name.startswith(STRATEGY_SETTING)
    }
