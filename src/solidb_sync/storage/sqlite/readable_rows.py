"""Read a damaged table row by row: what lies in damaged pages is passed over, everything else comes.

SQLite stops a scan at the first page it can't read, and can't say where the next one begins. Rows are ordered by their
number, and a page holds a stretch of them; so behind a stop the numbers are tried one by one up to the first that a leap
finds readable. What can't be read is counted; in a damaged page nobody knows which numbers were in use.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import apsw

from solidb_sync.errors import StorageError

ROWS_AT_ONCE = 200
LEAPS_MAX = 40
"""Each leap is twice as long as the one before: the last goes over a million million numbers."""
TRIES_MAX = 1_000_000
"""How many numbers are tried one by one between two readable places; a stretch that is longer is given up."""
END_TRIES_MAX = 2_000
"""How many are tried in a row when nothing behind a stop can be read: the last page answers for all numbers to come."""

UNREADABLE = (apsw.Error, StorageError)
Row = tuple[Any, ...]


@dataclass(slots=True)
class Scan:
    """Rows of a table by their number, which is the first column; `lost` is how many numbers could not be read, at most.

    `after` reads the next rows behind a number, `one` the row with a number.
    """

    after: Callable[[int, int], list[Row]]
    one: Callable[[int], list[Row]]
    lost: int = 0

    def rows(self) -> Iterator[Row]:
        """Yield every row that can be read, in order."""
        number, count = 0, ROWS_AT_ONCE
        while True:
            try:
                found = self.after(number, count)
            except UNREADABLE:
                if count > 1:
                    count = count // 2
                    continue
                end = self._readable_again(number)
                if end is None:
                    yield from self._to_the_end(number + 1)
                    return
                yield from self._one_by_one(number + 1, end)
                number = end - 1
                continue
            if not found:
                return
            yield from found
            number, count = found[-1][0], min(2 * count, ROWS_AT_ONCE)

    def _readable_again(self, number: int) -> int | None:
        """Return a number behind a damaged place from which on reading works, None when there is none."""
        for leap in range(LEAPS_MAX):
            try:
                found = self.after(number + (1 << leap), 1)
            except UNREADABLE:
                continue
            return int(found[0][0]) if found else number + (1 << leap) + 1
        return None

    def _one_by_one(self, first: int, end: int) -> Iterator[Row]:
        for number in range(first, min(end, first + TRIES_MAX)):
            try:
                yield from self.one(number)
            except UNREADABLE:
                self.lost += 1
        self.lost += max(0, end - first - TRIES_MAX)

    def _to_the_end(self, first: int) -> Iterator[Row]:
        failed = 0
        for number in range(first, first + TRIES_MAX):
            try:
                found = self.one(number)
            except UNREADABLE:
                failed, found = failed + 1, []
                if failed == END_TRIES_MAX:
                    break
            if found:
                self.lost, failed = self.lost + failed, 0
                yield from found
        self.lost += failed
