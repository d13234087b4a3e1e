"""Look at the store of this device: can it be read, is it sound, who has it, is there room, what waits in it.

Nothing is written. What can't be looked at is a finding too, and ends only what depends on it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from solidb_sync.cli.doctor.findings import Finding, fine, notice, problem
from solidb_sync.errors import (
    ConfigError,
    EncryptionError,
    StorageCorruptError,
    StorageError,
    StoreLockedError,
)
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.moved_store import note_path, read_note
from solidb_sync.storage.records import ChangeState
from solidb_sync.storage.refusals import cause
from solidb_sync.storage.store_lock import lock_holder
from solidb_sync.storage.store_path import PathUse, checked_path
from solidb_sync.storage.stored_engine import stored_engine

LOG_BYTES_MAX = 128 * 1024 * 1024
"""Twice as long as the log of a store that is written all the time gets before a commit waits for its readers."""
FREE_BYTES_MIN = 16 * 1024 * 1024
FREE_BYTES_WANTED = 256 * 1024 * 1024
DAMAGE_TOLD_MAX = 20

FreeBytes = Callable[[str], int]


@dataclass(frozen=True, slots=True)
class StorePlace:
    """The store to look at, the device it should belong to, and its key."""

    path: str
    device_id: str
    encryption_key: str | None = None


def check_store(place: StorePlace, *, free_bytes: FreeBytes | None = None) -> Iterator[Finding]:
    """Yield what is found of a store; `free_bytes` tells how much room is left where a path is."""
    engine = None
    try:
        path = checked_path(place.path, PathUse.READ, name="store")
        yield from _check_room(path, free_bytes or (lambda at: shutil.disk_usage(at).free))
        engine = stored_engine(path)
    except (ConfigError, StorageError) as found:
        yield problem("store", str(found), _remedy(found))
        return
    if engine is None:
        yield problem(
            "store", f"{path}: there is no store", "make one: solidb-sync init, or set SOLIDB_STORE to where it is"
        )
        return
    for look in (_check_rights, _check_note, _check_lock, _check_log):
        yield from look(path)
    yield from _check_content(place, path, engine)


def _check_room(path: str, free_bytes: FreeBytes) -> Iterator[Finding]:
    directory = next(str(above) for above in Path(path).absolute().parents if above.is_dir())
    free = free_bytes(directory)
    told = f"{free // 1024 // 1024} MiB are free in {directory}"
    wanted = max(FREE_BYTES_WANTED, os.path.getsize(path) if os.path.isfile(path) else 0)
    if free < FREE_BYTES_MIN:
        yield problem("room", told, "make room, or let the store drop what the server has too (`evict`)")
    elif free < wanted:
        yield notice(
            "room", told, f"backups and encryption want as much again as the store has: {wanted // 1024 // 1024} MiB"
        )
    else:
        yield fine("room", told)


def _check_rights(path: str) -> Iterator[Finding]:
    reason = cause(path)
    if reason:
        yield problem("rights", f"{path}: {reason}", "run this as the user whose store it is, or give that user the rights")
        return
    mode = os.stat(path).st_mode & 0o777
    if os.name == "posix" and mode & 0o077:
        wanted = "700" if os.path.isdir(path) else "600"
        yield notice("rights", f"{path}: other users may get at it (mode {mode:04o})", f"chmod {wanted} {path}")
    else:
        yield fine("rights", "only its owner may get at it")


def _check_note(path: str) -> Iterator[Finding]:
    try:
        moved = read_note(path)
    except StorageCorruptError as found:
        yield problem("moved", str(found), "if this store was never converted, delete that note")
        return
    if moved is not None:
        remedy = f"set SOLIDB_STORE to {moved.to}; to go back to this one, delete that first, then {note_path(path)}"
        yield problem("moved", f"{path}: this store was moved to {moved.to} at {moved.at}", remedy)


def _check_lock(path: str) -> Iterator[Finding]:
    try:
        holder = lock_holder(path + ".lock")
    except StorageError as found:
        yield problem("lock", str(found), "run this as the user whose store it is")
        return
    if holder is None:
        yield fine("lock", "no process has the store open for writing")
    else:
        remedy = "nothing, if that is your program; commands that write have to wait until it ends"
        yield notice("lock", f"process {holder} has the store open for writing", remedy)


def _check_log(path: str) -> Iterator[Finding]:
    log = Path(f"{path}-wal")
    length = log.stat().st_size if log.exists() else 0
    if length > LOG_BYTES_MAX:
        remedy = "end whoever has been reading it all the time; the next program that opens it for writing shortens the log"
        yield notice("log", f"{log} has grown to {length // 1024 // 1024} MiB", remedy)
    elif not os.path.isdir(path):
        yield fine("log", f"{length} bytes")


def _check_content(place: StorePlace, path: str, engine: str) -> Iterator[Finding]:
    try:
        with LocalStore.open_for_reading(path, place.device_id, encryption_key=place.encryption_key) as store:
            yield from _told("content", lambda: _check_records(store, engine))
            yield from _told("changes", lambda: _check_queue(store))
    except (ConfigError, StorageError) as found:
        yield problem("content", str(found), _remedy(found))


def _told(check: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what is found, and what keeps it from being looked at as a finding of its own."""
    try:
        yield from look()
    except StorageError as found:
        yield problem(check, str(found), _remedy(found))


def _check_records(store: LocalStore, engine: str) -> Iterator[Finding]:
    report = store.verify()
    told = f"{report.records} records of the engine {engine!r} were read"
    if report.is_sound:
        yield fine("content", f"{told}, all sound")
        return
    more = len(report.problems) - DAMAGE_TOLD_MAX
    shown = "; ".join([*report.problems[:DAMAGE_TOLD_MAX], *([f"{more} more"] if more > 0 else [])])
    yield problem("content", f"{told}, {len(report.problems)} problems: {shown}", SALVAGE)


def _check_queue(store: LocalStore) -> Iterator[Finding]:
    counts = store.view(lambda reader: {state: reader.count_changes(state) for state in ChangeState})
    undecided = store.view(lambda reader: len(reader.open_conflicts()))
    yield fine("changes", ", ".join(f"{count} {state.name.lower()}" for state, count in counts.items()))
    if refused := counts[ChangeState.REJECTED]:
        remedy = "solidb-sync pending shows why; save the document anew, or retry or discard the change in your program"
        yield notice("rejected", f"the server refused {refused} changes for good", remedy)
    if undecided:
        yield notice("conflicts", f"{undecided} conflicts wait for somebody to decide", "solidb-sync conflicts list")


SALVAGE = "restore a backup, or save what can be read: solidb-sync salvage TARGET; the next sync fetches the rest"

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (EncryptionError, "give the key the store was encrypted with: SOLIDB_ENCRYPTION_KEY or SOLIDB_ENCRYPTION_KEY_FILE"),
    (StorageCorruptError, SALVAGE),
    (StoreLockedError, "end the other process, or wait for it"),
    (ConfigError, "correct the setting"),
    (StorageError, "do what the message says; nothing was changed"),
)


def _remedy(found: Exception) -> str:
    return next(remedy for kind, remedy in _REMEDIES if isinstance(found, kind))
