"""`python -m sdbql [QUERY] FILE.json …`: run a query over JSON files and print rows as JSON lines.

Each file is a collection, named like the file without its ending; it holds a JSON array of
documents, or one document per line. `--bind name=value` binds a parameter: the value is
JSON, or else plain text. `--explain` prints the plan instead of running the query. Without a query it is a shell:
one with tables on a terminal, and one that prints JSON lines for another program.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import sdbql
from sdbql.shell.bind_arguments import bind_argument
from sdbql.shell.json_files import JsonFiles
from sdbql.shell.loop import run_shell, table_width
from sdbql.shell.session import Shell

EXIT_QUERY_FAILED = 1
EXIT_USAGE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    options = _parser().parse_args(arguments)
    if options.query is not None and _is_file(options.query):
        options.files.insert(0, options.query)
        options.query = None
    try:
        return _run(options)
    except sdbql.QueryError as error:
        print(error, file=sys.stderr)
        return EXIT_QUERY_FAILED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read the output has left
        return EXIT_QUERY_FAILED
    except (OSError, ValueError) as error:
        print(f"sdbql: {error}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        print("sdbql: cancelled", file=sys.stderr)
        return EXIT_QUERY_FAILED


def _run(options: argparse.Namespace) -> int:
    bind_vars = dict([bind_argument(text) for text in options.bind])
    if options.explain:
        if options.query is None:
            raise ValueError("--explain: expected a query, such as: --explain 'RETURN 1'")
        print(sdbql.parse(options.query).explain())
        return 0
    files = JsonFiles(options.files)
    if options.query is None:
        shell = Shell(
            files,
            show=_show,
            tell=_tell,
            as_json=not sys.stdout.isatty(),
            width=table_width,
            bind_vars=bind_vars,
        )
        return run_shell(shell, program="sdbql", tell=_tell)
    for row in files.run(options.query, bind_vars):
        print(json.dumps(row, ensure_ascii=False))
    sys.stdout.flush()
    return 0


def _show(line: str) -> None:
    print(line, flush=True)  # another program may be waiting for the answer to go on


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or with a NUL in it: a query
        return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sdbql",
        description="Run an SDBQL query over JSON files; rows are printed as JSON lines. Without a query: a shell.",
    )
    parser.add_argument("query", metavar="QUERY", nargs="?", help="such as: 'FOR u IN users RETURN u.name'")
    parser.add_argument("files", metavar="FILE", nargs="*", help="users.json is the collection users")
    parser.add_argument("--bind", metavar="NAME=VALUE", action="append", default=[], help="a bind parameter")
    parser.add_argument("--explain", action="store_true", help="print the plan and do not run the query")
    return parser


if __name__ == "__main__":
    sys.exit(main())
