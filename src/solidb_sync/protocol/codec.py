"""Messages to bytes and back, for the device's end."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from solidb_sync.errors import ProtocolError
from solidb_sync.protocol.messages import ErrorAnswer, ReceivedAnswer, SyncRequest

Message = TypeVar("Message")

_encoder = msgspec.json.Encoder()
_answer_decoder = msgspec.json.Decoder(ReceivedAnswer)
_error_decoder = msgspec.json.Decoder(ErrorAnswer)


def encode_message(message: msgspec.Struct) -> bytes:
    """Return the JSON of a message."""
    return _encoder.encode(message)


def encode_sync_request(request: SyncRequest, changes: bytes) -> bytes:
    """Return the JSON of a request whose changes are JSON text already, one behind the other with commas between."""
    head = _encoder.encode(request)
    return b'%s,"changes":[%s]}' % (head[:-1], changes) if changes else head


def decode_sync_answer(body: bytes) -> ReceivedAnswer:
    """Return a sync answer, or raise `ProtocolError`."""
    try:
        return _answer_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ProtocolError(f"the server's answer can't be read: {problem}") from problem


def decode_message(body: bytes, kind: type[Message]) -> Message:
    """Return a message of one kind, or raise `ProtocolError`."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as problem:
        raise ProtocolError(f"the server's answer can't be read: {problem}") from problem


def decode_error(body: bytes, status: int) -> ErrorAnswer:
    """Return what an error answer says, whoever wrote it."""
    try:
        return _error_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ErrorAnswer(error=f"status {status} without an explanation", code=status, type="Unknown")
