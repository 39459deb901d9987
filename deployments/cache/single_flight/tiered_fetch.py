"""One flight's way through the tiers.

    shared tier -> (another replica's flight) -> archive -> model -> shared tier, archive

In: a Flight. Out: the same, landed, with its answer saved. It takes as long as it takes: those who
wait give it up, each at its own deadline, and the model ends what runs for the longest time. An
answer in the shared tier that will not do stays there while it is computed anew: the claim is then
on a second place, its `refresh_lease_key`.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext
from dataclasses import replace
from typing import Any, Protocol, TypeAlias

from cluster.runtime.background import is_cancelled_here
from cluster.runtime.clock import Clock
from cluster.runtime.problems import (
    ClientGone,
    DeadlineExceeded,
    ModelFailed,
    NotCached,
    Overloaded,
)
from deployments.cache.codec import decode
from deployments.cache.single_flight.in_flight import ChunkRecorder, InFlightComputation, Source
from deployments.cache.single_flight.leader import LeaderLease, LeaseTimings
from deployments.contracts.cache import (
    KEY_BYTES,
    Entry,
    FollowResult,
    LeaseAcquired,
    LeaseHeldElsewhere,
    SharedTier,
    Tier,
)
from deployments.contracts.generation import Completion, GenerateRequest

_ROUNDS = 4  # looks into the shared tier, before one computes for oneself
_CALLS = 3  # of the model, where they are ended by others
_FOLLOWS = 2  # flights of others that gave nothing, before one computes for oneself
_STORING_S = 0.1  # how long a follower who has it all waits for the form in which it is kept
_RENEWED_S = 10.0

Found: TypeAlias = bytes | LeaseAcquired | LeaseHeldElsewhere | None


class FetchDependencies(Protocol):
    """What a trip takes from the Retrieval it belongs to. `longest_s` is the most time that any
    caller may have."""

    shared: SharedTier | None
    archive: Tier | None
    clock: Clock
    pace: LeaseTimings
    longest_s: float
    counts: Counter[str]

    def run_in_background(self, work: Coroutine[Any, Any, None]) -> None: ...

    def tolerate_tier_down(self) -> AbstractContextManager[None]: ...


class TieredFetch:
    """`lead` is the claim this trip holds, or has held."""

    def __init__(self, means: FetchDependencies, flight: InFlightComputation) -> None:
        self._means = means
        self._flight = flight
        self._ask = flight.ask
        self._place = flight.ask.key
        self._claims = not (flight.overtakes or flight.ask.only_if_cached)
        self._follows = _FOLLOWS
        self.lead: LeaderLease | None = None

    async def run(self) -> None:
        if not self._ask.anew:
            await self._search()
        if self._flight.ended:
            return
        if self._ask.only_if_cached:
            raise NotCached
        await self._compute()
        await self._save()

    async def _search(self) -> None:
        """Land the flight, or become its leader, or neither."""
        if self._means.shared is not None:
            with self._means.tolerate_tier_down():
                await self._search_shared(self._means.shared)
        if self._means.archive is not None and not self._flight.ended:
            with self._means.tolerate_tier_down():
                await self._search_archive(self._means.archive)

    async def _search_shared(self, shared: SharedTier) -> None:
        for _ in range(_ROUNDS):
            found = await self._look(shared)
            if isinstance(found, bytes):
                again = await self._try(shared, found)
            elif isinstance(found, LeaseHeldElsewhere):
                again = await self._join(shared, found.token)
            else:
                return
            if not again:
                return

    async def _look(self, shared: SharedTier) -> Found:
        """A claim that is made while we are cancelled is given back."""
        lease_s = self._means.pace.lease_s if self._claims else 0.0
        look = asyncio.create_task(shared.get_or_lease(self._place, lease_s))
        try:
            found = await asyncio.shield(look)
        except asyncio.CancelledError:
            self._means.run_in_background(_unlook(look, shared, self._place))
            raise
        if isinstance(found, LeaseAcquired):
            self.lead = LeaderLease(
                shared, self._place, found.token, self._flight, self._means.pace
            )
        return found

    async def _try(self, shared: SharedTier, sealed: bytes) -> bool:
        """Land with what was found; True: it will not do, look again."""
        entry = self._opened(sealed)
        if entry is None:
            await shared.remove(self._place)
            return True
        if self._ask.usable(entry):
            self._land(entry, "l2")
            return False
        renews = self._claims and self._place == self._ask.key
        self._place = refresh_lease_key(self._ask.key) if renews else self._place
        return renews

    async def _join(self, shared: SharedTier, token: int) -> bool:
        """Follow another replica's flight; True: it gave nothing, look again."""
        if not (self._claims and self._follows):
            return False
        self._follows -= 1
        self._means.counts["followed"] += 1
        await self._follow(shared, token)
        self._means.counts["gone"] += not self._flight.ended
        return not self._flight.ended

    async def _follow(self, shared: SharedTier, token: int) -> None:
        attempt, seen = self._flight.attempt("peer"), 0
        while True:
            wait_s = _STORING_S if attempt.complete else self._means.pace.wait_s
            progress = await shared.follow(self._place, token, seen, wait_s)
            if progress.frames and not self._hear(attempt, progress.frames, first=not seen):
                self._claims = False
                return
            seen += len(progress.frames)
            if self._ends(attempt, progress):
                return

    def _ends(self, attempt: ChunkRecorder, progress: FollowResult) -> bool:
        """Whether there is no more to follow; lands the flight with what there is."""
        sealed = progress.sealed if progress.state == "stored" else None
        entry = None if sealed is None else self._opened(sealed)
        if entry is not None and self._ask.usable(entry):
            self._land(entry, "peer")
        elif attempt.complete and not (progress.frames and progress.state == "running"):
            self._landed(attempt.completion(), None, "peer")
        return self._flight.ended or progress.state != "running"

    def _hear(self, attempt: ChunkRecorder, frames: Sequence[bytes], *, first: bool) -> bool:
        """Take what a leader tells; False when it is not for us."""
        ask = self._ask
        if first:
            outline, frames = self._opened(frames[0]), frames[1:]
            if outline is None or not ask.usable(outline):
                return False
        for frame in frames:
            chunks = ask.sealer.decrypt_frames(ask.key, frame)
            if chunks is None:
                self._means.counts["unopenable"] += 1
                return False
            for chunk in chunks:
                attempt.add(chunk)
        return True

    async def _search_archive(self, archive: Tier) -> None:
        sealed = await archive.get(self._ask.key)
        entry = None if sealed is None else self._opened(sealed)
        if sealed is not None and entry is None:
            await archive.remove(self._ask.key)
        elif sealed is not None and entry is not None and self._ask.usable(entry):
            self._land(entry, "l3")
            await self._share(sealed, self._ttl_s(entry))

    async def _compute(self) -> None:
        clock = self._means.clock
        began = clock.monotonic()
        lead = self.lead
        if lead is not None:
            self._flight.count_followers = lead.count
        async with nullcontext() if lead is None else lead.heartbeat():
            completion = await self._completed()
        entry = self._ask.make(completion, clock.monotonic() - began)
        self._landed(completion, entry, "model")

    async def _completed(self) -> Completion:
        """The model's answer. It is asked once more where its call was ended by others than us, or
        where it refused one who would not wait for long and somebody else waits longer."""
        loop, calls = asyncio.get_running_loop(), 0
        while True:
            calls += 1
            until = self._flight.wanted_until()
            within_s = None if until is None else max(0.0, until - loop.time())
            request = replace(
                self._ask.request, timeout_s=self._means.longest_s, start_within_s=within_s
            )
            attempt = self._flight.attempt("model")
            try:
                return await self._asked(request, attempt)
            except (Overloaded, DeadlineExceeded):
                if not self._waits_longer(until):
                    raise
            except (asyncio.CancelledError, ClientGone):
                if is_cancelled_here() or self._flight.is_abandoned:
                    raise
                if calls >= _CALLS:
                    raise ModelFailed(request.model, "The call was interrupted.") from None

    def _waits_longer(self, until: float | None) -> bool:
        """Whether somebody who has joined since has more time than those who waited before."""
        now = self._flight.wanted_until()
        return until is not None and (now is None or now > until)

    async def _asked(self, request: GenerateRequest, attempt: ChunkRecorder) -> Completion:
        if not self._ask.streaming:
            return await self._ask.inner.generate(request)
        async with aclosing(self._ask.inner.stream(request)) as chunks:
            async for chunk in chunks:
                attempt.add(chunk)
        return attempt.completion()

    async def _save(self) -> None:
        entry = self._flight.entry
        ttl_s = 0.0 if entry is None else self._ttl_s(entry)
        if entry is None or ttl_s <= 0:
            await self._tell()
            return
        sealed = self._ask.sealer.encrypt(self._ask.key, entry)
        with self._means.tolerate_tier_down():
            await self._share(sealed, ttl_s)
        if self._means.archive is not None:
            with self._means.tolerate_tier_down():
                await self._means.archive.put(self._ask.key, sealed, ttl_s)

    async def _tell(self) -> None:
        """Give an answer that is not kept to those who follow now."""
        if self.lead is not None and self.lead.held and self.lead.followers:
            await self.lead.publish()
            await asyncio.sleep(self._means.pace.beat_s)

    async def _share(self, sealed: bytes, ttl_s: float) -> None:
        shared, key = self._means.shared, self._ask.key
        if shared is not None and (self.lead is None or self._place != key):
            await shared.put(key, sealed, ttl_s)
        if self.lead is not None and self.lead.held:
            await self.lead.store(sealed, ttl_s if self._place == key else min(ttl_s, _RENEWED_S))

    def _land(self, entry: Entry, source: Source) -> None:
        self._landed(decode(entry.body), entry, source)

    def _landed(self, completion: Completion, entry: Entry | None, source: Source) -> None:
        self._flight.complete(completion, entry, source)
        self._means.counts[source] += 1

    def _opened(self, sealed: bytes) -> Entry | None:
        entry = self._ask.sealer.decrypt(self._ask.key, sealed)
        self._means.counts["unopenable"] += entry is None
        return entry

    def _ttl_s(self, entry: Entry) -> float:
        return entry.created + entry.lives.error - self._means.clock.wall()


def refresh_lease_key(key: bytes) -> bytes:
    """Where the claim on an answer is that is kept, but to be computed anew."""
    return hashlib.blake2b(key, digest_size=KEY_BYTES, person=b"renewal").digest()


async def _unlook(look: "asyncio.Task[Found]", shared: SharedTier, place: bytes) -> None:
    found = await look
    if isinstance(found, LeaseAcquired):
        await shared.release(place, found.token)
