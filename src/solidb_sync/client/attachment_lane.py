"""The lane of attached bytes: its own task, beside the rounds, which it never holds up.

A pass sends what the server has not said it has, and (`attachments="eager"`) fetches what documents name and is not here, a
few at a time. What fails is tried again after a jittered, doubling delay, which no new work shortens; what the server has
not got yet (its author is still sending) is asked for again in the same way, but holds up nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from solidb_sync.client.attachment_edits import AttachmentEdits
from solidb_sync.client.attachment_transfers import AttachmentTransfers
from solidb_sync.client.connectivity import Connectivity
from solidb_sync.client.retry import Backoff
from solidb_sync.errors import AuthError, ConnectionError, NotFoundError, ServerError, SoliDBError, StorageError
from solidb_sync.model.attachment import Attachment
from solidb_sync.storage.attachments import unsent, wanted
from solidb_sync.storage.engine import EngineReader
from solidb_sync.storage.local_store import LocalStore
from solidb_sync.storage.records import BlobState, Mark, StoredBlob

TRANSFERS_AT_ONCE_MAX = 2
FOREVER = float("inf")


@dataclass(slots=True)
class AttachmentSync:
    """What a pass did. `waiting`: attachments the server has not got yet. `errors` is empty when nothing else is left."""

    sent: int = 0
    fetched: int = 0
    waiting: int = 0
    errors: list[str] = field(default_factory=list)
    retry_after_seconds: float | None = None

    @property
    def success(self) -> bool:
        """True when nothing failed."""
        return not self.errors


class AttachmentLane:
    """Moves the attached bytes of one store."""

    def __init__(
        self,
        store: LocalStore,
        transfers: AttachmentTransfers,
        edits: AttachmentEdits,
        connectivity: Connectivity,
        *,
        backoff: Backoff,
        is_eager: bool,
    ) -> None:
        self._store = store
        self._transfers = transfers
        self._edits = edits
        self._connectivity = connectivity
        self._backoff = backoff
        self._is_eager = is_eager
        self._changed = asyncio.Event()
        self._alone = asyncio.Lock()
        self._fetching: dict[str, asyncio.Task[None]] = {}
        self._workers: list[asyncio.Task[None]] = []
        self._due = FOREVER
        """When the next pass is due, unless `_not_before` is later."""
        self._not_before = -FOREVER
        self._failures = 0

    def wake(self) -> None:
        """Look for work soon, unless a failure's delay is running."""
        self._due = -FOREVER
        self._changed.set()

    def wake_now(self) -> None:
        """Look for work soon, whatever failed before."""
        self._failures, self._not_before = 0, -FOREVER
        self.wake()

    def server_answers(self) -> None:
        """Take note that a round has succeeded: what failed for want of a network need not wait any longer."""
        if self._failures:
            self.wake_now()

    async def run(self) -> None:
        """Do passes for ever; ends by cancellation."""
        clock = asyncio.get_running_loop()
        with suppress(StorageError):  # it is only tidying
            await self._edits.collect()
        self.wake()
        while True:
            await self._wait(clock)
            self._changed.clear()
            if self._connectivity.is_on and clock.time() >= max(self._due, self._not_before):
                self._due = FOREVER
                self._plan_after(await self.move_all(), clock.time())

    async def _wait(self, clock: asyncio.AbstractEventLoop) -> None:
        due = max(self._due, self._not_before) if self._connectivity.is_on else FOREVER
        try:
            async with asyncio.timeout(None if due == FOREVER else max(0.0, due - clock.time())):
                await self._changed.wait()
        except TimeoutError:
            pass

    def _plan_after(self, did: AttachmentSync, now: float) -> None:
        if did.success and not did.waiting:
            self._failures = 0
            return
        self._failures = 1 if did.sent or did.fetched else self._failures + 1
        retry = now + self._backoff.delay_seconds(self._failures, did.retry_after_seconds)
        self._due = min(self._due, retry)
        if not did.success:
            self._not_before = retry

    async def move_all(self) -> AttachmentSync:
        """Send and fetch all there is, a few at a time; what fails is told in the result and tried the next time."""
        async with self._alone:
            did = AttachmentSync()
            jobs = deque(await self._jobs(did))
            self._workers = [
                asyncio.create_task(self._work(jobs, did), name="attachment transfer")
                for _ in range(min(TRANSFERS_AT_ONCE_MAX, len(jobs)))
            ]
            try:
                if self._workers:
                    await asyncio.wait(self._workers)
            finally:
                for worker in self._workers:
                    worker.cancel()
            if any(worker.cancelled() for worker in self._workers):
                did.errors.append("the transfer was broken off: stopped, or taken offline")
            for worker in self._workers:
                if worker.done() and not worker.cancelled():
                    worker.result()  # what is not of our errors is a bug, and must not be lost
            self._workers = []
            return did

    async def _jobs(self, did: AttachmentSync) -> list[Callable[[], Awaitable[None]]]:
        async def send(blob: StoredBlob) -> None:
            await self._transfers.send(blob)
            did.sent += 1

        async def fetch(attachment: Attachment) -> None:
            await self.fetch(attachment)
            did.fetched += 1

        jobs: list[Callable[[], Awaitable[None]]] = [partial(send, blob) for blob in self._store.view(unsent)]
        if self._is_eager and self._store.view(lambda reader: reader.has_marks(Mark.ATTACHED)):
            missing = self._store.scan(_missing) if not self._store.scans_in_threads else None
            if missing is None:
                missing = await asyncio.to_thread(self._store.scan, _missing)
            jobs += [partial(fetch, attachment) for attachment in missing]
        return jobs

    async def _work(self, jobs: deque[Callable[[], Awaitable[None]]], did: AttachmentSync) -> None:
        while jobs:
            job = jobs.popleft()
            try:
                await job()
            except NotFoundError:
                did.waiting += 1
            except SoliDBError as problem:
                did.errors.append(str(problem))
                if isinstance(problem, ServerError):
                    did.retry_after_seconds = problem.retry_after_seconds
                if isinstance(problem, (ConnectionError, AuthError)):
                    jobs.clear()  # the others would fare no better

    async def fetch(self, attachment: Attachment) -> None:
        """Fetch an attachment; those who ask for the same one share the fetching. Raises what kept it from coming."""
        task = self._fetching.get(attachment.digest)
        if task is None:
            task = asyncio.create_task(self._transfers.fetch(attachment), name="attachment fetch")
            self._fetching[attachment.digest] = task
            task.add_done_callback(lambda done: self._has_ended(attachment.digest, done))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise ConnectionError("the transfer was broken off: stopped, or taken offline") from None
            raise

    def _has_ended(self, digest: str, task: asyncio.Task[None]) -> None:
        self._fetching.pop(digest, None)
        if not task.cancelled():
            task.exception()  # whoever still waits is told; when nobody does it is no news

    async def cancel(self) -> None:
        """Break off what is on its way; it goes on later where it was."""
        moving = [task for task in (*self._workers, *self._fetching.values()) if not task.done()]
        for task in moving:
            task.cancel()
        if moving:
            await asyncio.wait(moving)


def _missing(reader: EngineReader) -> list[Attachment]:
    """Return the attachments that documents name and of which nothing, or only a beginning, is here."""
    named = wanted(reader)
    known = {blob.name for blob in reader.blobs() if blob.state is not BlobState.ARRIVING}
    return [attachment for digest, attachment in named.items() if digest not in known]
