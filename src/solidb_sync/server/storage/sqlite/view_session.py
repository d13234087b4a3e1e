"""Views over one connection to a database file; the caller holds the transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from solidb_sync.json_value import encode
from solidb_sync.server.storage.sqlite import statements as sql
from solidb_sync.server.storage.sqlite import view_statements as view_sql
from solidb_sync.server.storage.views import RowState, View, ViewRow


class SqliteViewReads:
    """Implements `ViewReads`."""

    _connection: apsw.Connection

    def views_of(self, client_id: str) -> list[View]:
        """Return the views of a device, oldest first."""
        rows: Any = self._connection.execute(view_sql.VIEWS_OF, (client_id,))
        return [View._make((*names, bool(is_settled), floor)) for *names, is_settled, floor in rows]

    def view_rows(self, view: int, rows: Sequence[int]) -> dict[int, ViewRow]:
        """Return those of these documents that are in a view."""
        found: Any = self._connection.execute(view_sql.VIEW_ROWS, (view, _numbers(rows)))
        return {row: ViewRow(row, since, RowState(state)) for row, since, state in found}

    def has_left(self, view: int, upto: int) -> bool:
        """Return whether a document of the view was told to leave at or below a sequence."""
        return bool(self._connection.execute(view_sql.HAS_LEFT, (view, upto)).fetchall())

    def holders(self, rows: Sequence[int]) -> set[str]:
        """Return the devices that have one of these documents in a view."""
        return {client_id for (client_id,) in self._connection.execute(view_sql.HOLDERS, (_numbers(rows),))}


class SqliteViewWrites(SqliteViewReads):
    """Implements `ViewWrites`."""

    def add_view(self, client_id: str, collection: str, filter_: str, *, is_settled: bool) -> int:
        """Add an empty view and return its number."""
        rows: Any = self._connection.execute(view_sql.ADD_VIEW, (client_id, collection, filter_, int(is_settled)))
        ((number,),) = rows.fetchall()
        return int(number)

    def copy_view(self, base: View, view: int, *, cursor: int) -> None:
        """Fill a new view with what a device may hold by an older one."""
        self._connection.execute(view_sql.COPY_VIEW, {"view": view, "base": base.number, "cursor": cursor})

    def fill_with_collection(self, view: int, collection: str, *, cursor: int, horizon: int) -> None:
        """Fill a new view with the whole collection up to a cursor, and with what may be held beyond it up to a horizon."""
        bindings = {"view": view, "cursor": cursor}
        self._fill(view_sql.FILL_WITH_COLLECTION, collection, bindings)
        if horizon > cursor:
            self._fill(view_sql.FILL_BEYOND_CURSOR, collection, {**bindings, "horizon": horizon})

    def fill_with_own(self, view: int, collection: str, client_id: str) -> None:
        """Add the documents that the device has edited itself."""
        name = encode(client_id).decode()
        bindings = {"view": view, "first_life": f"{name}:", "later_life": f"{name[:-1]}~"}
        self._fill(view_sql.FILL_WITH_OWN, collection, bindings)

    def _fill(self, statement: str, collection: str, bindings: dict[str, Any]) -> None:
        rows: Any = self._connection.execute(sql.COLLECTION_ID, (collection,)).fetchall()
        if rows:
            self._connection.execute(sql.for_collection(statement, rows[0][0]), bindings)

    def put_view_rows(self, view: int, rows: Sequence[ViewRow]) -> None:
        """Insert or replace documents of a view."""
        if rows:
            self._connection.executemany(
                view_sql.PUT_VIEW_ROW, [(view, row, since, int(state)) for row, since, state in rows]
            )

    def drop_left(self, view: int, upto: int) -> None:
        """Forget the documents that were told to leave at or below a sequence."""
        ((highest,),) = self._connection.execute(view_sql.HIGHEST_LEFT, (view, upto)).fetchall()
        if highest is not None:
            self._connection.execute(view_sql.RAISE_FLOOR, (highest, view))
            self._connection.execute(view_sql.DROP_LEFT, (view, upto))

    def settle_view(self, view: int) -> None:
        """Note that the device has caught up with a view."""
        self._connection.execute(view_sql.SETTLE_VIEW, (view,))
        self._connection.execute(view_sql.SETTLE_ROWS, (view,))

    def drop_views(self, numbers: Sequence[int]) -> None:
        """Forget views with all their documents."""
        if numbers:
            self._connection.execute(view_sql.DROP_VIEW_ROWS, (_numbers(numbers),))
            self._connection.execute(view_sql.DROP_VIEWS, (_numbers(numbers),))

    def add_pushed(self, client_id: str, *, after: int) -> None:
        """Take the documents changed after a sequence into the views of a device."""
        for statement in (view_sql.ADD_CREATED, view_sql.ADD_CHANGED):
            self._connection.execute(statement, {"client_id": client_id, "after": after})


def _numbers(rows: Sequence[int]) -> str:
    return encode(list(rows)).decode()
