"""Reading `.case` files: queries with the rows or the error they must give.

A file is a list of cases. Each begins with a title after `===`, and each part of it with a
word and a colon at the start of a line:

    === adults only
    data: {"users": [{"name": "Ann", "age": 30}]}
    query: FOR u IN users FILTER u.age >= @min RETURN u.name
    binds: {"min": 18}
    rows: ["Ann"]

`rows:` is a JSON array; `error:` is the whole first line of the message. A part goes on until
the next one begins. A file may start, before its first case, with `data:` for all its cases.
Lines that start with `#` are comments.
"""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PARTS = ("data", "query", "binds", "rows", "error")
PART = re.compile(rf"^({'|'.join(PARTS)}):", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One query with what it must give."""

    title: str
    query: str
    source: dict[str, Any]
    binds: dict[str, Any] = field(default_factory=dict)
    rows: list[Any] | None = None
    error: str | None = None


def read_cases(path: Path) -> list[Case]:
    """Return the cases of a file. Raises ValueError for a case that is not complete."""
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if not line.startswith("#")]
    head, *texts = re.split(r"^=== *", "\n".join(lines), flags=re.MULTILINE)
    shared = json.loads(_parts(head, path.name).get("data", "{}"))
    return [_case(text, shared, path) for text in texts]


def _parts(text: str, where: str) -> dict[str, str]:
    pieces = PART.split(text)
    names, bodies = pieces[1::2], pieces[2::2]
    if len(set(names)) < len(names):
        raise ValueError(f"{where}: a part stands twice")
    return {name: body.strip() for name, body in zip(names, bodies, strict=True)}


def _case(text: str, shared: dict[str, Any], path: Path) -> Case:
    title, _, rest = text.partition("\n")
    where = f"{path.name}: {title}"
    parts = _parts(rest, where)
    if "query" not in parts or ("rows" in parts) == ("error" in parts):
        raise ValueError(f"{where}: a case needs a query, and either rows or an error")
    return Case(
        title=title.strip(),
        query=parts["query"],
        source=json.loads(parts["data"]) if "data" in parts else shared,
        binds=json.loads(parts.get("binds", "{}")),
        rows=json.loads(parts["rows"]) if "rows" in parts else None,
        error=parts.get("error"),
    )
