"""Room that is kept in a tenant's storage for one object while its bytes come in.

Every byte is reckoned against the plan, together with all others that are stored or on their way,
before it is written; so uploads side by side cannot outgrow the plan. What is kept grows with what
has come, by half of it at once, so that a long upload needs few transactions.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory
from cluster.blobs.errors import ReservationLost, StorageFull
from cluster.blobs.paths import new_location
from cluster.runtime.clock import Clock
from cluster.runtime.problems import PayloadTooLarge

KEPT_S = 900.0  # without a byte
RENEWED_S = KEPT_S / 4
LEAST_STEP, MOST_STEP = 4 << 20, 256 << 20  # bytes

Begin = Callable[[], AbstractAsyncContextManager[AsyncConnection]]


class QuotaReservation:
    """`limit` gives the plan's bytes, None for no limit; `largest` bounds this one object."""

    def __init__(
        self,
        begin: Begin,
        clock: Clock,
        tenant: str,
        limit: Callable[[], int | None],
        largest: int | None,
    ) -> None:
        self.tenant = tenant
        self.place = new_location()
        self._begin = begin
        self._clock = clock
        self._limit = limit
        self._largest = largest
        self._kept: int | None = None
        self._renewed = 0.0

    async def hold(self, total: int) -> None:
        """Make sure that there is room for `total` bytes in all.

        Raises StorageFull, PayloadTooLarge over `largest`, RoomLost after KEPT_S without a call,
        and NotFound for a tenant that does not exist.
        """
        if self._largest is not None and total > self._largest:
            raise PayloadTooLarge(self._largest)
        now = self._clock.wall()
        if self._kept is None or total > self._kept or now - self._renewed > RENEWED_S:
            await self._reckon(total, now)

    async def _reckon(self, total: int, now: float) -> None:
        async with self._begin() as connection:
            await inventory.lock(connection, self.tenant)
            size = await self._granted(connection, total)
            if self._kept is None:
                place = (self.tenant, self.place)
                await inventory.reserve(connection, *place, size, now, now + KEPT_S)
            elif not await inventory.resize(
                connection, self.tenant, self.place, size, now + KEPT_S
            ):
                raise ReservationLost
        self._kept, self._renewed = size, now

    async def _granted(self, connection: AsyncConnection, total: int) -> int:
        """What is wanted and a step more, as far as the plan goes."""
        step = 0 if self._kept is None else min(max(total // 2, LEAST_STEP), MOST_STEP)
        wanted = max(self._kept or 0, total + step)
        if self._largest is not None:
            wanted = min(wanted, self._largest)
        limit = self._limit()
        if limit is None:
            return wanted
        used = await inventory.used_bytes(connection, self.tenant, beside=self.place)
        if used + total > limit:
            raise StorageFull(limit, used, total)
        return min(wanted, limit - used)
