"""A store that was moved away: a note beside it says where to, and keeps it from being used as the same device once more.

Two copies of one store that both take edits would give the same numbers to different ones. The server would notice and give
one of them a new incarnation, but only when both have sent; a note is noticed at once. It is a file of its own, so that the
store it speaks of stays as it was.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from solidb_sync.errors import StorageCorruptError, StorageError
from solidb_sync.storage.private_files import replace_private_file


class Moved(msgspec.Struct, frozen=True):
    """Where a store has gone, with which engine, and when."""

    to: str
    engine: str
    at: str


def note_path(path: str) -> str:
    """Return where the note of a store is."""
    return f"{path}.moved"


def read_note(path: str) -> Moved | None:
    """Return where a store has gone, None when it is where it was."""
    try:
        return msgspec.json.decode(Path(note_path(path)).read_bytes(), type=Moved)
    except FileNotFoundError:
        return None
    except NotADirectoryError:
        return None
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as problem:
        raise StorageCorruptError(f"{note_path(path)}: damaged: {problem}; it says where {path} has gone") from problem


def write_note(path: str, moved: Moved) -> None:
    """Note durably that a store is no longer to be written here."""
    replace_private_file(note_path(path), msgspec.json.encode(moved))


def check_is_here(path: str) -> None:
    """Raise when a store was moved away."""
    moved = read_note(path)
    if moved is not None:
        raise StorageError(
            f"{path}: this store was moved to {moved.to} at {moved.at} and must not be written here any more. "
            f"Open that one (engine={moved.engine!r}); if it is not there, run solidb-sync convert again. To go back to "
            f"this one, delete the other first, then {note_path(path)}"
        )
