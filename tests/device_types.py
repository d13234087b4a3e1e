"""What the fixture `device` gives."""

from __future__ import annotations

from collections.abc import Callable

from solidb_sync import SyncManager

DeviceMaker = Callable[..., SyncManager]
