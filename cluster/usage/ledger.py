"""The usage ledger of one process: what every tenant, key and model used, to the unit.

Flows in: an entry for each finished piece of work. Flows out: increments of the `usage` table, in
numbered batches, each applied once even where the answer to its commit was lost. While the store is
down, usage adds up in memory and is written when it is back. A clean close writes everything; what
a kill leaves in the journal (journal.py) is written by the next process of the same home to start.
"""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
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
from cluster.tenants.units import Unit, UsageAmounts
from cluster.usage import increments
from cluster.usage.increments import Increment
from cluster.usage.journal import OrphanedBatch, UsageJournal, Where, is_forgotten, orphans
from cluster.usage.prices import NO_PRICES, Prices, price_of

FLUSH_S = 1.0
STORE_S = 5.0  # a transaction that takes longer counts as failed
CLOSE_S = 10.0  # how long a close tries to write the rest
DAY_S = 86_400
MAX_NAME = 40
UNITS = (
    Unit.REQUESTS,
    Unit.INPUT_TOKENS,
    Unit.OUTPUT_TOKENS,
    Unit.IMAGES,
    Unit.AUDIO_SECONDS,
    Unit.VIDEO_SECONDS,
    Unit.COST_UNITS,
    Unit.CACHE_HITS,
)

_CACHE_HIT = (0, 0, 0, 0, 0, 0, 0, 1)  # in the order of UNITS

log = logging.getLogger(__name__)


@dataclass(slots=True)
class UsageEntry:
    """What one piece of work used. `at` is Unix seconds; `prices` is what the plan charges and
    `costs` what the model costs the operator, both in micro-currency for 1,000 of a unit.
    """

    at: float
    tenant: str
    key: str
    model: str
    amounts: UsageAmounts
    cost_units: int = 0
    requests: int = 1
    prices: Prices = field(default_factory=lambda: NO_PRICES)
    costs: Prices = field(default_factory=lambda: NO_PRICES)


class _Cell(NamedTuple):
    """`counts` follows UNITS. The mappings are held, so that their ids stay theirs."""

    prices: Prices
    costs: Prices
    counts: list[int]


# By tenant, key, model, day since the epoch, and the identity of prices and costs.
_Cells = dict[tuple[str, str, str, int, int, int], _Cell]


