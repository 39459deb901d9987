"""Compute leases: which replica computes which missing entry, what it publishes, who follows.

In: keys and lease times, by the clock. Out: leases with rising tokens, and followers woken when
frames come or the computation ends. Knows neither entries nor processes; runs on one event loop.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress

from cluster.runtime.clock import Clock
from deployments.contracts.cache import FollowResult

GONE = FollowResult("gone")

FOLLOWING_S = 3.0  # how long a request counts as following
LOG_BYTES = 4 << 20  # a longer log is dropped; followers then wait for the entry
REPLY_BYTES = 1 << 20  # frames in one reply to a follower, unless the first alone is longer
_FRAME_BYTES = 48  # overhead of a frame: the object, and its slot in the log


class FollowerCount:
    """The number of followers, who poll anonymously.

    A follower that comes while another is between two polls is taken for that one until it is back:
    the count may be too low for a moment, but never 0 while there is a follower.
    """

    def __init__(self) -> None:
        self._waiting = 0
        self._away: deque[float] = deque()

    def add(self, now: float) -> None:
        self._forget(now)
        self._waiting += 1
        if self._away:
            self._away.popleft()

    def remove(self, now: float) -> None:
        self._waiting -= 1
        self._away.append(now)

    def count(self, now: float) -> int:
        self._forget(now)
        return self._waiting + len(self._away)

    def _forget(self, now: float) -> None:
        while self._away and self._away[0] <= now - FOLLOWING_S:
            self._away.popleft()


class ComputeLease:
    """The lease of one computation. `ended` is its followers' result once it is over."""

    def __init__(self, token: int, until: float) -> None:
        self.token = token
        self.until = until
        self.ended: FollowResult | None = None
        self.followers = FollowerCount()
        self.log: list[bytes] = []
        self.log_bytes = 0
        self.cut = False
        self.changed = asyncio.Event()

    def add(self, frames: Sequence[bytes]) -> None:
        self.log += frames
        self.log_bytes += frame_bytes(frames)
        self.wake()

    def cut_log(self) -> None:
        self.cut, self.log, self.log_bytes = True, [], 0

    def wake(self) -> None:
        """Wake the followers that wait now."""
        self.changed.set()
        self.changed = asyncio.Event()

    def result(self, seen: int) -> FollowResult:
        if self.ended is not None:
            return self.ended
        end, room = seen, REPLY_BYTES
        while end < len(self.log) and (room >= len(self.log[end]) or end == seen):
            room -= len(self.log[end])
            end += 1
        return FollowResult("running", tuple(self.log[seen:end]))


class ComputeLeases:
    """The open leases. An overdue one ends when its key is asked for, or a later one opens.

    The lease of a dead leader is dropped, with its log, at most the longest lease in use after its
    own. `log_bytes` of all logs stay under `max_log_bytes`.
    """

    def __init__(self, clock: Clock, max_log_bytes: int) -> None:
        self._clock = clock
        self._max_log_bytes = max_log_bytes
        # The lease that was renewed longest ago is first.
        self._open: OrderedDict[bytes, ComputeLease] = OrderedDict()
        # Tokens also rise over a restart, unless a million leases a second were made before it.
        self._last_token = int(clock.wall() * 1e6)
        self.log_bytes = 0

    def __len__(self) -> int:
        self._end_overdue()
        return len(self._open)

    def open(self, key: bytes, lease_s: float) -> ComputeLease:
        """A lease on a key that has none."""
        self._end_overdue()
        self._last_token += 1
        lease = self._open[key] = ComputeLease(self._last_token, self._clock.monotonic() + lease_s)
        return lease

    def get(self, key: bytes, token: int | None = None) -> ComputeLease | None:
        """The open lease on `key`; with `token`, only if it is that one."""
        lease = self._open.get(key)
        if lease is not None and lease.until <= self._clock.monotonic():
            self.end(key, lease, GONE)
            return None
        return lease if lease is None or token in (None, lease.token) else None

    def renew(self, key: bytes, lease: ComputeLease, lease_s: float) -> None:
        lease.until = self._clock.monotonic() + lease_s
        self._open.move_to_end(key)

    def add(self, lease: ComputeLease, frames: Sequence[bytes]) -> None:
        """Append to the log, unless that makes it, or all logs together, too long."""
        if not frames or lease.cut:
            return
        more = frame_bytes(frames)
        if lease.log_bytes + more > LOG_BYTES or self.log_bytes + more > self._max_log_bytes:
            self.log_bytes -= lease.log_bytes
            lease.cut_log()
            return
        self.log_bytes += more
        lease.add(frames)

    def end(self, key: bytes, lease: ComputeLease, result: FollowResult) -> None:
        del self._open[key]
        self.log_bytes -= lease.log_bytes
        lease.ended = result
        lease.wake()

    async def follow(
        self, key: bytes, lease: ComputeLease, seen: int, wait_s: float
    ) -> FollowResult:
        """As SharedTier.follow, of an open lease."""
        lease.followers.add(self._clock.monotonic())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wait_for_frames(key, lease, seen)
        finally:
            lease.followers.remove(self._clock.monotonic())
        return lease.result(seen)

    async def _wait_for_frames(self, key: bytes, lease: ComputeLease, seen: int) -> None:
        while lease.ended is None and len(lease.log) <= seen:
            changed, left_s = lease.changed, lease.until - self._clock.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await changed.wait()
            self.get(key)

    def _end_overdue(self) -> None:
        now = self._clock.monotonic()
        while self._open:
            key, lease = next(iter(self._open.items()))
            if lease.until > now:
                return
            self.end(key, lease, GONE)


def frame_bytes(frames: Sequence[bytes]) -> int:
    """Bytes that frames take in a log."""
    return sum(len(frame) + _FRAME_BYTES for frame in frames)
