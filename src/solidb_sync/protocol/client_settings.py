"""The settings of a client as text, and the hash by which a request names them.

Both ends write the same text: keys in order, defaults left out. The defaults have the empty hash, so that a device that
asks for nothing special never has to register.
"""

from __future__ import annotations

import hashlib

import msgspec

from solidb_sync.protocol.messages import ClientSettings

HASH_BYTES = 16
DEFAULT_SETTINGS = ClientSettings()

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(ClientSettings)


def settings_text(settings: ClientSettings) -> str:
    """Return the canonical text of settings, empty for the defaults."""
    return "" if settings == DEFAULT_SETTINGS else _encoder.encode(settings).decode()


def settings_hash(text: str) -> str:
    """Return the hash of a canonical text, empty for the defaults."""
    return hashlib.blake2b(text.encode(), digest_size=HASH_BYTES).hexdigest() if text else ""


def parse_settings(text: str) -> ClientSettings:
    """Return the settings of a canonical text."""
    return _decoder.decode(text) if text else DEFAULT_SETTINGS
