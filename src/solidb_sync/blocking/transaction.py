"""Several edits that happen together, without `await`."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from solidb_sync.blocking.facade import Facade, blocking
from solidb_sync.client import local_edits


class Transaction(Facade[local_edits.Transaction]):
    """Several edits that happen together: all or none, here and on the server.

    Use it with `with`; the edits are recorded when the block ends, and dropped when it ends with an exception.
    """

    save_document = blocking(local_edits.Transaction.save_document)
    get_document = blocking(local_edits.Transaction.get_document)
    delete_document = blocking(local_edits.Transaction.delete_document)
    crdt_increment = blocking(local_edits.Transaction.crdt_increment)
    crdt_decrement = blocking(local_edits.Transaction.crdt_decrement)
    crdt_set = blocking(local_edits.Transaction.crdt_set)
    crdt_add_to_set = blocking(local_edits.Transaction.crdt_add_to_set)
    crdt_orset_add = blocking(local_edits.Transaction.crdt_orset_add)
    crdt_orset_remove = blocking(local_edits.Transaction.crdt_orset_remove)
    crdt_map_put = blocking(local_edits.Transaction.crdt_map_put)
    crdt_map_remove = blocking(local_edits.Transaction.crdt_map_remove)
    crdt_bounded_increment = blocking(local_edits.Transaction.crdt_bounded_increment)
    crdt_bounded_decrement = blocking(local_edits.Transaction.crdt_bounded_decrement)

    @property
    def has_changed(self) -> bool:
        """True when the block has ended and recorded something."""
        return self._core.has_changed

    def __enter__(self) -> Self:
        _enter(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        _leave(self, kind, problem, trace)


_enter = blocking(local_edits.Transaction.__aenter__)


async def _record(
    core: local_edits.Transaction,
    kind: type[BaseException] | None,
    problem: BaseException | None,
    trace: TracebackType | None,
) -> None:
    await core.__aexit__(kind, problem, trace)


_leave = blocking(_record)
