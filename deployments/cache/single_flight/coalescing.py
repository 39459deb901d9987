"""One computation for all replicas: the leader publishes its chunks, the others follow.

In: the log of a computation as it grows, or a peer's frames. Out: lease renewals and encrypted
frames while a replica follows, or a completed computation. Both sides know nothing of how a
response is computed.

The first frame is the encrypted outline of the entry, by which a follower sees whether the response
will do; each one after it is encrypted chunks. A computation without waiters in the leader's
process goes on while others follow it.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from deployments.cache.lookup import EntryRules
from deployments.cache.single_flight.in_flight import ChunkRecorder, InFlightComputation
from deployments.contracts.cache import Entry, SharedTier, TierUnavailable
from deployments.contracts.generation import Completion

_STORING_S = 0.1  # how long a follower that has every chunk waits for the stored entry


@dataclass(frozen=True, slots=True)
class LeaseTimings:
    """Seconds: a lease lasts `lease_s` and is renewed every `beat_s`; a follower asks again after
    `wait_s`.
    """

    lease_s: float = 2.0
    beat_s: float = 0.25
    wait_s: float = 1.0


class LeaderLease:
    """The right to compute the response of `flight` for all replicas: `token` under `key`."""

    def __init__(
        self,
        shared: SharedTier,
        key: bytes,
        token: int,
        flight: InFlightComputation,
        timings: LeaseTimings,
    ) -> None:
        self.key = key
        self.followers = 0
        self.held = True
        self._shared = shared
        self._token = token
        self._flight = flight
        self._timings = timings
        self._published = 0
        self._unconfirmed = False
        self._stopped = False
        self._renewed = asyncio.get_running_loop().time()

    @asynccontextmanager
    async def heartbeat(self) -> AsyncIterator[None]:
        """Renews the lease while the body runs."""
        task = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            self._stopped = True  # for a tier that swallows the cancellation
            task.cancel()
            await asyncio.wait((task,))  # never takes our own cancellation for the task's
            if not task.cancelled():
                task.result()

    async def publish(self) -> None:
        """Renew the lease, and send the followers the chunks since the last time."""
        frames, length = self._frames(), len(self._flight.log)
        # Until the tier confirms that frames arrived, none after them may be sent.
        self._unconfirmed = self._unconfirmed or bool(frames)
        if await self._renew(frames) and frames:
            self._published, self._unconfirmed = length, False

    async def count(self) -> int:
        """The number of followers now; also renews the lease."""
        await self._renew(())
        return self.followers

    async def store(self, sealed: bytes, ttl_s: float) -> None:
        """End the lease with the entry. Raises TierUnavailable."""
        self.held = False
        await self._shared.store(self.key, self._token, sealed, ttl_s)

    async def release(self) -> None:
        """End the lease without an entry. Raises TierUnavailable."""
        self.held = False
        await self._shared.release(self.key, self._token)

    async def _renew(self, frames: Sequence[bytes]) -> bool:
        """Whether the tier answered. If it has not for as long as a lease lasts, the followers have
        been told that the lease is gone."""
        now = asyncio.get_running_loop().time
        try:
            followers = await self._shared.publish(
                self.key, self._token, frames, self._timings.lease_s
            )
        except TierUnavailable:
            if now() - self._renewed > self._timings.lease_s:
                self._flight.set_followers(0)
            return False
        self.followers, self.held, self._renewed = followers, followers >= 0, now()
        self._flight.set_followers(max(0, followers))
        return True

    async def _beat(self) -> None:
        while self.held and not self._stopped:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timings.beat_s):
                    await self._wait_for_chunks()
            await self.publish()

    async def _wait_for_chunks(self) -> None:
        if self.followers and not self._unconfirmed:
            await self._flight.wait_for_chunks(self._published)
        else:
            await asyncio.sleep(self._timings.beat_s)

    def _frames(self) -> list[bytes]:
        flight, lookup = self._flight, self._flight.lookup
        if not self.followers or self._unconfirmed:
            return []
        chunks = tuple(flight.log[self._published :])
        if not chunks:
            return []
        outline = [] if self._published else [lookup.encryptor.encrypt(lookup.key, flight.outline)]
        return [*outline, lookup.encryptor.encrypt_frames(lookup.key, chunks)]


class PeerFollower:
    """Reads another replica's computation of the response that `flight` is for.

    `rejected`: the peer's response will not do for this lookup, or does not decrypt.
    """

    def __init__(
        self,
        shared: SharedTier,
        flight: InFlightComputation,
        rules: EntryRules,
        timings: LeaseTimings,
        counts: Counter[str],
    ) -> None:
        self.rejected = False
        self._shared = shared
        self._flight = flight
        self._lookup = flight.lookup
        self._rules = rules
        self._timings = timings
        self._counts = counts

    async def follow(self, key: bytes, token: int) -> Entry | Completion | None:
        """The stored entry, or a completion that is not stored; None if the computation ended
        without a response, or was rejected."""
        self._flight.start_attempt("peer")
        recorder, seen = self._flight.record_chunks(), 0
        while True:
            wait_s = _STORING_S if recorder.complete else self._timings.wait_s
            progress = await self._shared.follow(key, token, seen, wait_s)
            if progress.frames and not self._record(recorder, progress.frames, first=not seen):
                self.rejected = True
                return None
            seen += len(progress.frames)
            running = progress.state == "running"
            if progress.state == "stored" and progress.sealed is not None:
                entry = self._decrypt(progress.sealed)
                if entry is not None and self._is_servable(entry):
                    return entry
            if recorder.complete and not (progress.frames and running):
                return recorder.completion()
            if not running:
                return None

    def _record(self, recorder: ChunkRecorder, frames: Sequence[bytes], *, first: bool) -> bool:
        lookup = self._lookup
        if first:
            outline, frames = self._decrypt(frames[0]), frames[1:]
            if outline is None or not self._is_servable(outline):
                return False
        for frame in frames:
            chunks = lookup.encryptor.decrypt_frames(lookup.key, frame)
            if chunks is None:
                self._counts["unopenable"] += 1
                return False
            for chunk in chunks:
                recorder.add(chunk)
        return True

    def _is_servable(self, entry: Entry) -> bool:
        return self._rules.servable_state(self._lookup, entry) is not None

    def _decrypt(self, sealed: bytes) -> Entry | None:
        entry = self._lookup.encryptor.decrypt(self._lookup.key, sealed)
        self._counts["unopenable"] += entry is None
        return entry
