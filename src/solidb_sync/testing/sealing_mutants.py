"""A deliberate bug of sealed stores."""

from __future__ import annotations

from typing import Any

from solidb_sync.storage.local_store import LocalStore
from solidb_sync.testing.planter import Mutant, Planter


def stores_left_unsealed(patch: Planter) -> None:
    """A new store is written as anybody can read it, although there is a key for it."""
    original = LocalStore.open_at

    def open_at(*arguments: Any, **options: Any) -> Any:
        return original(*arguments, **{**options, "encryption_key": None, "seals_new_stores": False})

    patch.setattr(LocalStore, "open_at", open_at)


SEALING_MUTANTS: tuple[Mutant, ...] = (stores_left_unsealed,)
