"""What this device asks the server for: its strategies and filters, put together from the configuration and the store.

They are read once a round. When the server holds others, the round tells it these and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.client.config import SyncConfig
from solidb_sync.client.known_views import wanted_filters
from solidb_sync.client.scope import wanted_scope
from solidb_sync.json_value import decode, encode
from solidb_sync.model.delta_policy import DeltaPolicy
from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.storage.engine import EngineReader, StorageEngine

STRATEGY_SETTING = "strategy:"
"""The settings of a store whose name begins so hold the strategy of the collection named behind it."""
WHOLE_SETTING = "whole:"
"""The same for collections whose documents are sent whole, instead of their changed fields."""
THRESHOLD_SETTING = "delta_threshold"
REGISTERED_SETTING = "registered"
"""The setting of a store that holds the client id and the hash of the settings it has registered last."""


@dataclass(frozen=True, slots=True)
class WantedSettings:
    """Settings and the hash that names them."""

    settings: ClientSettings
    hash: str

    @property
    def delta_policy(self) -> DeltaPolicy:
        """When fields are sent, and when whole documents."""
        return DeltaPolicy(self.settings.delta_threshold, frozenset(self.settings.whole))


def wanted_settings(reader: EngineReader, config: SyncConfig) -> WantedSettings:
    """Return the settings to register with."""
    stored = reader.settings()
    settings = ClientSettings(
        default_strategy=config.conflict_strategy.name,
        strategies={
            name.removeprefix(STRATEGY_SETTING): decode(value)
            for name, value in stored.items()
            if name.startswith(STRATEGY_SETTING)
        },
        delta_threshold=float(decode(stored.get(THRESHOLD_SETTING, encode(config.delta_threshold)))),
        whole=sorted(name.removeprefix(WHOLE_SETTING) for name in stored if name.startswith(WHOLE_SETTING)),
        filters=wanted_filters(reader, wanted_scope(reader, config.collections)),
    )
    return WantedSettings(settings, settings_hash(settings_text(settings)))


def has_registered(reader: EngineReader, wanted: WantedSettings) -> bool:
    """Return whether this store has registered these settings, and no others since: then another goes by its name."""
    return reader.setting(REGISTERED_SETTING) == _registered(reader, wanted)


def note_registered(engine: StorageEngine, wanted: WantedSettings) -> None:
    """Note which settings this store has registered."""
    engine.put_setting(REGISTERED_SETTING, _registered(engine, wanted))


def _registered(reader: EngineReader, wanted: WantedSettings) -> str:
    return encode([reader.replica().client_id, wanted.hash]).decode()
