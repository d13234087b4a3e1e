"""Subscribing a simulated device to a collection, with the filter it has for it."""

from __future__ import annotations

from solidb_sync.testing.model_filters import SELECTIONS
from solidb_sync.testing.simulated_device import SimulatedDevice


async def subscribe(device: SimulatedDevice, collection: str) -> None:
    """Subscribe to a collection with the filter that the device has for it."""
    name = device.truth.selections.get(collection, "")
    if name:
        selection = SELECTIONS[name]
        await device.manager.subscribe(collection, selection.text.format(collection=collection), selection.bind_vars)
    else:
        await device.manager.subscribe(collection)
