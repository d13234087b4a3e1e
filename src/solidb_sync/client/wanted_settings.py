"""What this device asks the server for: its strategies and filters, put together from the configuration and the store.

They are read once a round. When the server holds others, the round tells it these and goes on.
"""

from __future__ import annotations

from dataclasses import dataclass

from solidb_sync.client.config import SyncConfig
from solidb_sync.json_value import decode
from solidb_sync.protocol.client_settings import settings_hash, settings_text
from solidb_sync.protocol.messages import ClientSettings
from solidb_sync.storage.engine import EngineReader

STRATEGY_SETTING = "strategy:"
"""The settings of a store whose name begins so hold the strategy of the collection named behind it."""


@dataclass(frozen=True, slots=True)
class WantedSettings:
    """Settings and the hash that names them."""

    settings: ClientSettings
    hash: str


def wanted_settings(reader: EngineReader, config: SyncConfig) -> WantedSettings:
    """Return the settings to register with."""
    settings = ClientSettings(
        default_strategy=config.conflict_strategy.value,
        strategies={
            name.removeprefix(STRATEGY_SETTING): decode(value)
            for name, value in reader.settings().items()
            if name.startswith(STRATEGY_SETTING)
        },
    )
    return WantedSettings(settings, settings_hash(settings_text(settings)))
