"""Whether a device and this database share a history: what the device has seen must still be here.

Every start of the server is a *run* with an id. A device stores the run of the last answer with its cursor and sends both.
When the file of the database was replaced by an older one, the device proves it: it names a run that is not known here, or
has reached a sequence beyond the end of its run, or knows of more pushes than were taken.

The other direction is the floor: tombstones at or below it have been collected, so whoever reads from further back would
miss deletions, and has to fetch everything again; unless it began to fetch from nothing when the floor was there already.
"""

from __future__ import annotations

from typing import Protocol

from solidb_sync.protocol.limits import PROTOCOL
from solidb_sync.protocol.names import incarnation_of
from solidb_sync.server.refusals import RequestRefused, resync_required
from solidb_sync.server.storage.backend import ReadSession
from solidb_sync.server.storage.records import ActorState, Head

LOST_HISTORY = "lost_history"
OTHER_DATABASE = "other_database"
BELOW_FLOOR = "below_floor"


class Standing(Protocol):
    """What a request says of the history its device has seen."""

    @property
    def client_id(self) -> str:
        """The device."""

    @property
    def actor(self) -> str:
        """The name it counts its edits under."""

    @property
    def protocol(self) -> int:
        """0 for a request written by hand."""

    @property
    def epoch(self) -> str:
        """The database it knows, empty for none."""

    @property
    def run(self) -> str:
        """The run of the last answer it stored, empty for none."""

    @property
    def cursor(self) -> int:
        """The sequence it reads from."""

    @property
    def floor(self) -> int:
        """The floor there was when it began to fetch from nothing."""

    @property
    def horizon(self) -> int:
        """The highest sequence it holds something of."""

    @property
    def acknowledged(self) -> int:
        """The highest counter of its own that was answered for."""

    @property
    def pushes(self) -> int | None:
        """How many of its pushes were taken, as far as it knows."""


def check_history(session: ReadSession, standing: Standing, head: Head, actor: ActorState | None) -> None:
    """Raise `RequestRefused` (410) when the device has seen what this database has not, or misses what it has dropped.

    A request written by hand (without `protocol`) may carry any cursor: one beyond the newest sequence is read as none
    at all, and it gets no run to name.
    """
    if standing.epoch and standing.epoch != head.epoch:
        problem = f"epoch: {standing.epoch[:64]!r} is not this database's"
        raise resync_required(problem, epoch=head.epoch, reason=OTHER_DATABASE)
    if standing.protocol < PROTOCOL:
        check_floor(standing.cursor if standing.cursor <= head.newest else 0, head, began_at=standing.floor)
        return
    lost = _lost_sequence(session, standing, head) or _lost_pushes(session, standing, actor)
    if lost is not None:
        raise resync_required(f"{lost}: the server has lost a part of the history", epoch=head.epoch, reason=LOST_HISTORY)
    check_floor(standing.cursor, head, began_at=standing.floor)


def check_floor(cursor: int, head: Head, *, began_at: int) -> None:
    """Raise `RequestRefused` (410) when deletions after a cursor can't be told any more.

    Whoever begins from nothing, or has begun when the floor was at `began_at`, needs none of those.
    """
    if 0 < cursor < head.floor and began_at < head.floor:
        problem = f"version_vector.server: deletions up to {head.floor} are forgotten, {cursor} is too far back"
        raise resync_required(problem, epoch=head.epoch, reason=BELOW_FLOOR)


def _lost_sequence(session: ReadSession, standing: Standing, head: Head) -> str | None:
    reached = max(standing.cursor, standing.horizon)
    end = head.newest
    if standing.run and standing.run != head.run:
        ended = session.end_of_run(standing.run)
        if ended is None:
            return f"run: {standing.run[:64]!r} is not known here"
        end = ended
    if reached > end:
        return f"version_vector.server: {reached} was reached, but there is nothing beyond {end}"
    return None


def _lost_pushes(session: ReadSession, standing: Standing, actor: ActorState | None) -> str | None:
    taken, pushes = (0, 0) if actor is None else (actor.highest, actor.pushes)
    if standing.acknowledged > taken:
        return f"settled: {standing.acknowledged} of {standing.actor!r} was answered for, but only {taken} is here"
    if standing.pushes is not None and standing.pushes > pushes:
        return f"pushes: {standing.pushes} were taken of {standing.actor!r}, but only {pushes} are here"
    if actor is None:
        incarnation = incarnation_of(standing.actor, standing.client_id)
        if incarnation > session.incarnation(standing.client_id):
            return f"actor: {standing.actor!r} was given out, but is not known here"
    return None


__all__ = ["BELOW_FLOOR", "LOST_HISTORY", "OTHER_DATABASE", "RequestRefused", "check_floor", "check_history"]
