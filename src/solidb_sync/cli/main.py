"""The entry point of `solidb-sync`: it works, or says what to install, when the extra `cli` is missing."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from solidb_sync.cli.output import EXIT_NOT_DONE, Output


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status: 0 done, 1 not done, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        from solidb_sync.cli.program import run
    except ModuleNotFoundError as problem:
        if problem.name != "click":
            raise
        wanted = "the command line needs click; install it with: pip install 'solidb-sync[cli]'"
        Output(as_json="--json" in given).error(wanted, type="MissingPackage", exit_code=EXIT_NOT_DONE)
        return EXIT_NOT_DONE
    return run(given)
