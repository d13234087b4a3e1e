"""The shell itself: what is typed goes in, lines come out. It knows no terminal and prints nothing.

What is queried is a `Queried`; output goes to two functions, one for results and one for everything else.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from sdbql.errors import QueryError
from sdbql.shell.bind_arguments import bind_argument
from sdbql.shell.commands import COMMAND_SIGN, command_in, help_lines
from sdbql.shell.completeness import without_terminator
from sdbql.shell.completion import KnownNames, field_paths
from sdbql.shell.text_table import table_lines

TABLE_ROWS_MAX = 1_000
SAMPLE_DOCUMENTS_MAX = 100
"""How many documents of a collection are asked for the names of attributes."""

Say = Callable[[str], None]


class Queried(Protocol):
    """What a shell asks questions of."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What may be raised beside `QueryError`; it is shown, and the shell goes on."""
        ...

    def collections(self) -> list[str]:
        """Return the names of all collections."""
        ...

    def sample(self, collection: str, count: int) -> Sequence[Mapping[str, Any]]:
        """Return some documents of a collection, at most `count`."""
        ...

    def run(self, text: str, bind_vars: Mapping[str, Any]) -> list[Any]:
        """Return the results of a query.

        Raises KeyboardInterrupt, once the query has stopped, when the user wants no more of it.
        """
        ...

    def explain(self, text: str, bind_vars: Mapping[str, Any]) -> str:
        """Return the steps of a query."""
        ...


class Shell:
    """Runs what is submitted: queries, and commands that begin with a dot.

    `width` tells how wide a table may be, None for any width.
    """

    def __init__(
        self,
        queried: Queried,
        *,
        show: Say,
        tell: Say,
        as_json: bool = False,
        width: Callable[[], int | None] = lambda: None,
        bind_vars: Mapping[str, Any] | None = None,
    ) -> None:
        self._queried = queried
        self._errors: tuple[type[Exception], ...] = (QueryError, *queried.errors)
        self._show = show
        self._tell = tell
        self._as_json = as_json
        self._width = width
        self._bind_vars = dict(bind_vars or {})
        self._names: KnownNames | None = None
        self.has_failed = False
        self._commands: dict[str, Callable[[str], None]] = {
            "help": self._help,
            "collections": self._list_collections,
            "fields": self._list_fields,
            "explain": self._explain,
            "bind": self._bind,
            "json": self._choose_json,
        }

    def submit(self, text: str) -> bool:
        """Run a whole query or a command; returns False when it was the last."""
        self._names = None  # what was known of the documents may have changed since
        try:
            return self._submit(text)
        except self._errors as problem:
            self._complain(str(problem))
        return True

    def known_names(self) -> KnownNames:
        """Return the names that can be completed, as of the last submission."""
        if self._names is None:
            try:
                self._names = self._read_names()
            except self._errors:
                self._names = KnownNames()
        return self._names

    def _read_names(self) -> KnownNames:
        return KnownNames(_SampledFields(self._queried.collections(), self._offered_fields), tuple(sorted(self._bind_vars)))

    def _fields(self, collection: str) -> tuple[str, ...]:
        return field_paths(self._queried.sample(collection, SAMPLE_DOCUMENTS_MAX))

    def _offered_fields(self, collection: str) -> tuple[str, ...]:
        """Return the attributes to be offered: none where the documents can't be read, which a query will tell."""
        try:
            return self._fields(collection)
        except self._errors:
            return ()

    def _submit(self, text: str) -> bool:
        command = command_in(text)
        if command is None:
            if text.strip(" \t\r\n;"):
                self._run(without_terminator(text))
            return True
        name, argument = command
        if name == "quit":
            return False
        if name in self._commands:
            self._commands[name](argument)
        else:
            self._complain(f"{COMMAND_SIGN}{name} is no command; {COMMAND_SIGN}help lists them")
        return True

    def _run(self, text: str) -> None:
        rows = self._queried.run(text, self._bind_vars)
        if self._as_json:
            for row in rows:
                self._show(json.dumps(row, ensure_ascii=False))
            return
        if rows:
            for line in table_lines(rows[:TABLE_ROWS_MAX], width=self._width()):
                self._show(line)
        self._tell(_count_text(len(rows)))

    def _complain(self, text: str) -> None:
        self.has_failed = True
        self._tell(text)

    # commands

    def _help(self, argument: str) -> None:
        for line in help_lines():
            self._show(line)

    def _list_collections(self, argument: str) -> None:
        for name in self._queried.collections():
            self._show(name)

    def _list_fields(self, argument: str) -> None:
        if argument not in self._queried.collections():
            self._complain(f"there is no collection {argument!r}; {COMMAND_SIGN}collections lists them")
            return
        for path in self._fields(argument):
            self._show(path)

    def _explain(self, argument: str) -> None:
        self._show(self._queried.explain(without_terminator(argument), self._bind_vars))

    def _bind(self, argument: str) -> None:
        if argument:
            try:
                name, value = bind_argument(argument)
            except ValueError as problem:
                self._complain(str(problem))
                return
            self._bind_vars[name] = value
            return
        for name, value in sorted(self._bind_vars.items()):
            self._show(f"{name}={json.dumps(value, ensure_ascii=False)}")

    def _choose_json(self, argument: str) -> None:
        choices = {"": not self._as_json, "on": True, "off": False}
        if argument not in choices:
            self._complain(f"{COMMAND_SIGN}json {argument}: expected on or off")
            return
        self._as_json = choices[argument]
        self._tell("rows are printed as lines of JSON" if self._as_json else "rows are printed as tables")


class _SampledFields(Mapping[str, tuple[str, ...]]):
    """The attributes of collections, each looked at when it is first asked for."""

    def __init__(self, collections: Sequence[str], fields: Callable[[str], tuple[str, ...]]) -> None:
        self._collections = dict.fromkeys(collections)
        self._fields = fields
        self._known: dict[str, tuple[str, ...]] = {}

    def __getitem__(self, collection: str) -> tuple[str, ...]:
        if collection not in self._collections:
            raise KeyError(collection)
        if collection not in self._known:
            self._known[collection] = self._fields(collection)
        return self._known[collection]

    def __contains__(self, collection: object) -> bool:
        return collection in self._collections

    def __iter__(self) -> Iterator[str]:
        return iter(self._collections)

    def __len__(self) -> int:
        return len(self._collections)


def _count_text(count: int) -> str:
    rows = "1 row" if count == 1 else f"{count} rows"
    return f"({rows})" if count <= TABLE_ROWS_MAX else f"({rows}; the first {TABLE_ROWS_MAX} are shown)"
