"""The usage ledger of one process: what every tenant, key and model used, to the unit.

Flows in: an entry for each finished piece of work. Flows out: increments of `usage` and of
`usage_dimensions`, in numbered batches, each applied once even where the answer to its commit was
lost. While the store is
down, usage adds up in memory and is written when it is back. A clean close writes everything; what
a kill leaves in the journal (journal.py) is written by the next process of the same home to start.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.runtime.background import PeriodicTask
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database
from cluster.tenants.caller import Caller
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from cluster.usage import increments
from cluster.usage.cells import DAY_S, WIDTH, Cell, Where, counts_of, to_batch
from cluster.usage.collected_usage import CollectedUsage
from cluster.usage.dimensions import NO_DIMENSIONS, OTHER, CallDimensions
from cluster.usage.entries import UsageEntry
from cluster.usage.increments import EMPTY, Batch
from cluster.usage.journal import OrphanedBatch, Terms, UsageJournal, is_forgotten, orphans
from cluster.usage.price_book import PriceBook
from cluster.usage.prices import NO_PRICES, Prices, by_unit
from cluster.usage.pseudonyms import Pseudonyms
from cluster.usage.totals import UsageTotals
from cluster.usage.value_limit import ValueLimit

FLUSH_S = 1.0
STORE_S = 5.0  # a transaction that takes longer counts as failed
CLOSE_S = 10.0  # how long a close tries to write the rest
MAX_NAME = 40
MAX_DETAILED_CELLS = 2_000  # waiting to be stored; then values of end users and tags are `other`

_CACHE_HIT = (0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)  # in the order of a cell's counts

log = logging.getLogger(__name__)


class _Sums(NamedTuple):
    """`counts` are those of a Cell. The mappings are held, so that their ids stay theirs."""

    prices: Prices
    costs: Prices
    counts: list[int]
    dimensions: CallDimensions

    def terms(self) -> Terms:
        return by_unit(self.prices), by_unit(self.costs), self.dimensions


# Tenant, key, model, day since the epoch, the identity of prices and costs, and the dimensions as
# callers name them, None where there are none.
_CellKey = tuple[str, str, str, int, int, int, CallDimensions | None]
_Cells = dict[_CellKey, _Sums]


class Ledger:
    """Make one a process, `start` it, `close` it. `writer` names what the process is; journals are
    files in `folder` (None: a kill loses what was added in the last second)."""

    def __init__(
        self,
        database: Database,
        writer: str,
        clock: Clock,
        folder: Path | None = None,
        book: PriceBook | None = None,
        pseudonyms: Pseudonyms | None = None,
    ) -> None:
        """`book` None: models cost nothing but what plans say, and the cluster serves them.
        `pseudonyms` None: those of end users mean nothing to other processes.

        Raises ValueError if `writer` is longer than 40 characters.
        """
        if not 1 <= len(writer) <= MAX_NAME:
            raise ValueError(f"writer: must have 1 to {MAX_NAME} characters")
        self.writer = f"{writer}-{secrets.token_hex(8)}"
        self._database, self._clock = database, clock
        self._book = book or PriceBook()
        self._pseudonyms = pseudonyms or Pseudonyms(secrets.token_bytes(32))
        self._values = ValueLimit()
        self.totals = UsageTotals()
        self._cells: _Cells = {}
        self._taken: _Cells = {}  # being made a batch
        self._seq = 0
        self._pending: Batch = EMPTY  # batch `_seq`, until its commit is known
        self._collecting = 1  # the batch that `_cells` will be
        self._folder = folder
        self._journal = None if folder is None else UsageJournal(folder, self.writer)
        self._written_at = clock.monotonic()  # when nothing was left to be written
        self._flushing = asyncio.Lock()
        self._flushes = PeriodicTask(self.flush, FLUSH_S, "writing of usage", delayed=True)

    def record_call(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        amounts: UsageAmounts,
        tags: tuple[str, ...] = (),
        cost: int | None = None,
        collected: CollectedUsage | None = None,
    ) -> None:
        """Count one call of a model. `cost` is what its provider says that it costs, in
        nano-currency, instead of the configured cost. With `collected` it is held there until
        that is stored. Takes some microseconds and never fails.
        """
        counts = (
            1,
            amounts.input_tokens,
            amounts.output_tokens,
            amounts.images,
            amounts.audio_seconds,
            amounts.video_seconds,
            plan.weights.cost(amounts),
            0,
            amounts.cached_tokens,
            amounts.reasoning_tokens,
            amounts.estimated_tokens,
            amounts.characters,
            amounts.pages,
            cost or 0,
        )
        terms = self._book.known.get(model) or self._book.terms_of(model)
        prices: Prices = plan.prices
        if terms.prices or plan.model_prices:
            prices = self._book.prices_of(plan, model)
        named = None
        if caller.team or caller.end_user or tags:
            named = CallDimensions(caller.team, caller.end_user, tags)
        costs, now = terms.costs if cost is None else NO_PRICES, self._clock.wall()
        if collected is not None and not collected.is_stored:
            where = caller.tenant, caller.key_id, model, int(now // DAY_S)
            share = plan.batch_price_percent
            self._collect(collected, where, prices, costs, named, counts, share)
            return
        self._count(caller.tenant, caller.key_id, model, now, prices, costs, named, counts)

    def record_cache_hit(
        self,
        caller: Caller,
        plan: Plan,
        model: str,
        tags: tuple[str, ...] = (),
        collected: CollectedUsage | None = None,
    ) -> None:
        """Count one request for a model that was answered from the cache."""
        terms = self._book.known.get(model) or self._book.terms_of(model)
        prices: Prices = plan.prices
        if terms.prices or plan.model_prices:
            prices = self._book.prices_of(plan, model)
        named = None
        if caller.team or caller.end_user or tags:
            named = CallDimensions(caller.team, caller.end_user, tags)
        now = self._clock.wall()
        if collected is not None and not collected.is_stored:
            where = caller.tenant, caller.key_id, model, int(now // DAY_S)
            share = plan.batch_price_percent
            self._collect(collected, where, prices, terms.costs, named, _CACHE_HIT, share)
            return
        self._count(
            caller.tenant, caller.key_id, model, now, prices, terms.costs, named, _CACHE_HIT
        )

    async def store_collected(
        self, connection: AsyncConnection, collected: Iterable[CollectedUsage]
    ) -> None:
        """Implements CollectedUsageStore."""
        batch = self._collected_batch(collected)
        await increments.upsert(connection, await self._values.apply(connection, batch))

    def confirm_collected(self, collected: Iterable[CollectedUsage]) -> None:
        """Implements CollectedUsageStore."""
        collected = list(collected)
        self.totals.add(self._collected_batch(collected).usage)
        for each in collected:
            each.mark_stored()

    def _collected_batch(self, collected: Iterable[CollectedUsage]) -> Batch:
        cells = (cell for each in collected for cell in each.cells)
        return to_batch(cells, self._book.provider_of)

    def add(self, entry: UsageEntry) -> None:
        """Count what a piece of work used."""
        stored, at, prices, costs = entry.dimensions, entry.at, entry.prices, entry.costs
        named = stored if any(stored) else None
        where = entry.tenant, entry.key, entry.model
        cell = (*where, int(at // DAY_S), id(prices), id(costs), named)
        self._cells.setdefault(cell, _Sums(prices, costs, [0] * WIDTH, stored))
        counts = counts_of(entry.amounts, entry.requests, entry.cost_units)
        self._count(*where, at, prices, costs, named, counts)

    def _count(
        self,
        tenant: str,
        key: str,
        model: str,
        now: float,
        prices: Prices,
        costs: Prices,
        named: CallDimensions | None,
        added: Sequence[int],
    ) -> None:
        """`added` are counts of a cell; `named` has the end user's own name."""
        where = (tenant, key, model, int(now // DAY_S), id(prices), id(costs), named)
        sums = self._cells.get(where)
        if sums is None and named is not None and len(self._cells) >= MAX_DETAILED_CELLS:
            named = named.without_names()
            where = (*where[:-1], named)
            sums = self._cells.get(where)
        if sums is None:
            stored = NO_DIMENSIONS if named is None else self._stored(tenant, named)
            sums = self._cells[where] = _Sums(prices, costs, [0] * WIDTH, stored)
        counts = sums.counts
        for index, amount in enumerate(added):
            counts[index] += amount
        if self._journal is not None:
            self._journal.append(self._collecting, where, sums.terms, added)

    def _collect(
        self,
        collected: CollectedUsage,
        where: Where,
        prices: Prices,
        costs: Prices,
        named: CallDimensions | None,
        counts: Sequence[int],
        percent: int,
    ) -> None:
        """`percent` of the prices, rounded down."""
        stored = NO_DIMENSIONS if named is None else self._stored(where[0], named)
        charged = [price * percent // 100 for price in by_unit(prices)]
        collected.add(Cell(where, charged, by_unit(costs), counts, stored))

    def _stored(self, tenant: str, named: CallDimensions) -> CallDimensions:
        """With a pseudonym for the end user."""
        if named.end_user in ("", OTHER):
            return named
        return named._replace(end_user=self._pseudonyms.of(tenant, named.end_user))

    async def start(self) -> None:
        """Write what killed processes left, then flush every second."""
        await self._take_over()
        self._flushes.start()

    async def flush(self) -> bool:
        """Write what was added so far. False while the store is down; then nothing is lost."""
        async with self._flushing:
            if (self._pending.usage or self._taken) and not await self._write():
                return False
            if self._cells and not await self._write():
                return False
            self._written_at = self._clock.monotonic()
            return True

    @property
    def unwritten_s(self) -> float:
        """How long usage has waited to be written; 0: there is none that does."""
        if not (self._pending.usage or self._taken or self._cells):
            return 0.0
        return max(0.0, self._clock.monotonic() - self._written_at)

    async def _write(self) -> bool:
        if not self._pending.usage:
            await self._next_batch()
        if self._pending.usage and not await self._apply():
            return False
        self._pending = EMPTY
        if self._journal is not None:
            self._journal.committed(self._seq)
        return True

    async def _take_over(self) -> None:
        """What cannot be written now stays for the next start."""
        if self._folder is None:
            return
        try:
            for batch in orphans(self._folder):
                if is_forgotten(batch, self._clock.wall()):
                    log.error("usage of %s is too old to be written: %s", batch.writer, batch.cells)
                    continue
                await self._write_orphan(batch)
        except (Problem, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("usage of a process that ended is not written yet: %s", error)

    async def _write_orphan(self, batch: OrphanedBatch) -> None:
        rows = to_batch(batch.cells, self._book.provider_of)
        async with asyncio.timeout(STORE_S), self._database.begin() as connection:
            if batch.seq > await increments.last_batch(connection, batch.writer):
                await self._store(connection, batch.writer, batch.seq, rows)
                log.warning("wrote the usage that %s had not stored when it ended", batch.writer)

    async def close(self) -> None:
        """Write the rest; an error in the log says what a store that stays down has not taken."""
        await self._flushes.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._write_the_rest()
        if self._pending.usage or self._taken or self._cells:
            rest = [self._batch(self._taken), self._batch(self._cells)]
            left = [each for batch in (self._pending, *rest) for each in batch.usage]
            log.error("usage that could not be written: %s", [tuple(each) for each in left])
        if self._journal is not None:
            self._journal.close()

    async def _write_the_rest(self) -> None:
        while True:
            if await self.flush():
                return
            await asyncio.sleep(FLUSH_S / 4)

    async def _next_batch(self) -> None:
        if not self._taken:
            self._taken, self._cells = self._cells, {}
            self._collecting += 1
        self._pending = await asyncio.to_thread(self._batch, self._taken)
        self._taken = {}
        self.totals.add(self._pending.usage)
        self._seq += 1

    async def _apply(self) -> bool:
        try:
            async with asyncio.timeout(STORE_S), self._database.begin() as connection:
                await self._store(connection, self.writer, self._seq, self._pending)
        except (Problem, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the usage ledger's store does not answer: %s", error)
            return False
        return True

    async def _store(
        self, connection: AsyncConnection, writer: str, seq: int, batch: Batch
    ) -> None:
        """Once, however often it is called for one batch."""
        if await increments.begin_batch(connection, writer, seq, self._clock.wall()):
            await increments.upsert(connection, await self._values.apply(connection, batch))

    def _batch(self, cells: _Cells) -> Batch:
        return to_batch(
            (
                Cell(where[:4], *sums.terms()[:2], sums.counts, sums.dimensions)
                for where, sums in cells.items()
            ),
            self._book.provider_of,
        )
