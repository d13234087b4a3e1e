"""The room of a manager's store: how much there is, how much may be, and what is dropped to make some."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from solidb_sync.client.manager.parts import ManagerParts, check_collection
from solidb_sync.clock import milliseconds_of
from solidb_sync.errors import ConfigError
from solidb_sync.storage.conflict_trimming import TRIMMED_AT_ONCE_MAX, beyond, trim
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.expiry import TtlIndex, drop_ttl_index, expired, put_ttl_index, ttl_indexes
from solidb_sync.storage.field_path import parse_field
from solidb_sync.storage.retention import DROPPED_AT_ONCE_MAX, Candidate, SpaceFreed, candidates, leave
from solidb_sync.storage.space import StorageUsage, give_back, storage_usage, used_bytes

ROOM_AFTER_EVICTION = 0.8
"""The part of the limit that is in use, at most, after an eviction that was not told how much to drop."""
EXPIRY_SECONDS_MAX = 100 * 365 * 24 * 3600


class SpaceMethods(ManagerParts):
    """Usage, limits, eviction and local expiry. What is dropped here is clean and synced, and stays on the server."""

    async def storage_usage(self) -> StorageUsage:
        """Return the bytes the store takes, by what they are for, and how many documents are here and evicted.

        It reads the sizes of everything in a snapshot, on another thread: some 55 ms (SQLite) for 10,000 documents.
        """
        limit_bytes = self._room.limit_bytes
        return await self._scan(lambda reader: storage_usage(reader, limit_bytes))

    async def set_storage_limit(self, bytes: int | None) -> None:
        """Refuse saves that bring the bytes in use beyond this from now on, until the manager ends; None lifts it.

        A refused save raises `StorageFullError`, and listeners get the event `storage_full`. Deletions, syncing and `evict`
        go on, and what other devices wrote is still taken.
        """
        self._room.set_limit(bytes)

    async def evict(
        self, col: str | None = None, *, count: int | None = None, content_bytes: int | None = None
    ) -> SpaceFreed:
        """Drop documents from this device, those longest neither read nor changed first; the server keeps them.

        `count`, `content_bytes`: how many, or how much of their content, at least; with neither, enough to be at four fifths
        of the limit. Never one with unsent, held or refused changes, an open conflict or attachments, nor one that is not
        synced. Queries see only what is here; `get_document` fetches what was evicted. Returns what was dropped, which
        is less when there is no more. Raises `ConfigError` when there is neither an amount nor a limit.
        """
        if col is not None:
            check_collection(col)
        _check_amount("count", count)
        _check_amount("content_bytes", content_bytes)
        if count is None and content_bytes is None:
            content_bytes = await self._scan(self._too_much)
        found = await self._scan(lambda reader: self._candidates(reader, col))
        return await self._drop(_enough(found, count=count, content_bytes=content_bytes), "evicted")

    def _too_much(self, reader: EngineReader) -> int:
        limit_bytes = self._room.limit_bytes
        if limit_bytes is None:
            raise ConfigError("evict: say how much, count=... or content_bytes=...; there is no storage limit to go by")
        return max(0, used_bytes(reader) - int(limit_bytes * ROOM_AFTER_EVICTION))

    def _candidates(self, reader: EngineReader, col: str | None) -> list[Candidate]:
        collections = reader.collections() if col is None else [col]
        return candidates(reader, collections, self._read_times.known(reader), lambda stamp: milliseconds_of(stamp) or 0)

    async def _drop(self, chosen: Sequence[Candidate], reason: str) -> SpaceFreed:
        freed = SpaceFreed()
        for start in range(0, len(chosen), DROPPED_AT_ONCE_MAX):
            part = chosen[start : start + DROPPED_AT_ONCE_MAX]
            facts = await self._store.commit(lambda engine, part=part: leave(engine, part, reason))  # type: ignore[misc]
            gone = {(fact.collection, fact.key) for fact in facts}
            dropped = sum(candidate.size for candidate in part if candidate[1:3] in gone)
            freed = SpaceFreed(freed.documents + len(facts), freed.content_bytes + dropped)
            self._notifications.publish(facts)
        await self._store.commit(self._read_times.write)
        while await self._store.commit(give_back):  # every time with fewer pages left
            pass
        return freed

    async def create_ttl_index(self, col: str, field: str, expire_after_secs: float) -> None:
        """Let documents of a collection leave this device so many seconds after the moment in a field; see `cleanup`.

        The field has an ISO-8601 text or milliseconds since 1970; documents without one stay. It is local, durable, and
        never a deletion on the server. A second one over the same field takes the place of the first.
        """
        check_collection(col)
        parse_field(field)
        is_number = isinstance(expire_after_secs, int | float) and not isinstance(expire_after_secs, bool)
        if not is_number or not 0 <= expire_after_secs <= EXPIRY_SECONDS_MAX:
            raise ConfigError(
                f"expire_after_secs: expected seconds from 0 to {EXPIRY_SECONDS_MAX}, found {expire_after_secs!r}"
            )
        await self._store.commit(lambda engine: put_ttl_index(engine, TtlIndex(col, field, expire_after_secs)))

    async def list_ttl_indexes(self) -> list[TtlIndex]:
        """Return what expires, by collection and field."""
        return self._view(ttl_indexes)

    async def drop_ttl_index(self, col: str, field: str) -> bool:
        """Let documents stay again; False when there was no such index."""
        return await self._store.commit(lambda engine: drop_ttl_index(engine, col, field))

    async def cleanup(self) -> SpaceFreed:
        """Drop the documents whose time is over, and give unused pages back to the file system; returns what was dropped.

        While the manager syncs by itself it also does this by itself, every `cleanup_interval_secs`.

        What is not synced stays until it is. Of the conflict log the newest `conflicts_kept_max` decided ones stay, and
        every one that is open or whose document has unsent edits.
        """
        now_ms = self._store.clock.now_ms()
        await self._trim_conflicts(self._config.conflicts_kept_max)
        return await self._drop(await self._scan(lambda reader: expired(reader, now_ms)), "expired")

    async def _trim_conflicts(self, most: int) -> None:
        old = await self._scan(lambda reader: beyond(reader, most))
        for start in range(0, len(old), TRIMMED_AT_ONCE_MAX):
            part = old[start : start + TRIMMED_AT_ONCE_MAX]
            await self._store.commit(partial(trim, ids=part))


def _enough(found: Sequence[Candidate], *, count: int | None, content_bytes: int | None) -> list[Candidate]:
    """Return the first of the candidates, until they are as many and as large as asked for."""
    chosen: list[Candidate] = []
    size = 0
    for candidate in found:
        if len(chosen) >= (count or 0) and size >= (content_bytes or 0):
            break
        chosen.append(candidate)
        size += candidate.size
    return chosen


def _check_amount(name: str, amount: int | None) -> None:
    if amount is not None and (isinstance(amount, bool) or not isinstance(amount, int) or amount < 0):
        raise ConfigError(f"{name}: expected a number that is not negative, found {amount!r}")
