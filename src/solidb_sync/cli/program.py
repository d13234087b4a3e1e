"""`solidb-sync` as a tree of commands, and what its exit status says: 0 done, 1 not done, 2 wrong usage."""

from __future__ import annotations

import importlib.metadata

import click

import sdbql
from solidb_sync.cli.attachments import attach, attachments
from solidb_sync.cli.care import backup, salvage, verify
from solidb_sync.cli.conflicts import conflicts
from solidb_sync.cli.convert import convert
from solidb_sync.cli.demo.command import demo
from solidb_sync.cli.doctor.command import doctor
from solidb_sync.cli.documents import delete, get, pending, put
from solidb_sync.cli.index import index
from solidb_sync.cli.init import init
from solidb_sync.cli.options import examples
from solidb_sync.cli.output import EXIT_DONE, EXIT_NOT_DONE, EXIT_WRONG_USAGE, Output, stop_printing
from solidb_sync.cli.query import explain, query
from solidb_sync.cli.serve import serve
from solidb_sync.cli.status import status
from solidb_sync.cli.sync import sync
from solidb_sync.cli.token import token
from solidb_sync.errors import ConfigError, InvalidDocumentError, SoliDBError


@click.group(epilog=examples("solidb-sync demo", "solidb-sync put --help"))
@click.version_option(importlib.metadata.version("solidb-sync"), prog_name="solidb-sync")
def program() -> None:
    """Documents that work offline, kept in step with a server."""


for command in (
    serve,
    demo,
    init,
    sync,
    status,
    get,
    put,
    delete,
    pending,
    attach,
    attachments,
    conflicts,
    query,
    explain,
    index,
    convert,
    doctor,
    verify,
    backup,
    salvage,
    token,
):
    program.add_command(command)


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status; errors are told on standard error, without a traceback."""
    output = Output(as_json="--json" in arguments)
    try:
        status = program.main(args=arguments, prog_name="solidb-sync", standalone_mode=False)
    except click.ClickException as problem:
        return _wrong_usage(output, problem)
    except (click.Abort, KeyboardInterrupt):
        return _failed(output, "interrupted", "Interrupted", EXIT_NOT_DONE)
    except sdbql.QueryError as problem:
        exit_code = EXIT_WRONG_USAGE if isinstance(problem, sdbql.ParseError) else EXIT_NOT_DONE
        return _failed(output, str(problem), type(problem).__name__, exit_code)
    except SoliDBError as problem:
        return _failed(output, str(problem), type(problem).__name__, _exit_code(problem))
    except BrokenPipeError:
        stop_printing()
        return EXIT_NOT_DONE
    except OSError as problem:
        return _failed(output, f"{problem.filename or 'system'}: {problem.strerror}", "OSError", EXIT_NOT_DONE)
    return status if isinstance(status, int) else EXIT_DONE


def _wrong_usage(output: Output, problem: click.ClickException) -> int:
    if isinstance(problem, click.exceptions.NoArgsIsHelpError):
        return _failed(output, f"a command is missing\n{problem.format_message()}", "Usage", EXIT_WRONG_USAGE)
    message = problem.format_message()
    context = problem.ctx if isinstance(problem, click.UsageError) else None
    if context is not None:
        message += f" (see: {context.command_path} --help)"
    return _failed(output, message, "Usage", EXIT_WRONG_USAGE)


def _failed(output: Output, message: str, kind: str, exit_code: int) -> int:
    output.error(message, type=kind, exit_code=exit_code)
    return exit_code


def _exit_code(problem: SoliDBError) -> int:
    """Return 2 for what the caller gave wrongly; a setting that only the system could not follow is not done."""
    is_from_outside = isinstance(problem.__cause__, OSError)
    is_callers = isinstance(problem, (ConfigError, InvalidDocumentError)) and not is_from_outside
    return EXIT_WRONG_USAGE if is_callers else EXIT_NOT_DONE
