"""The changes of a simulated device that the server has refused: which they are, and what becomes of one."""

from __future__ import annotations

from typing import Literal

from solidb_sync.storage.records import ChangeState
from solidb_sync.testing.simulated_device import SimulatedDevice


def refused_ids(device: SimulatedDevice) -> list[int]:
    """Return the numbers of the changes that the server has refused."""
    return [change.id for change in device.view().changes if change.state is ChangeState.REJECTED]


async def settle_refused(device: SimulatedDevice, number: int, how: Literal["let go", "retried"]) -> bool:
    """Retry or discard a refused change, and look at the store before and after."""
    device.observe()
    device.truth.released = how
    manager = device.manager
    found = await (manager.retry_rejected(number) if how == "retried" else manager.discard_rejected(number))
    assert found, f"2 no lost local write: the refused change {number} can't be {how}"
    device.observe()
    device.truth.released = ""
    return found
