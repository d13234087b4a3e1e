"""JSON files as collections: each named like its file without the ending.

A file holds a JSON array of documents, or one document per line.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sdbql.data_source import Document
from sdbql.engine import parse
from sdbql.shell.interruptible import run_interruptibly


class JsonFiles:
    """Implements `sdbql.shell.session.Queried` over documents in memory."""

    errors: tuple[type[Exception], ...] = ()

    def __init__(self, paths: Sequence[str]) -> None:
        self._documents = {Path(path).stem: read_documents(Path(path)) for path in paths}

    def collections(self) -> list[str]:
        """Return the names of the files."""
        return sorted(self._documents)

    def sample(self, collection: str, count: int) -> list[Document]:
        """Return the first documents of a file."""
        return self._documents[collection][:count]

    def run(self, text: str, bind_vars: Mapping[str, Any]) -> list[Any]:
        """Return the results of a query; Ctrl-C stops it."""
        query = parse(text)
        return run_interruptibly(lambda cancellation: query.run(bind_vars, self._documents, cancellation=cancellation))

    def explain(self, text: str, bind_vars: Mapping[str, Any]) -> str:
        """Return the steps of a query."""
        return parse(text).explain()


def read_documents(path: Path) -> list[Document]:
    """Return the documents in a file. Raises OSError, or ValueError saying what is wrong with it."""
    text = path.read_text(encoding="utf-8")
    try:
        documents = _json(text) if text.lstrip().startswith("[") else _json_lines(text)
    except ValueError as error:
        raise ValueError(f"{path}: not JSON: {error}") from None
    for number, document in enumerate(documents, 1):
        if not isinstance(document, dict):
            raise ValueError(f"{path}: document {number} is not an object")
    return documents


def _json_lines(text: str) -> list[Any]:
    return [_json(line) for line in text.splitlines() if line.strip()]


def _json(text: str) -> Any:
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON value")
