"""What the files of a sealed database have in common."""

from __future__ import annotations

from dataclasses import dataclass

import apsw

from solidb_sync.storage.sqlite.sealed.page_seal import Seals


@dataclass(frozen=True, slots=True)
class Below:
    """What the files of a store are opened with.

    The virtual file system below the seals, the seals, and the store's id; without one a damaged log is read up to the
    damage, as if it ended there.
    """

    vfs: str
    seals: Seals
    store_id: bytes | None


class SealedFile(apsw.VFSFile):
    """A file that passes through what it does not seal."""

    def __init__(self, below: Below, name: str | apsw.URIFilename, flags: list[int]) -> None:
        super().__init__(below.vfs, name, flags)
        self._name = name if isinstance(name, str) else name.filename()
        self._seals = below.seals

    def xDeviceCharacteristics(self) -> int:  # noqa: N802
        """Promise no more than that a write leaves the bytes around it alone."""
        return apsw.SQLITE_IOCAP_POWERSAFE_OVERWRITE

    def _corrupt(self, what: str) -> apsw.CorruptError:
        return apsw.CorruptError(f"{self._name}: {what} is not what was written")
