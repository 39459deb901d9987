"""Whether this machine's wall clock runs evenly, and agrees with the database server's.

Keys, tokens, leases and budgets go by it. A step is found by comparison with the monotonic clock,
and shown for STEP_SHOWN_S.
"""

import math
from collections.abc import Awaitable, Callable

from sqlalchemy import extract, func, select

from cluster.health.state import UP, CheckOutcome, degraded, down
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from cluster.storage.database import Database

TOLERANCE_S = 1.0
WRONG_S = 60.0
STEP_SHOWN_S = 600.0


class ClockCheck:
    """`reference` gives another machine's time (Unix seconds), if there is one."""

    def __init__(
        self, clock: Clock, reference: Callable[[], Awaitable[float]] | None = None
    ) -> None:
        self._clock = clock
        self._reference = reference
        self._last: tuple[float, float] | None = None  # wall, monotonic
        self._step_s = 0.0
        self._stepped_at = -math.inf  # monotonic

    async def __call__(self) -> CheckOutcome:
        self._look_for_step()
        offset_s = await self._offset_s()
        if abs(offset_s) > TOLERANCE_S:
            text = f"differs from the database server's clock by {offset_s:+.1f} s"
            return down(text) if abs(offset_s) > WRONG_S else degraded(text)
        age_s = self._clock.monotonic() - self._stepped_at
        if age_s < STEP_SHOWN_S:
            return degraded(f"was set by {self._step_s:+.1f} s, {age_s:.0f} s ago")
        return UP

    def _look_for_step(self) -> None:
        now = self._clock.wall(), self._clock.monotonic()
        if self._last is not None:
            step_s = (now[0] - self._last[0]) - (now[1] - self._last[1])
            if abs(step_s) > TOLERANCE_S:
                self._step_s, self._stepped_at = step_s, now[1]
        self._last = now

    async def _offset_s(self) -> float:
        """This clock minus the reference; 0 where there is none, or it does not answer."""
        if self._reference is None:
            return 0.0
        before = self._clock.wall()
        try:
            reference = await self._reference()
        except Problem:
            return 0.0
        return (before + self._clock.wall()) / 2 - reference


async def read_server_time(database: Database) -> float:
    """The PostgreSQL server's time, in Unix seconds. Raises DatabaseUnavailable."""
    async with database.read() as connection:
        query = select(extract("epoch", func.clock_timestamp()))
        return float((await connection.execute(query)).scalar_one())
