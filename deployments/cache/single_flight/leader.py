"""The leader's side of a claim: keep it alive while the answer is computed, and tell its followers.

In: a flight's log, as it grows. Out: renewals, and sealed frames once somebody follows. Knows
nothing of how the answer is come by. A flight that nobody waits for any more in this process goes
on while others follow it.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.contracts.cache import SharedTier, TierUnavailable


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """Seconds: a claim lasts `lease_s` and is renewed every `beat_s`; a follower asks again after
    `wait_s`.
    """

    lease_s: float = 2.0
    beat_s: float = 0.25
    wait_s: float = 1.0


class LeaderLease:
    """The right to compute the answer of `flight` for all replicas, as `token` under `place`.

    The first frame is the sealed outline of the answer, by which a follower sees whether the
    answer will do; each one after it is sealed chunks.
    """

    def __init__(
        self,
        shared: SharedTier,
        place: bytes,
        token: int,
        flight: InFlightComputation,
        pace: LeaseTimings,
    ) -> None:
        self.place = place
        self.followers = 0
        self.held = True
        self._shared = shared
        self._token = token
        self._flight = flight
        self._pace = pace
        self._published = 0
        self._silent = False
        self._over = False
        self._renewed = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Renews the claim while the body runs."""
        beat = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            self._over = True  # for a tier that loses the cancellation
            beat.cancel()
            await asyncio.wait((beat,))  # never takes our own cancellation for the beat's
            if not beat.cancelled():
                beat.result()

    async def publish(self) -> None:
        """Renew, and tell those who follow what is new."""
        frames, told = self._frames(), len(self._flight.log)
        # Until it is known whether frames arrived, none after them would be in place.
        self._silent = self._silent or bool(frames)
        if await self._renew(frames) and frames:
            self._published, self._silent = told, False

    async def count(self) -> int:
        """How many follow now; also renews."""
        await self._renew(())
        return self.followers

    async def store(self, sealed: bytes, ttl_s: float) -> None:
        """End the claim with the answer. Raises TierDown."""
        self.held = False
        await self._shared.store(self.place, self._token, sealed, ttl_s)

    async def release(self) -> None:
        """End the claim without one. Raises TierDown."""
        self.held = False
        await self._shared.release(self.place, self._token)

    async def _renew(self, frames: Sequence[bytes]) -> bool:
        """Whether the tier answered. One that has not for as long as a claim lasts has told those
        who followed that the claim is gone."""
        now = asyncio.get_running_loop().time
        try:
            followers = await self._shared.publish(
                self.place, self._token, frames, self._pace.lease_s
            )
        except TierUnavailable:
            if now() - self._renewed > self._pace.lease_s:
                self._flight.set_followers(0)
            return False
        self.followers, self.held, self._renewed = followers, followers >= 0, now()
        self._flight.set_followers(max(0, followers))
        return True

    async def _beat(self) -> None:
        while self.held and not self._over:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pace.beat_s):
                    await self._news()
            await self.publish()

    async def _news(self) -> None:
        if self.followers and not self._silent:
            await self._flight.wait_for_chunks(self._published)
        else:
            await asyncio.sleep(self._pace.beat_s)

    def _frames(self) -> list[bytes]:
        flight, ask = self._flight, self._flight.ask
        new = tuple(flight.log[self._published :])
        if not (self.followers and new) or self._silent:
            return []
        head = [] if self._published else [ask.sealer.encrypt(ask.key, flight.outline)]
        return [*head, ask.sealer.encrypt_frames(ask.key, new)]
