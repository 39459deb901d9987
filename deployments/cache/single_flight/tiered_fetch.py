"""Fetches one missing response: L2 (or a peer's computation), L3, the model; then writes it back.

In: an InFlightComputation. Out: the same, completed, with its entry stored; or a problem.
Unavailable tiers are skipped. A fetch has no deadline of its own: each waiter gives up at its own,
and the model ends what runs for the longest time allowed.

While an entry in the shared tier that will not do is computed again, it stays there: the lease is
then on a second key, `refresh_lease_key`.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import aclosing, contextmanager, suppress
from dataclasses import replace
from typing import Any, TypeAlias

from cluster.runtime.background import create_detached_task, is_cancelled_here
from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    ClientGone,
    DeadlineExceeded,
    ModelFailed,
    NotCached,
    Overloaded,
)
from deployments.cache.codec import decode
from deployments.cache.lookup import ARCHIVE, FOLLOW, SHARED, EntryRules
from deployments.cache.single_flight.coalescing import LeaderLease, LeaseTimings, PeerFollower
from deployments.cache.single_flight.in_flight import InFlightComputation, Source
from deployments.contracts.cache import (
    KEY_BYTES,
    Entry,
    LeaseAcquired,
    LeaseHeldElsewhere,
    SharedTier,
    Tier,
    TierUnavailable,
)
from deployments.contracts.generation import Completion, GenerateRequest

LONGEST_S = 600.0

_BACKGROUND_S = 2.0
_COUNTED = ("l2", "l3", "peer", "model", "unopenable", "down", "followed", "gone")
_LOOKS = 4  # at the shared tier, before this replica computes by itself
_CALLS = 3  # of the model, if they are ended by others
_FOLLOWS = 2  # peers' computations without a result, before this replica computes by itself
_REFRESHED_S = 10.0

LookResult: TypeAlias = bytes | LeaseAcquired | LeaseHeldElsewhere | None


class TieredFetcher:
    """The tiers beyond memory of one replica, and what its fetches share."""

    def __init__(
        self,
        rules: EntryRules,
        shared: SharedTier | None,
        archive: Tier | None,
        clock: Clock,
        timings: LeaseTimings | None = None,
        longest_s: float = LONGEST_S,
    ) -> None:
        """`longest_s` is the longest deadline of any caller, and the deadline of every computation;
        its waiters may end it earlier."""
        self.rules = rules
        self.shared = shared
        self.archive = archive
        self.clock = clock
        self.timings = timings or LeaseTimings()
        self.longest_s = longest_s
        self.counts: Counter[str] = Counter()
        self._background: set[asyncio.Task[None]] = set()

    async def fetch(self, flight: InFlightComputation) -> None:
        """Complete `flight` and store its entry. Raises what the model raises, and NotCached."""
        fetch = TieredFetch(self, flight)
        try:
            await fetch.run()
        finally:
            if fetch.lease is not None and fetch.lease.held:
                self.run_in_background(fetch.lease.release())

    def figures(self) -> dict[str, int]:
        """Counts since the start: responses by source, bytes that were `unopenable`, calls of tiers
        that were `down`, peers' computations that were `followed`, and those then `gone`."""
        return {name: self.counts[name] for name in _COUNTED}

    async def close(self) -> None:
        """Wait for the work that fetches left behind; the tiers are their owner's to close."""
        while self._background:
            await asyncio.wait(tuple(self._background))

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Let `work` go on after its fetch, for a bounded time."""
        task = create_detached_task(self._bounded(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    @contextmanager
    def tolerate_tier_down(self) -> Iterator[None]:
        """An unavailable tier ends the body, and is counted."""
        try:
            yield
        except TierUnavailable:
            self.counts["down"] += 1

    async def _bounded(self, work: Coroutine[Any, Any, None]) -> None:
        with self.tolerate_tier_down(), suppress(TimeoutError):
            async with asyncio.timeout(_BACKGROUND_S):
                await work


class TieredFetch:
    """One fetch. `lease` is the leader lease that it holds, or has held."""

    def __init__(self, tiers: TieredFetcher, flight: InFlightComputation) -> None:
        self.lease: LeaderLease | None = None
        self._tiers = tiers
        self._flight = flight
        self._lookup = flight.lookup
        self._lease_key = flight.lookup.key
        self._may_coalesce = not (flight.overtakes or flight.lookup.only_if_cached)
        self._follows_left = _FOLLOWS

    async def run(self) -> None:
        flight, lookup, tiers = self._flight, self._lookup, self._tiers
        if not lookup.recompute:
            if tiers.shared is not None:
                with tiers.tolerate_tier_down():
                    await self._search_shared(tiers.shared)
            if tiers.archive is not None and not flight.ended:
                with tiers.tolerate_tier_down():
                    await self._search_archive(tiers.archive)
        if flight.ended:
            return
        if lookup.only_if_cached:
            raise NotCached
        await self._compute()
        if tiers.shared is not None or tiers.archive is not None:
            await self._store()

    async def _search_shared(self, shared: SharedTier) -> None:
        """Complete the flight, or take the leader lease, or neither."""
        for _ in range(_LOOKS):
            with self._lookup.waiting.stage(SHARED):
                result = await self._look(shared)
            if isinstance(result, bytes):
                look_again = await self._use_shared(shared, result)
            elif isinstance(result, LeaseHeldElsewhere):
                look_again = await self._follow(shared, result.token)
            else:
                return
            if not look_again:
                return

    async def _look(self, shared: SharedTier) -> LookResult:
        """A lease that is acquired while we are cancelled is released."""
        lease_s = self._tiers.timings.lease_s if self._may_coalesce else 0.0
        look = asyncio.create_task(shared.get_or_lease(self._lease_key, lease_s))
        try:
            result = await asyncio.shield(look)
        except asyncio.CancelledError:
            self._tiers.run_in_background(_release_acquired(look, shared, self._lease_key))
            raise
        if isinstance(result, LeaseAcquired):
            self.lease = LeaderLease(
                shared, self._lease_key, result.token, self._flight, self._tiers.timings
            )
        return result

    async def _use_shared(self, shared: SharedTier, sealed: bytes) -> bool:
        """Complete the flight with a shared entry; True: it will not do, look again."""
        entry = self._decrypt(sealed)
        if entry is None:
            await shared.remove(self._lease_key)
            return True
        if self._tiers.rules.servable_state(self._lookup, entry) is not None:
            self._complete(decode(entry.body), entry, "l2")
            return False
        refreshes = self._may_coalesce and self._lease_key == self._lookup.key
        if refreshes:
            self._lease_key = refresh_lease_key(self._lookup.key)
        return refreshes

    async def _follow(self, shared: SharedTier, token: int) -> bool:
        """Follow another replica's computation; True: it gave no response, look again."""
        if not (self._may_coalesce and self._follows_left):
            return False
        tiers, flight = self._tiers, self._flight
        self._follows_left -= 1
        tiers.counts["followed"] += 1
        follower = PeerFollower(shared, flight, tiers.rules, tiers.timings, tiers.counts)
        with self._lookup.waiting.stage(FOLLOW):
            response = await follower.follow(self._lease_key, token)
        if isinstance(response, Entry):
            self._complete(decode(response.body), response, "peer")
        elif response is not None:
            self._complete(response, None, "peer")
        self._may_coalesce = not follower.rejected
        tiers.counts["gone"] += not flight.ended
        return not flight.ended

    async def _search_archive(self, archive: Tier) -> None:
        with self._lookup.waiting.stage(ARCHIVE):
            sealed = await archive.get(self._lookup.key)
        if sealed is None:
            return
        entry = self._decrypt(sealed)
        if entry is None:
            await archive.remove(self._lookup.key)
        elif self._tiers.rules.servable_state(self._lookup, entry) is not None:
            self._complete(decode(entry.body), entry, "l3")
            await self._store_shared(sealed, self._ttl_s(entry))

    async def _compute(self) -> None:
        flight, lease, clock = self._flight, self.lease, self._tiers.clock
        began = clock.monotonic()
        if lease is None:
            completion = await self._ask_model()
        else:
            flight.count_followers = lease.count
            async with lease.heartbeat():
                completion = await self._ask_model()
        entry = self._tiers.rules.make_entry(self._lookup, completion, clock.monotonic() - began)
        self._complete(completion, entry, "model")

    async def _ask_model(self) -> Completion:
        """The model is asked again if its call was ended by others than us, or if it refused a
        caller with little time and another waiter has more."""
        flight, lookup, loop = self._flight, self._lookup, asyncio.get_running_loop()
        calls = 0
        while True:
            calls += 1
            until = flight.wanted_until()
            within_s = None if until is None else max(0.0, until - loop.time())
            request = replace(
                lookup.request, timeout_s=self._tiers.longest_s, start_within_s=within_s
            )
            flight.start_attempt("model")
            try:
                if lookup.streaming:
                    return await self._compute_stream(request)
                return await lookup.generator.generate(request)
            except (Overloaded, DeadlineExceeded):
                wanted = flight.wanted_until()
                if until is None or (wanted is not None and wanted <= until):
                    raise
            except (asyncio.CancelledError, ClientGone):
                if is_cancelled_here() or flight.is_abandoned:
                    raise
                if calls >= _CALLS:
                    raise ModelFailed(request.model, "The call was interrupted.") from None

    async def _compute_stream(self, request: GenerateRequest) -> Completion:
        recorder = self._flight.record_chunks()
        async with aclosing(self._lookup.generator.stream(request)) as chunks:
            async for chunk in chunks:
                recorder.add(chunk)
        return recorder.completion()

    async def _store(self) -> None:
        """Write a computed entry to the tiers; one that is not stored goes to its followers."""
        entry, lease, tiers = self._flight.entry, self.lease, self._tiers
        ttl_s = 0.0 if entry is None else self._ttl_s(entry)
        if entry is None or ttl_s <= 0:
            if lease is not None and lease.held and lease.followers:
                await lease.publish()
                await asyncio.sleep(tiers.timings.beat_s)
            return
        sealed = self._lookup.encryptor.encrypt(self._lookup.key, entry)
        with tiers.tolerate_tier_down():
            await self._store_shared(sealed, ttl_s)
        if tiers.archive is not None:
            with tiers.tolerate_tier_down():
                await tiers.archive.put(self._lookup.key, sealed, ttl_s)

    async def _store_shared(self, sealed: bytes, ttl_s: float) -> None:
        shared, key, lease = self._tiers.shared, self._lookup.key, self.lease
        if shared is not None and (lease is None or self._lease_key != key):
            await shared.put(key, sealed, ttl_s)
        if lease is not None and lease.held:
            await lease.store(sealed, ttl_s if self._lease_key == key else min(ttl_s, _REFRESHED_S))

    def _complete(self, completion: Completion, entry: Entry | None, source: Source) -> None:
        self._flight.complete(completion, entry, source)
        self._tiers.counts[source] += 1
        if entry is not None:  # in memory before any waiter runs
            self._tiers.rules.store_local(self._lookup, entry)

    def _decrypt(self, sealed: bytes) -> Entry | None:
        entry = self._lookup.encryptor.decrypt(self._lookup.key, sealed)
        self._tiers.counts["unopenable"] += entry is None
        return entry

    def _ttl_s(self, entry: Entry) -> float:
        return entry.created + entry.lives.error - self._tiers.clock.wall()


def refresh_lease_key(key: bytes) -> bytes:
    """The key of the lease to refresh an entry that stays under `key` meanwhile."""
    return hashlib.blake2b(key, digest_size=KEY_BYTES, person=b"renewal").digest()


async def _release_acquired(
    look: "asyncio.Task[LookResult]", shared: SharedTier, key: bytes
) -> None:
    result = await look
    if isinstance(result, LeaseAcquired):
        await shared.release(key, result.token)
