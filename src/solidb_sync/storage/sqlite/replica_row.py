"""The one row that says who a store is, and its record."""

from __future__ import annotations

from typing import Any

from solidb_sync.json_value import decode, encode
from solidb_sync.storage.records import Replica


def replica_of(row: tuple[Any, ...]) -> Replica:
    """Return the record that a row holds, its columns in the order of the statement that reads it."""
    device_id, store_id, last_change, incarnation, counter, settled, pushes, cursor, caught_up, *rest = row
    covered, excluded, epoch, is_resyncing, must_renew, run, horizon, offered, stable, alias = rest
    return Replica(
        device_id=device_id,
        store_id=store_id,
        last_change=last_change,
        incarnation=incarnation,
        counter=counter,
        settled=settled,
        pushes=pushes,
        cursor=cursor,
        caught_up=caught_up,
        covered=None if covered is None else tuple(decode(covered)),
        excluded=tuple(decode(excluded)),
        epoch=epoch,
        is_resyncing=bool(is_resyncing),
        must_renew=bool(must_renew),
        run=run,
        horizon=horizon,
        offered=offered,
        stable=stable,
        alias=alias,
    )


def replica_row(replica: Replica) -> tuple[object, ...]:
    """Return the row of a record, in the same order."""
    covered = None if replica.covered is None else encode(list(replica.covered)).decode()
    return (
        replica.device_id, replica.store_id, replica.last_change, replica.incarnation, replica.counter,
        replica.settled, replica.pushes, replica.cursor, replica.caught_up,
        covered, encode(list(replica.excluded)).decode(), replica.epoch,
        int(replica.is_resyncing), int(replica.must_renew), replica.run, replica.horizon, replica.offered,
        replica.stable, replica.alias,
    )  # fmt: skip
