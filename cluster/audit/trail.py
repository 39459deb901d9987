"""The audit trail of one process: what every request and every change leaves behind.

Flows in: records, from requests (`note`, a queue) and from admin changes (`append`, in the change's
own transaction). Flows out: two chains in the store, `<name>-<hex>` and `<name>-<hex>-admin`, and
signed checkpoints of both in a folder apart from it.

While the store is down, links wait in a file of the folder; where that fails too, records wait in
memory up to `QUEUE_RECORDS`, and what comes then is dropped and counted (`lost`), and the count is
chained as soon as there is room. A kill loses what was noted since the last flush.
"""

import asyncio
import contextlib
import logging
import secrets
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.audit import checkpoints, prune, rows
from cluster.audit.chain import Chain, ChainedRecord
from cluster.audit.fields import check, truncate_fields
from cluster.audit.keys import AuditKeys
from cluster.audit.record import AuditRecord, Scalar
from cluster.audit.repeats import Repeats
from cluster.audit.retention import Retention
from cluster.audit.spill import SUFFIX, Spill
from cluster.runtime.background import PeriodicTask, create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.storage.locks import Lock, advisory_lock

FLUSH_S = 0.5
CHECKPOINT_S, CHECKPOINT_RECORDS = 30.0, 5_000
STORE_S = 5.0  # a transaction that takes longer counts as failed
QUEUE_RECORDS = 50_000
BATCH = 500
NOBODY = "-"  # the tenant of what the trail says about itself
OPENED, CLOSED = "trail.opened", "trail.closed"
CHECKPOINTED, PRUNED = "trail.checkpoint", "trail.pruned"  # both tell of a line of the file
MAX_NAME = 40

log = logging.getLogger(__name__)


