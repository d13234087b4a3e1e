"""Settings from three places: flags over the environment (`SOLIDB_*`) over `solidb.toml` in the current directory.

A secret has no flag, because every user of a machine can read the flags of its processes: it comes from a variable, or from
a file named by `SOLIDB_API_KEY_FILE`, `--api-key-file` or `api_key_file`. An empty variable counts as not set.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from solidb_sync.errors import ConfigError

FILE_NAME = "solidb.toml"
SERVER_TABLE = "server"
WHOLE_NUMBER_DIGITS_MAX = 16
SECRET_BYTES_MAX = 64 * 1024
ENCRYPTION_KEY = "encryption_key"
SECRET_NAMES = ("api_key", ENCRYPTION_KEY)
CLIENT_NAMES = ("url", "database", "store", "device_id", "api_key_file", "encryption_key_file", "allow_plain_http")
BYTES_NAMES = ("attachment_bytes_max", "attachments_total_bytes_max")
SERVER_NAMES = ("data", "host", "port", "api_key_file", "retention_days", "log_level", *BYTES_NAMES)
NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Settings:
    """The three places; the first that has a value wins."""

    flags: Mapping[str, Any]
    environment: Mapping[str, str]
    file: Mapping[str, Any]

    def find(self, name: str) -> str | None:
        """Return a setting as text, None when no place has it."""
        for value in (self.flags.get(name), self.environment.get(variable(name)), self.file.get(name)):
            if value is not None and value != "":
                return str(value)
        return None

    def need(self, name: str) -> str:
        """Return a setting, or raise `ConfigError` saying how to give it."""
        value = self.find(name)
        if value is None:
            flag = "--" + name.replace("_", "-")
            raise ConfigError(f"{name}: not set; give {flag}, set {variable(name)}, or write {name} into {FILE_NAME}")
        return value

    def whole_number(self, name: str, default: int) -> int:
        """Return a setting that is a whole number."""
        text = self.find(name)
        if text is None:
            return default
        if not text.isascii() or not text.isdigit() or len(text) > WHOLE_NUMBER_DIGITS_MAX:
            raise ConfigError(f"{name}: expected a whole number, found {text!r}")
        return int(text)

    def number(self, name: str, default: float) -> float:
        """Return a setting that is a number, 0 or more."""
        text = self.find(name)
        if text is None:
            return default
        if not NUMBER.fullmatch(text):
            raise ConfigError(f"{name}: expected a number such as 30 or 0.5, found {text!r}")
        return float(text)

    def boolean(self, name: str) -> bool:
        """Return a setting that is yes or no, no when it is not set."""
        text = (self.find(name) or "false").lower()
        if text not in ("true", "1", "yes", "false", "0", "no"):
            raise ConfigError(f"{name}: expected true or false, found {text!r}")
        return text in ("true", "1", "yes")

    def secret(self, name: str) -> str | None:
        """Return a secret from its variable or a file; both at one place are a `ConfigError`, as one of them is stale."""
        file_name = f"{name}_file"
        from_flag = self.flags.get(file_name)
        if from_flag:
            return read_secret(str(from_flag))
        direct, from_variable = self.environment.get(variable(name)), self.environment.get(variable(file_name))
        if direct and from_variable:
            raise ConfigError(f"{variable(name)} and {variable(file_name)} are both set; set one of them")
        if direct:
            return direct
        path = from_variable or self.file.get(file_name)
        return read_secret(path) if path else None


def variable(name: str) -> str:
    """Return the environment variable of a setting.

    >>> variable("device_id")
    'SOLIDB_DEVICE_ID'
    """
    return f"SOLIDB_{name.upper()}"


def read_secret(path: str) -> str:
    """Return the secret in a file, without the spaces and line breaks around it."""
    try:
        with Path(path).open("rb") as file:
            text = file.read(SECRET_BYTES_MAX).decode("utf-8").strip()
    except OSError as problem:
        raise ConfigError(f"{path} can't be read: {problem.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None
    if not text:
        raise ConfigError(f"{path} is empty; write the key into it")
    return text


def client_settings(flags: Mapping[str, Any]) -> Settings:
    """Return the settings of a device."""
    values = {name: value for name, value in _read_file().items() if name != SERVER_TABLE}
    return Settings(flags, os.environ, _checked(values, CLIENT_NAMES, FILE_NAME))


def server_settings(flags: Mapping[str, Any]) -> Settings:
    """Return the settings of a server: in the file they are a table of their own."""
    values = _read_file().get(SERVER_TABLE, {})
    if not isinstance(values, dict):
        raise ConfigError(f"{FILE_NAME}: {SERVER_TABLE} is not a table; write [{SERVER_TABLE}] above its settings")
    return Settings(flags, os.environ, _checked(values, SERVER_NAMES, f"{FILE_NAME}, [{SERVER_TABLE}]"))


def _read_file() -> dict[str, Any]:
    try:
        return tomllib.loads(Path(FILE_NAME).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as problem:
        raise ConfigError(f"{FILE_NAME}: can't be read: {problem.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigError(f"{FILE_NAME}: not TOML: {problem}") from None


def _checked(values: dict[str, Any], known: tuple[str, ...], where: str) -> dict[str, Any]:
    for name, value in values.items():
        if name in SECRET_NAMES:
            raise ConfigError(f"{where}: {name} is a secret; keep it in a file of its own and name that as {name}_file")
        if name not in known:
            raise ConfigError(f"{where}: {name!r} is not a setting; known are {', '.join(known)}")
        if not isinstance(value, (str, int, float, bool)):
            raise ConfigError(f"{where}: {name}: expected a string, a number or true/false, found {value!r}")
    return values