class Ledger:
    """Make one a process, `start` it, `close` it. `writer` names what the process is; journals are
    files in `folder` (None: a kill loses what was added in the last second)."""

    def __init__(
        self,
        database: Database,
        writer: str,
        clock: Clock,
        folder: Path | None = None,
        model_costs: Mapping[str, Prices] | None = None,
    ) -> None:
        """`model_costs` is what models cost the operator, by id.

        Raises ValueError if `writer` is longer than 40 characters.
        """
        if not 1 <= len(writer) <= MAX_NAME:
            raise ValueError(f"writer: must have 1 to {MAX_NAME} characters")
        self.writer = f"{writer}-{secrets.token_hex(8)}"
        self._database, self._clock = database, clock
        self._model_costs = model_costs or {}
        self._cells: _Cells = {}
        self._taken: _Cells = {}  # being made a batch
        self._seq = 0
        self._pending: list[Increment] = []  # batch `_seq`, until its commit is known
        self._collecting = 1  # the batch that `_cells` will be
        self._folder = folder
        self._journal = None if folder is None else UsageJournal(folder, self.writer)
        self._flushing = asyncio.Lock()
        self._flushes = PeriodicTask(self.flush, FLUSH_S, "writing of usage", delayed=True)

    def record_call(self, caller: Caller, plan: Plan, model: str, amounts: UsageAmounts) -> None:
        """Count one call of a model. Costs some microseconds and never fails."""
        counts = (
            1,
            amounts.input_tokens,
            amounts.output_tokens,
            amounts.images,
            amounts.audio_seconds,
            amounts.video_seconds,
            plan.weights.cost(amounts),
            0,
        )
        self._count(caller.tenant, caller.key_id, model, self._clock.wall(), plan.prices, counts)

    def record_cache_hit(self, caller: Caller, plan: Plan, model: str) -> None:
        """Count one request for a model that was answered from the cache."""
        now, prices = self._clock.wall(), plan.prices
        self._count(caller.tenant, caller.key_id, model, now, prices, _CACHE_HIT)

    def add(self, entry: UsageEntry) -> None:
        """Count what a piece of work used."""
        self._count(
            entry.tenant,
            entry.key,
            entry.model,
            entry.at,
            entry.prices,
            _counts(entry),
            entry.costs,
        )

    def _count(
        self,
        tenant: str,
        key: str,
        model: str,
        now: float,
        prices: Prices,
        added: Sequence[int],
        costs: Prices | None = None,
    ) -> None:
        """`added` follows UNITS; `costs` None: the model's."""
        if costs is None:
            costs = self._model_costs.get(model, NO_PRICES)
        where = (tenant, key, model, int(now // DAY_S), id(prices), id(costs))
        cell = self._cells.get(where)
        if cell is None:
            cell = self._cells[where] = _Cell(prices, costs, [0] * len(UNITS))
        counts = cell.counts
        for index, amount in enumerate(added):
            counts[index] += amount
        if self._journal is not None:
            self._journal.append(
                self._collecting, where, lambda: (_by_unit(prices), _by_unit(costs)), added
            )

    async def start(self) -> None:
        """Write what killed processes left, then flush every second."""
        await self._take_over()
        self._flushes.start()

    async def flush(self) -> bool:
        """Write what was added so far. False while the store is down; then nothing is lost."""
        async with self._flushing:
            if (self._pending or self._taken) and not await self._write():
                return False
            return not self._cells or await self._write()

    async def _write(self) -> bool:
        if not self._pending:
            await self._next_batch()
        if self._pending and not await self._apply():
            return False
        self._pending = []
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
        rows = _rows((each.where, each.counts, each.prices, each.costs) for each in batch.cells)
        async with asyncio.timeout(STORE_S), self._database.begin() as connection:
            if batch.seq > await increments.last_batch(connection, batch.writer):
                now = self._clock.wall()
                await increments.apply(connection, batch.writer, batch.seq, now, rows)
                log.warning("wrote the usage that %s had not stored when it ended", batch.writer)

    async def close(self) -> None:
        """Write the rest; an error in the log says what a store that stays down has not taken."""
        await self._flushes.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._write_the_rest()
        if self._pending or self._taken or self._cells:
            left = [*self._pending, *_increments(self._taken), *_increments(self._cells)]
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
        self._pending = await asyncio.to_thread(_increments, self._taken)
        self._taken = {}
        self._seq += 1

    async def _apply(self) -> bool:
        try:
            async with asyncio.timeout(STORE_S), self._database.begin() as connection:
                now = self._clock.wall()
                await increments.apply(connection, self.writer, self._seq, now, self._pending)
        except (Problem, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("the usage ledger's store does not answer: %s", error)
            return False
        return True


async def record(connection: AsyncConnection, entry: UsageEntry) -> None:
    """Write `entry` in the caller's transaction: for work whose end is a row of the same store."""
    counts = list(_counts(entry))
    where = (entry.tenant, entry.key, entry.model, int(entry.at // DAY_S), 0, 0)
    batch = _increments({where: _Cell(entry.prices, entry.costs, counts)})
    if batch:
        await increments.upsert(connection, batch)


def _counts(entry: UsageEntry) -> tuple[int, ...]:
    """Amounts in the order of UNITS."""
    amounts = entry.amounts
    return (
        entry.requests,
        amounts.input_tokens,
        amounts.output_tokens,
        amounts.images,
        amounts.audio_seconds,
        amounts.video_seconds,
        entry.cost_units,
        0,  # cache hits: counted by `record_cache_hit`
    )


def _by_unit(prices: Prices) -> list[int]:
    return [price_of(prices, unit) for unit in UNITS]


def _increments(cells: _Cells) -> list[Increment]:
    return _rows(
        (where[:4], cell.counts, _by_unit(cell.prices), _by_unit(cell.costs))
        for where, cell in cells.items()
    )


def _rows(
    cells: Iterable[tuple[Where, Sequence[int], Sequence[int], Sequence[int]]],
) -> list[Increment]:
    """One increment a row, in the order of the primary key: two processes cannot deadlock.

    Counts, prices and costs of a cell follow UNITS.
    """
    rows: dict[tuple[str, str, str, str, str], tuple[int, int, int]] = {}
    for (tenant, key, model, day), counts, prices, costs in cells:
        for unit, amount, price, cost in zip(UNITS, counts, prices, costs, strict=True):
            if not amount:
                continue
            row = (tenant, key, model, increments.day_name(day), unit.value)
            old = rows.get(row, (0, 0, 0))
            rows[row] = (old[0] + amount, old[1] + amount * cost, old[2] + amount * price)
    return [Increment(*row, *rows[row]) for row in sorted(rows)]
