"""`query` and `explain`: SDBQL over this device's documents. Neither touches the network."""

from __future__ import annotations

from typing import Any

import click

from sdbql.shell.loop import run_shell, table_width
from sdbql.shell.session import Shell
from sdbql.shell.text_table import table_lines
from solidb_sync.cli.options import examples, store_options
from solidb_sync.cli.output import EXIT_DONE, Output
from solidb_sync.cli.settings import client_settings
from solidb_sync.cli.store_queries import StoreQueries, bind_option, bind_vars, opened_for_queries


@click.command(
    epilog=examples(
        "solidb-sync query 'FOR u IN users FILTER u.age >= @min RETURN u' --bind min=18",
        "solidb-sync query",
    )
)
@click.argument("text", metavar="[QUERY]", required=False)
@bind_option
@store_options
def query(text: str | None, *, binds: tuple[str, ...], as_json: bool, **flags: Any) -> int:
    """Print what a query over this device's documents returns, as a table; without a query, open a shell."""
    output, given = Output(as_json=as_json), bind_vars(binds)
    with opened_for_queries(client_settings(flags)) as store:
        if text is None:
            return _shell(store, output, given)
        rows = store.run(text, given)
    output.result(rows, *(table_lines(rows, width=table_width()) if rows else ()))
    if not as_json:
        output.note("(1 row)" if len(rows) == 1 else f"({len(rows)} rows)")
    return EXIT_DONE


def _shell(store: StoreQueries, output: Output, given: dict[str, Any]) -> int:
    shell = Shell(
        store,
        show=output.line,
        tell=output.note,
        as_json=output.as_json,
        width=table_width,
        bind_vars=given,
    )
    return run_shell(shell, program="solidb-sync", tell=output.note)


@click.command(epilog=examples("solidb-sync explain 'FOR u IN users FILTER u.age >= 18 RETURN u'"))
@click.argument("text", metavar="QUERY")
@bind_option
@store_options
def explain(text: str, *, binds: tuple[str, ...], as_json: bool, **flags: Any) -> int:
    """Print the steps of a query, which of them run inside the store, and the indexes they use, without running it."""
    with opened_for_queries(client_settings(flags)) as store:
        plan = store.explain(text, bind_vars(binds))
    Output(as_json=as_json).result({"plan": plan.splitlines()}, *plan.splitlines())
    return EXIT_DONE
