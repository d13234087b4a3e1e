"""Small text forms that every part of the store writes alike: vectors, wire changes, times, ids."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

import msgspec

from solidb_sync.json_value import JsonDocument, decode
from solidb_sync.model.delta import Delta, parse_path, path_text, value_at
from solidb_sync.model.version_vector import Dot, VersionVector
from solidb_sync.protocol.messages import WireChange

RandomBytes = Callable[[int], bytes]
BUFFERED_BYTES = 4096

_change_decoder = msgspec.json.Decoder(WireChange)
_change_encoder = msgspec.json.Encoder()


def vector_text(vector: VersionVector) -> str:
    """Return the stored form of a vector."""
    return vector.to_json().decode()


def parse_vector(text: str) -> VersionVector:
    """Return the vector a stored form means."""
    return VersionVector(decode(text))


def text_with_dot(text: str, dot: Dot) -> str:
    """Return the stored form of a vector with one more dot."""
    counts = decode(text)
    counts[dot.actor] = max(dot.counter, counts.get(dot.actor, 0))
    return _change_encoder.encode(dict(sorted(counts.items()))).decode()


def encode_change(change: WireChange) -> str:
    """Return the JSON of a change as it is sent."""
    return _change_encoder.encode(change).decode()


def decode_change(wire: str) -> WireChange:
    """Return a change from its JSON."""
    return _change_decoder.decode(wire)


def delta_fields(delta: Delta) -> tuple[msgspec.Raw, list[str]]:
    """Return the wire form of a delta: the map of fields set, and the list of those removed."""
    values = {path_text(path): value for path, value in delta.values.items()}
    return msgspec.Raw(_change_encoder.encode(values)), [path_text(path) for path in delta.removed]


def parse_delta(values: Mapping[str, object], unset: list[str]) -> Delta:
    """Return the delta that a wire form means."""
    return Delta({parse_path(path): value for path, value in values.items()}, tuple(parse_path(path) for path in unset))


def wire_delta(change: WireChange) -> Delta:
    """Return the delta of an update."""
    if change.fields:
        document = wire_document(change)
        return parse_delta({text: value_at(document, parse_path(text))[1] for text in change.fields}, change.unset)
    values = decode(bytes(change.delta)) if isinstance(change.delta, msgspec.Raw) else {}
    return parse_delta(values, change.unset)


def wire_document(change: WireChange) -> JsonDocument:
    """Return the document of an insert."""
    assert isinstance(change.document, msgspec.Raw)
    document: JsonDocument = decode(bytes(change.document))
    return document


class BufferedRandom:
    """Random bytes drawn from their source in larger pieces: asking the system for every id costs more than the id."""

    def __init__(self, source: RandomBytes) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._drawn = b""
        self._used = 0

    def __call__(self, count: int) -> bytes:
        """Return `count` bytes that were never returned before."""
        with self._lock:
            if self._used + count > len(self._drawn):
                self._drawn, self._used = self._source(max(count, BUFFERED_BYTES)), 0
            self._used += count
            return self._drawn[self._used - count : self._used]


def new_id(now_ms: int, random_bytes: RandomBytes) -> str:
    """Return a UUID version 7 (RFC 9562): ids made later sort later, which keeps index pages warm."""
    time, chance = f"{now_ms & (2**48 - 1):012x}", random_bytes(10).hex()
    variant = "89ab"[int(chance[3], 16) & 3]
    return f"{time[:8]}-{time[8:]}-7{chance[:3]}-{variant}{chance[4:7]}-{chance[7:19]}"
