"""Examples in documentation: a query and what it gives, so that every one of them can be run.

An expression stands on one line with its result, and a query ends with a line of its own:

    LENGTH("añ") => 2

    -- @least = 18
    FOR u IN users FILTER u.age >= @least RETURN u.name
    => ["Ann"]

A line such as `-- @least = 18` says what is bound; it is a comment of the language. A result
goes on to the next empty line; that of an error is its first line, or all of them.

>>> [example.expected for example in examples_in('LENGTH("a") => 1')]
['1']
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sdbql.values import plain_number

GIVES = " => "
BIND = re.compile(r"-- (@@?\w+) = (.*)")
FENCE = re.compile(r"^```sdbql\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Example:
    """A query, or an expression with one value, and what it gives, as it is printed."""

    text: str
    expected: str
    is_query: bool = False
    binds: dict[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> str:
        """The text of the query to run."""
        return self.text if self.is_query else f"RETURN {self.text}"


def printed(value: Any) -> str:
    """Return a value as an example shows it: JSON, with integral floats as integers."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    match value:
        case float():
            return plain_number(value)
        case list():
            return [_plain(element) for element in value]
        case dict():
            return {key: _plain(member) for key, member in value.items()}
        case _:
            return value


def examples_in(text: str) -> list[Example]:
    """Return the examples in lines of text. Raises ValueError for one without a result."""
    return list(_read(text.split("\n")))


def examples_on(page: str) -> list[Example]:
    """Return the examples in the `sdbql` blocks of a page of Markdown."""
    return [example for block in FENCE.findall(page) for example in examples_in(block)]


def _read(lines: list[str]) -> Iterator[Example]:
    written: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place].rstrip()
        place += 1
        if line.startswith("=> "):
            result = [line]
            while place < len(lines) and lines[place].strip():
                result.append(lines[place].rstrip())
                place += 1
            yield _example(written, "\n".join([one[3:] for one in result]))
            written = []
        elif not written and GIVES in line:
            text, _, expected = line.rpartition(GIVES)
            yield Example(text.strip(), expected.strip())
        elif line:
            written.append(line)
    if written:
        raise ValueError(f"an example without a result: {written[0]}")


def _example(written: list[str], expected: str) -> Example:
    binds = {found[1].removeprefix("@"): json.loads(found[2]) for line in written if (found := BIND.fullmatch(line))}
    query = [line for line in written if not BIND.fullmatch(line)]
    return Example("\n".join(query), expected, is_query=True, binds=binds)
