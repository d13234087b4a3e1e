"""Records as bytes: MessagePack, with the names of the fields.

So a record of an older version reads, with what is new at its default.
"""

from __future__ import annotations

from msgspec import msgpack

from solidb_sync.storage.records import (
    Replica,
    StoredBase,
    StoredBlob,
    StoredChange,
    StoredConflict,
    StoredRow,
    StoredStates,
    Subscription,
)

NOTHING = b""
"""The value of a key that says everything."""

to_bytes = msgpack.Encoder().encode
to_replica = msgpack.Decoder(Replica).decode
to_row = msgpack.Decoder(StoredRow).decode
to_base = msgpack.Decoder(StoredBase).decode
to_states = msgpack.Decoder(StoredStates).decode
to_change = msgpack.Decoder(StoredChange).decode
to_conflict = msgpack.Decoder(StoredConflict).decode
to_subscription = msgpack.Decoder(Subscription).decode
to_blob = msgpack.Decoder(StoredBlob).decode
to_number = msgpack.Decoder(int).decode
