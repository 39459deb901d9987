"""The work of flights: find the answer, follow who computes it, or compute it and tell all.

In: an open Flight. Out: the same, landed, or a problem. A tier that is down is done without. It
does not know who waits, nor what makes an answer usable or worth keeping.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.leader import LeaseTimings
from deployments.cache.single_flight.tiered_fetch import TieredFetch
from deployments.contracts.cache import SharedTier, Tier, TierUnavailable

LONGEST_S = 600.0
_LATER_S = 2.0
_COUNTED = ("l2", "l3", "peer", "model", "unopenable", "down", "followed", "gone")


class TieredFetcher:
    """Works for the flights of one replica; calling it works for one."""

    def __init__(
        self,
        shared: SharedTier | None,
        archive: Tier | None,
        clock: Clock,
        pace: LeaseTimings | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`longest_s` is the most time that any caller may have: the deadline of what is computed,
        which those who wait for it end earlier."""
        self.shared = shared
        self.archive = archive
        self.clock = clock
        self.pace = pace or LeaseTimings()
        self.longest_s = longest_s
        self.counts: Counter[str] = Counter()
        self._later: set[asyncio.Task[None]] = set()

    async def __call__(self, flight: InFlightComputation) -> None:
        """Lands the flight and saves the answer. Raises what the model raises, and NotCached."""
        trip = TieredFetch(self, flight)
        try:
            await trip.run()
        finally:
            if trip.lead is not None and trip.lead.held:
                self.run_in_background(trip.lead.release())

    def figures(self) -> dict[str, int]:
        """Counts since the start: answers by source, bytes that were `unopenable`, calls of tiers
        that were `down`, flights of other replicas that were `followed`, and those then `gone`."""
        return {name: self.counts[name] for name in _COUNTED}

    async def close(self) -> None:
        """Wait for what flights have left behind; the tiers are their owner's to close."""
        while self._later:
            await asyncio.wait(tuple(self._later))

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` that a flight leaves behind go on by itself, for a bounded time."""
        task = create_detached_task(self._bounded(work))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    @contextmanager
    def tolerate_tier_down(self) -> Iterator[None]:
        """A tier that is down ends the body, and is counted."""
        try:
            yield
        except TierUnavailable:
            self.counts["down"] += 1

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        with self.tolerate_tier_down(), suppress(TimeoutError):
            async with asyncio.timeout(_LATER_S):
                await work
