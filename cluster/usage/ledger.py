"""The usage ledger of one process: what every tenant, key and model used, to the unit.

Flows in: an entry for each finished piece of work. Flows out: increments of the `usage` table, in
numbered batches, each applied once even where the answer to its commit was lost. While the store is
down, usage adds up in memory and is written when it is back. A clean close writes everything; a
kill loses what was added since the last flush, at most one second and the flush under way.
"""

import asyncio
import contextlib
import logging
import secrets
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.clock import Clock
from cluster.problems import Problem
from cluster.storage.database import Database
from cluster.tenants.units import Amounts, Unit
from cluster.usage import increments
from cluster.usage.increments import Increment
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
    Unit.KEPT_REQUESTS,
)

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
    amounts: Amounts
    cost_units: int = 0
    requests: int = 1
    kept: int = 0
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
    """Make one a process, `start` it, `close` it. `writer` names what the process is."""

    def __init__(self, database: Database, writer: str, clock: Clock) -> None:
        """Raises ValueError if `writer` is longer than 40 characters."""
        if not 1 <= len(writer) <= MAX_NAME:
            raise ValueError(f"writer: must have 1 to {MAX_NAME} characters")
        self.writer = f"{writer}-{secrets.token_hex(8)}"
        self._database, self._clock = database, clock
        self._cells: _Cells = {}
        self._taken: _Cells = {}  # being made a batch
        self._seq = 0
        self._pending: list[Increment] = []  # batch `_seq`, until its commit is known
        self._flushing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def add(self, entry: UsageEntry) -> None:
        """Count what was used. Costs about a microsecond and never fails."""
        prices, costs = entry.prices, entry.costs
        day = int(entry.at // DAY_S)
        where = (entry.tenant, entry.key, entry.model, day, id(prices), id(costs))
        cell = self._cells.get(where)
        if cell is None:
            cell = self._cells[where] = _Cell(prices, costs, [0] * len(UNITS))
        counts, amounts = cell.counts, entry.amounts
        counts[0] += entry.requests
        counts[1] += amounts.input_tokens
        counts[2] += amounts.output_tokens
        counts[3] += amounts.images
        counts[4] += amounts.audio_seconds
        counts[5] += amounts.video_seconds
        counts[6] += entry.cost_units
        counts[7] += entry.kept

    async def start(self) -> None:
        """Flush every second from now on."""
        self._task = asyncio.create_task(self._run(), name="usage-ledger")

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
        return True

    async def close(self) -> None:
        """Write the rest; an error in the log says what a store that stays down has not taken."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_S):
                await self._write_the_rest()
        if self._pending or self._taken or self._cells:
            left = [*self._pending, *_increments(self._taken), *_increments(self._cells)]
            log.error("usage that could not be written: %s", [tuple(each) for each in left])

    async def _write_the_rest(self) -> None:
        while True:
            if await self.flush():
                return
            await asyncio.sleep(FLUSH_S / 4)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            try:
                await self.flush()
            except Exception:
                log.exception("usage could not be written; it will be tried again")

    async def _next_batch(self) -> None:
        if not self._taken:
            self._taken, self._cells = self._cells, {}
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


async def enter(connection: AsyncConnection, entry: UsageEntry) -> None:
    """Write `entry` in the caller's transaction: for work whose end is a row of the same store."""
    amounts = entry.amounts
    counts = [
        entry.requests,
        amounts.input_tokens,
        amounts.output_tokens,
        amounts.images,
        amounts.audio_seconds,
        amounts.video_seconds,
        entry.cost_units,
        entry.kept,
    ]
    where = (entry.tenant, entry.key, entry.model, int(entry.at // DAY_S), 0, 0)
    batch = _increments({where: _Cell(entry.prices, entry.costs, counts)})
    if batch:
        await increments.add(connection, batch)


def _increments(cells: _Cells) -> list[Increment]:
    """One increment a row, in the order of the primary key: two processes cannot deadlock."""
    rows: dict[tuple[str, str, str, str, str], tuple[int, int, int]] = {}
    for (tenant, key, model, day, _, _), cell in cells.items():
        for unit, amount in zip(UNITS, cell.counts, strict=True):
            if not amount:
                continue
            row = (tenant, key, model, increments.day_name(day), unit.value)
            old = rows.get(row, (0, 0, 0))
            cost = amount * price_of(cell.costs, unit)
            revenue = amount * price_of(cell.prices, unit)
            rows[row] = (old[0] + amount, old[1] + cost, old[2] + revenue)
    return [Increment(*row, *rows[row]) for row in sorted(rows)]