class AuditTrail:
    """Make one a process, `start` it, `close` it. `writer` names what the process is."""

    def __init__(
        self,
        database: Database,
        writer: str,
        key: AuditKeys,
        folder: Path,
        clock: Clock,
        retention_days: int | None = None,
    ) -> None:
        """Records are kept for `retention_days`; None: for ever.

        Raises ValueError if `writer` is longer than 40 characters.
        """
        if not 1 <= len(writer) <= MAX_NAME:
            raise ValueError(f"writer: must have 1 to {MAX_NAME} characters")
        self.writer = f"{writer}-{secrets.token_hex(8)}"
        self.admin_writer = f"{self.writer}-admin"
        self.lost = 0
        self._database, self._keys, self._clock = database, key, clock
        self._folder = folder
        self._queue: deque[AuditRecord] = deque()
        self._repeats = Repeats(self.enqueue, clock)
        self._chain = Chain(key.chain, self.writer)
        self._own = [self._record(OPENED)]  # goes before what is queued
        self._untold = 0  # lost, and not yet chained
        self._pending: list[ChainedRecord] = []  # chained, and not yet stored or spilled
        self._spill: Spill | None = None
        self._orphans: list[Spill] = []
        self._flushing = asyncio.Lock()
        self._fresh = 0  # stored since the last checkpoint
        self._admin_marked = 0  # where the admin chain stood at the last checkpoint
        self._checkpointed = clock.monotonic() - CHECKPOINT_S
        self._closed = False
        self._drain: asyncio.Task[None] | None = None
        self._retention = Retention(self.prune, retention_days, clock)
        self._periodic: list[PeriodicTask] = []

    def enqueue(self, record: AuditRecord) -> None:
        """Take a record of the data plane. Never fails: what does not fit is cut or counted."""
        if len(self._queue) < QUEUE_RECORDS:
            self._queue.append(record)
        else:
            self.lost += 1
            self._untold += 1

    def enqueue_repeatable(self, record: AuditRecord) -> None:
        """The same for what anybody can cause without a credential: repeats are counted instead,
        and recorded once a minute. `detail.address` is where it came from."""
        self._repeats.note(record)

    async def append(self, connection: AsyncConnection, record: AuditRecord) -> None:
        """Chain a record inside the caller's transaction; it is kept if that commits.

        Last of the transaction's statements: until its end no other may append. Raises
        InvalidRecord, and what the store raises.
        """
        check(record)
        head = await rows.lock_head(connection, self.admin_writer)
        chain = Chain(self._keys.chain, self.admin_writer, head.seq, head.mac)
        first = [] if head.seq else [self._record(OPENED)]
        await rows.append(connection, head, [chain.link(each) for each in (*first, record)])

    async def prune(self, before: float, by: AuditRecord | None = None) -> int:
        """Remove old records, up to this node's last checkpoint before `before` (Unix seconds).

        Returns how many. `by` says who wanted it; it is kept in the same transaction, with that
        figure in its detail. Raises Conflict if the checkpoints are at fault, StoreDown, OSError.
        """
        marks = await asyncio.to_thread(prune.checkpoints_before, self._keys, self._folder, before)
        async with self._database.read() as connection:
            marks = await prune.prune_points(connection, marks)
        if not marks and by is None:
            return 0
        async with self._database.begin() as connection:
            await advisory_lock(connection, Lock.AUDIT_START)
            removed = await self._cut(connection, await prune.prune_points(connection, marks))
            if by is not None:
                detail = {**by.detail, "removed": removed}
                await self.append(connection, replace(by, detail=detail))
        return removed

    async def retain(self) -> int:
        """What the trail does by itself once a day: remove what is older than its retention."""
        return await self._retention.keep()

    async def start(self) -> None:
        """Flush every half second from now on; take over what killed processes left behind."""
        await asyncio.to_thread(self._adopt)
        self._periodic = [
            PeriodicTask(self.flush, FLUSH_S, "writing of the audit trail", delayed=True),
            self._retention.periodic_task(),
        ]
        for task in self._periodic:
            task.start()

    async def close(self) -> None:
        """Store or spill everything, end both chains, and leave a last checkpoint."""
        if self._closed:
            return
        self._closed = True
        for task in self._periodic:
            await task.close()
        self._repeats.flush(everything=True)
        await self.flush()
        if self._is_stored():
            await self._checkpoint()
        self._own.append(self._record(CLOSED))
        await self.flush()
        if self._is_stored():
            await self._try(self._end_admin_chain)
            await self._checkpoint()
        for spill in (self._spill, *self._orphans):
            if spill is not None:
                spill.close()

    async def flush(self) -> None:
        """Store what was noted so far. While the store is down it is spilled instead."""
        self._repeats.flush()
        self._drain = create_detached_task(self._drained())
        await asyncio.shield(self._drain)  # cancelled halfway, a batch would be lost

    async def _drained(self) -> None:
        async with self._flushing:
            stored, left = True, len(self._queue)  # what comes meanwhile is the next flush's
            while left or self._own or self._untold or not self._is_stored():
                if not self._pending:
                    own, noted = self._take(min(BATCH, left))
                    left -= len(noted)
                    self._pending = await asyncio.to_thread(self._chained, own, noted)
                stored = stored and await self._try(self._store)
                if not stored and not (await asyncio.to_thread(self._keep) and left):
                    return
            if self._due():
                await self._checkpoint()

    async def _cut(
        self, connection: AsyncConnection, marks: list[checkpoints.ChainPosition]
    ) -> int:
        if not marks:
            return 0
        now = self._clock.wall()
        cut = await asyncio.to_thread(prune.sign, self._folder, self._keys, marks, now)
        removed = await prune.remove(connection, marks)
        details: dict[str, Scalar] = {"log": cut.log, "number": cut.number, "removed": removed}
        await self.append(connection, self._record(PRUNED, **details))
        return removed

    def _take(self, count: int) -> tuple[list[AuditRecord], list[AuditRecord]]:
        own, self._own = self._own, []
        if self._untold:
            own.append(self._record(rows.LOST, count=self._untold))
            self._untold = 0
        return own, [self._queue.popleft() for _ in range(count)]

    def _chained(self, own: list[AuditRecord], noted: list[AuditRecord]) -> list[ChainedRecord]:
        self._fresh += len(noted) + sum(record.action != CHECKPOINTED for record in own)
        return [self._chain.link(truncate_fields(record)) for record in (*own, *noted)]

    def _is_stored(self) -> bool:
        return not self._pending and not self._spilled()

    def _spilled(self) -> bool:
        return bool(self._orphans) or (self._spill is not None and self._spill.size > 0)

    async def _store(self) -> None:
        """What waits on disk first, then what waits in memory: in the order of the chain."""
        for orphan in self._orphans:
            await self._replay(orphan)
            orphan.close()
        self._orphans = []
        if self._spill is not None and self._spill.size:
            await self._replay(self._spill)
        if self._pending:
            await self._commit(self._pending)
            self._pending = []

    async def _replay(self, spill: Spill) -> None:
        batches = spill.batches()
        while batch := await asyncio.to_thread(next, batches, None):
            await self._commit(batch)
        spill.clear()

    async def _commit(self, links: list[ChainedRecord]) -> None:
        async with asyncio.timeout(STORE_S), self._database.begin() as connection:
            await rows.store(connection, links)

    def _keep(self) -> bool:
        """Spill the pending links. False if the disk does not take them: they stay in memory."""
        if not self._pending:
            return True
        try:
            if self._spill is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                self._spill = Spill(self._folder / f"{self.writer}{SUFFIX}")
            self._spill.append(self._pending)
        except OSError as error:
            log.error("audit records cannot be spilled: %s", error)
            return False
        self._pending = []
        return True

    def _due(self) -> bool:
        waited = self._clock.monotonic() - self._checkpointed
        return self._fresh >= CHECKPOINT_RECORDS or waited >= CHECKPOINT_S

    async def _checkpoint(self) -> None:
        """Sign where both chains stand in the store, unless nothing has happened since."""
        self._checkpointed = self._clock.monotonic()
        await asyncio.to_thread(self._adopt)
        await self._try(self._sign)

    async def _sign(self) -> None:
        async with asyncio.timeout(STORE_S), self._database.read() as connection:
            heads = await rows.read_heads(connection, (self.writer, self.admin_writer))
        admin = max((head.seq for head in heads if head.writer == self.admin_writer), default=0)
        if not self._fresh and admin == self._admin_marked:
            return
        marks = [checkpoints.ChainPosition(head.writer, head.seq, head.mac.hex()) for head in heads]
        now = self._clock.wall()
        signed = await asyncio.to_thread(checkpoints.append, self._folder, self._keys, marks, now)
        self._fresh, self._admin_marked = 0, admin
        self._own.append(self._record(CHECKPOINTED, log=signed.log, number=signed.number))

    async def _end_admin_chain(self) -> None:
        async with asyncio.timeout(STORE_S), self._database.begin() as connection:
            if await rows.read_heads(connection, [self.admin_writer]):
                await self.append(connection, self._record(CLOSED))

    def _adopt(self) -> None:
        """Take over the spill files of processes that were killed."""
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            self._orphans += Spill.orphans(self._folder)

    async def _try(self, step: Callable[[], Awaitable[None]]) -> bool:
        """Whether the store and the disk took it. A warning says why not."""
        try:
            await step()
        except (Problem, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the audit trail's store does not answer: %s", error)
            return False
        return True

    def _record(self, action: str, **detail: Scalar) -> AuditRecord:
        return AuditRecord(
            self._clock.wall(), NOBODY, "system", action, f"writer:{self.writer}", detail=detail
        )
