"""`python -m sdbql QUERY FILE.json …`: run a query over JSON files and print rows as JSON lines.

Each file is a collection, named like the file without its ending; it holds a JSON array of
documents, or one document per line. `--bind name=value` binds a parameter: the value is
JSON, or else plain text. `--explain` prints the plan instead of running the query.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sdbql

EXIT_QUERY_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    try:
        query = sdbql.parse(options.query)
        if options.explain:
            print(query.explain())
            return 0
        source = {Path(name).stem: _documents(Path(name)) for name in options.files}
        rows = query.run(dict([_bind(text) for text in options.bind]), source)
    except sdbql.QueryError as error:
        print(error, file=sys.stderr)
        return EXIT_QUERY_FAILED
    except (OSError, ValueError) as error:
        print(f"sdbql: {error}", file=sys.stderr)
        return EXIT_USAGE
    for row in rows:
        print(json.dumps(row, ensure_ascii=False))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sdbql", description="Run an SDBQL query over JSON files; rows are printed as JSON lines."
    )
    parser.add_argument("query", metavar="QUERY", help="such as: 'FOR u IN users RETURN u.name'")
    parser.add_argument("files", metavar="FILE", nargs="*", help="users.json is the collection users")
    parser.add_argument("--bind", metavar="NAME=VALUE", action="append", default=[], help="a bind parameter")
    parser.add_argument("--explain", action="store_true", help="print the plan and do not run the query")
    return parser


def _bind(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--bind {text}: expected NAME=VALUE, such as --bind min=18")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _documents(path: Path) -> list[dict[str, Any]]:
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


if __name__ == "__main__":
    sys.exit(main())
