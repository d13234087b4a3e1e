"""The account of attached files: what was put, who has it, and what nobody can have any more.

It knows files by their content and looks into the stores and the server's directory itself. That somebody has the bytes of
every file that a document names is checked at every look; that they are the right ones, whenever they are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.records import BlobState
from solidb_sync.testing.invariants import broken
from solidb_sync.testing.model_oracle import Ledger, Place
from solidb_sync.testing.simulated_device import COLLECTIONS, SimulatedDevice

FIELD_PREFIX = "_attachment:"
SERVER = "the server"

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Held:
    """What a store has of files: the digests of which it has every byte, and the places whose documents name some."""

    whole: frozenset[str]
    named: Mapping[tuple[Place, str], str]
    unsettled: frozenset[str]
    """The digests that edits in the outbox name."""
    chunks: frozenset[str]
    """Under which names it keeps bytes."""


@dataclass(slots=True)
class AttachmentTruth:
    """What must be true of the files of one world."""

    contents: dict[str, bytes] = field(default_factory=dict)
    """Everything that anybody ever began to put, by its digest."""
    put: dict[tuple[Place, str], set[str]] = field(default_factory=dict)
    """What was ever put at a place under a name."""
    lost: set[str] = field(default_factory=set)
    """What nobody has any more: its only holders were put back to backups from before they had it, or nothing named it.

    What a document at the server has ever named is owed to whoever saw that: it may only go when the server has had it.
    """
    endangered: set[str] = field(default_factory=set)
    """What the server has lost when it had taken charge of it: devices may drop it before they hear of that."""
    chunks: set[str] = field(default_factory=set)
    """Every name under which any store ever kept bytes."""
    _held: dict[str, tuple[object, Held]] = field(default_factory=dict)
    _holders: dict[str, set[str]] = field(default_factory=dict)
    _owed: set[str] = field(default_factory=set)
    _restores: dict[str, int] = field(default_factory=dict)

    def begin(self, place: Place, name: str, content: bytes) -> str:
        """Take note that somebody puts this; returns its digest."""
        digest = hashlib.sha256(content).hexdigest()
        self.contents[digest] = content
        self.put.setdefault((place, name), set()).add(digest)
        return digest

    def check_read(self, who: str, place: Place, name: str, digest: str, content: bytes) -> None:
        """7 read your writes: what is read is to the last byte what the document names, and was put there once."""
        if content != self.contents.get(digest):
            broken("7 read your writes", f"{who} read {content!r} as {place} {name}; {self.contents.get(digest)!r} was put")
        if digest not in self.put.get((place, name), ()):
            broken("7 read your writes", f"{who}: {place} {name} is {content!r}, which was never put there")

    def look(self, devices: Iterable[SimulatedDevice], at_server: set[str], ledger: Ledger) -> None:
        """2 no lost local write: of every file that the server's documents or unsent edits name, somebody has the bytes.

        And of every one that they have named, until the server has had it. What else they don't name may go, also when a
        device that has not heard of it yet still shows it.
        """
        holders: dict[str, set[str]] = {digest: {SERVER} for digest in at_server}
        named = {digest: SERVER for place in ledger.versions for digest in _named_at(ledger, place)}
        self._owed = (self._owed | named.keys()) - at_server
        restored = set()
        for device in devices:
            held = self._read(device)
            if self._restores.get(device.name, 0) != device.restores:
                self._restores[device.name] = device.restores
                restored.add(device.name)
            self.chunks |= held.chunks
            for digest in held.whole:
                holders.setdefault(digest, set()).add(device.name)
            named |= dict.fromkeys(held.unsettled, device.name)
        named = {**dict.fromkeys(self._owed, "whoever saw it at " + SERVER), **named}
        gone = {
            digest
            for digest, who in self._holders.items()
            if digest not in holders and (who & restored or digest in self.endangered or digest not in named)
        }
        self.lost = (self.lost | gone) - holders.keys()
        self._holders = holders
        missing = sorted(named.keys() - holders.keys() - self.lost)
        if missing:
            broken("2 no lost local write", f"nobody has {missing} any more, which {named[missing[0]]} names")

    def named_by(self, device: SimulatedDevice) -> Mapping[tuple[Place, str], str]:
        """Return the digests that the documents of a device name."""
        return self._read(device).named

    def _read(self, device: SimulatedDevice) -> Held:
        """Read a store, if anything was written since the last time; without power it is taken to be as it was."""
        known = self._held.get(device.name)
        moment = (device.life, device.files.writes)
        if known is not None and (known[0] == moment or device.files.is_dark()):
            return known[1]
        held = device.store.view(lambda reader: read_held(reader))
        self._held[device.name] = (moment, held)
        return held


def read_held(reader: EngineReader) -> Held:
    """Return what a store has of files."""
    blobs = reader.blobs()
    named = {
        ((collection, key), name): digest
        for collection in COLLECTIONS
        for key, row in reader.all_rows(collection)
        if row.body is not None and FIELD_PREFIX in row.body
        for name, digest in named_in(_decode(row.body)).items()
    }
    whole = frozenset(blob.name for blob in blobs if blob.state is BlobState.WHOLE)
    unsettled = {digest for change in reader.changes(state=None) for digest in named_in_edit(_decode(change.wire))}
    return Held(whole, named, frozenset(unsettled), frozenset(blob.chunks for blob in blobs))


def named_in_edit(change: Mapping[str, Any]) -> set[str]:
    """Return the digests that a change names as it stands in the outbox."""
    return {*named_in(change.get("document") or {}).values(), *named_in(change.get("delta") or {}).values()}


def _named_at(ledger: Ledger, place: Place) -> set[str]:
    return set(named_in(ledger.newest_version(place).body or {}).values())


def named_in(body: Mapping[str, Any]) -> dict[str, str]:
    """Return the digests that a document names, by the names of its files."""
    return {
        name.removeprefix(FIELD_PREFIX): value[0]["digest"]
        for name, value in body.items()
        if name.startswith(FIELD_PREFIX) and value
    }
