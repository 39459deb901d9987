"""A reservation of a tenant's storage quota for one object while its bytes are uploaded.

Every byte counts against the plan, together with all others that are stored or being uploaded,
before it is written; so concurrent uploads cannot exceed the plan. The reservation grows by half of
what has come at once, so that a long upload needs few transactions.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.blobs import inventory
from cluster.blobs.errors import ReservationLost, StorageFull
from cluster.blobs.paths import new_location
from cluster.runtime.clock import Clock
from cluster.runtime.problems import PayloadTooLarge

KEPT_S = 900.0  # of a reservation without new bytes
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
        self._reserved: int | None = None
        self._renewed = 0.0

    async def hold(self, total: int) -> None:
        """Reserve at least `total` bytes in all.

        Raises StorageFull, PayloadTooLarge over `largest`, ReservationLost after KEPT_S without a
        call, and NotFound for a tenant that does not exist.
        """
        if self._largest is not None and total > self._largest:
            raise PayloadTooLarge(self._largest)
        now = self._clock.wall()
        if self._reserved is None or total > self._reserved or now - self._renewed > RENEWED_S:
            await self._reserve(total, now)

    async def _reserve(self, total: int, now: float) -> None:
        async with self._begin() as connection:
            await inventory.lock(connection, self.tenant)
            size = await self._grant(connection, total)
            if self._reserved is None:
                place = (self.tenant, self.place)
                await inventory.reserve(connection, *place, size, now, now + KEPT_S)
            elif not await inventory.resize(
                connection, self.tenant, self.place, size, now + KEPT_S
            ):
                raise ReservationLost
        self._reserved, self._renewed = size, now

    async def _grant(self, connection: AsyncConnection, total: int) -> int:
        """The bytes to reserve: `total` and a step more, as far as the plan allows."""
        step = 0 if self._reserved is None else min(max(total // 2, LEAST_STEP), MOST_STEP)
        wanted = max(self._reserved or 0, total + step)
        if self._largest is not None:
            wanted = min(wanted, self._largest)
        limit = self._limit()
        if limit is None:
            return wanted
        used = await inventory.used_bytes(connection, self.tenant, beside=self.place)
        if used + total > limit:
            raise StorageFull(limit, used, total)
        return min(wanted, limit - used)
