"""From what a person remembers to the key that pages are encrypted with.

A store's pages are encrypted under a random data key that nobody ever sees. The data key is kept in the store's header,
*wrapped*: encrypted (AES-256-GCM) under the key of the user. So another passphrase costs one small write, and a wrong one is
noticed at once. A text of any length becomes a key by scrypt, which takes a third of a second and 32 MiB on purpose; 32
`bytes` are taken as a key as they are.

Everything here is a function of its arguments; randomness is passed in.
"""

from __future__ import annotations

import unicodedata

import msgspec

from solidb_sync.errors import ConfigError, EncryptionError

KEY_BYTES = 32
SALT_BYTES = 16
NONCE_BYTES = 12

LOG2_COST = 15
BLOCK_SIZE = 8
PARALLELISM = 3
LOG2_COST_MAX = 20
BLOCK_SIZE_MAX = 16
PARALLELISM_MAX = 16
"""More than these a header can't ask for: it is read before it can be known to be ours."""

UserKey = str | bytes


class Derivation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the user's key is made of a text: scrypt with these parameters. None stands for 32 raw bytes."""

    salt: bytes
    log2_cost: int = LOG2_COST
    block_size: int = BLOCK_SIZE
    parallelism: int = PARALLELISM

    @property
    def is_within_bounds(self) -> bool:
        """False when to follow it would take more time or memory than is reasonable."""
        return (
            len(self.salt) == SALT_BYTES
            and 1 <= self.log2_cost <= LOG2_COST_MAX
            and 1 <= self.block_size <= BLOCK_SIZE_MAX
            and 1 <= self.parallelism <= PARALLELISM_MAX
        )


def check_key(key: object) -> None:
    """Raise `ConfigError` unless this can be a key, `EncryptionError` when encryption is not installed."""
    if isinstance(key, str):
        if not key:
            raise ConfigError("encryption_key: an empty text is no key; give a passphrase, or None for a plain store")
    elif not isinstance(key, bytes):
        raise ConfigError(f"encryption_key: expected a text or 32 bytes, found {type(key).__name__}")
    elif len(key) != KEY_BYTES:
        raise ConfigError(f"encryption_key: expected {KEY_BYTES} bytes, found {len(key)}; a text may have any length")
    try:
        import cryptography  # noqa: F401
    except ImportError as problem:
        raise EncryptionError("encryption needs the extra: pip install 'solidb-sync[encryption]'") from problem


def not_encrypted(path: str) -> EncryptionError:
    """Return the error for a key given for a plain store."""
    return EncryptionError(
        f"{path}: a key was given, but the store is not encrypted; nothing was changed. "
        "Open it without a key and call enable_encryption(key)."
    )


def derivation_for(key: UserKey, salt: bytes) -> Derivation | None:
    """Return how this key will be derived from now on."""
    return Derivation(salt) if isinstance(key, str) else None


def user_key(key: UserKey, derivation: Derivation | None) -> bytes:
    """Return the 32 bytes that wrap data keys; raises `EncryptionError` for a key of the other kind."""
    if isinstance(key, bytes):
        if derivation is not None:
            raise EncryptionError("the key is wrong: this store was encrypted with a passphrase, not with 32 bytes")
        return key
    if derivation is None:
        raise EncryptionError("the key is wrong: this store was encrypted with 32 bytes, not with a passphrase")
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    scrypt = Scrypt(
        salt=derivation.salt,
        length=KEY_BYTES,
        n=1 << derivation.log2_cost,
        r=derivation.block_size,
        p=derivation.parallelism,
    )
    # One text has several byte forms; what a keyboard produces depends on the system.
    return scrypt.derive(unicodedata.normalize("NFC", key).encode("utf-8", "surrogatepass"))


def wrap(data_key: bytes, wrapping_key: bytes, *, nonce: bytes, about: bytes) -> bytes:
    """Return a data key encrypted; `about` says what it is for, and is proved with it."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return nonce + AESGCM(wrapping_key).encrypt(nonce, data_key, about)


def unwrap(wrapped: bytes, wrapping_key: bytes, *, about: bytes) -> bytes:
    """Return the data key; raises `EncryptionError` when the wrapping key is another."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(wrapping_key).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as problem:
        raise EncryptionError("the key is wrong") from problem
