"""The versions this runs with: of Python, of SQLite, and of the libraries that were installed."""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterator

import apsw

from solidb_sync.cli.doctor.findings import Finding, fine, problem

REQUIRED = ("solidb-sync", "sdbql", "apsw", "msgspec", "httpcore2", "click")
OPTIONAL = ("cryptography", "rocksdict", "starlette", "uvicorn")
"""Libraries that only some uses need; what a store needs and does not find is told when it is opened."""


def check_libraries() -> Iterator[Finding]:
    """Yield what is installed, and what is missing that every use needs."""
    versions = {name: version for name in (*REQUIRED, *OPTIONAL) if (version := _version(name))}
    told = ", ".join(f"{name} {version}" for name, version in versions.items())
    yield fine("versions", f"Python {platform.python_version()}, SQLite {apsw.sqlite_lib_version()}, {told}")
    missing = [name for name in REQUIRED if name not in versions]
    if missing:
        yield problem("versions", f"not installed: {', '.join(missing)}", "pip install --upgrade 'solidb-sync[cli]'")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
