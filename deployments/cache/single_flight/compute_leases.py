"""Who computes which missing answer: leased claims, what their leaders publish, who follows.

In: keys and leases, by the clock. Out: claims with rising tokens, and followers woken when frames
come or the flight ends. Knows no answers, and nothing of where it runs, but one event loop.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from contextlib import suppress

from cluster.runtime.clock import Clock
from deployments.contracts.cache import FollowResult

GONE = FollowResult("gone")

FOLLOWING_S = 3.0  # how long asking counts as following
LOG_BYTES = 4 << 20  # a longer log is given up; followers then wait for the answer
TOLD_BYTES = 1 << 20  # frames in one answer to a follower, unless the first alone is longer
_FRAME_BYTES = 48  # a frame's own cost: the object, and its place in the log


class FollowerCount:
    """How many follow, though they ask anew and do not say who they are.

    Who comes while somebody else is away between two questions is taken for the one who was away,
    until that one is back: the count may be short for a moment, but never 0 while somebody follows.
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
    """One flight. `ended` is what its followers are told once it is over."""

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
        """Whoever waits now has news; who waits from now on waits for the next."""
        self.changed.set()
        self.changed = asyncio.Event()

    def told(self, seen: int) -> FollowResult:
        if self.ended is not None:
            return self.ended
        end, room = seen, TOLD_BYTES
        while end < len(self.log) and (room >= len(self.log[end]) or end == seen):
            room -= len(self.log[end])
            end += 1
        return FollowResult("running", tuple(self.log[seen:end]))


class ComputeLeases:
    """The claims that live. Overdue ones end when their key is asked for, or a later one opens.

    A claim whose leader is dead is dropped, with its log, at most the longest lease in use after
    its own. `log_bytes` of all logs stay under `max_log_bytes`.
    """

    def __init__(self, clock: Clock, max_log_bytes: int) -> None:
        self._clock = clock
        self._max_log_bytes = max_log_bytes
        self._live: OrderedDict[bytes, ComputeLease] = (
            OrderedDict()
        )  # the longest not renewed is first
        # Tokens also rise over a restart, unless a million claims a second were made before it.
        self._last_token = int(clock.wall() * 1e6)
        self.log_bytes = 0

    def __len__(self) -> int:
        self._end_overdue()
        return len(self._live)

    def open(self, key: bytes, lease_s: float) -> ComputeLease:
        """A claim on a key that has none."""
        self._end_overdue()
        self._last_token += 1
        claim = self._live[key] = ComputeLease(self._last_token, self._clock.monotonic() + lease_s)
        return claim

    def get(self, key: bytes, token: int | None = None) -> ComputeLease | None:
        """The living claim on `key`; with `token`, only if it is that one."""
        claim = self._live.get(key)
        if claim is not None and claim.until <= self._clock.monotonic():
            self.end(key, claim, GONE)
            return None
        return claim if claim is None or token in (None, claim.token) else None

    def renew(self, key: bytes, claim: ComputeLease, lease_s: float) -> None:
        claim.until = self._clock.monotonic() + lease_s
        self._live.move_to_end(key)

    def add(self, claim: ComputeLease, frames: Sequence[bytes]) -> None:
        """Append to the log, unless that makes it, or all logs together, too long."""
        if not frames or claim.cut:
            return
        more = frame_bytes(frames)
        if claim.log_bytes + more > LOG_BYTES or self.log_bytes + more > self._max_log_bytes:
            self.log_bytes -= claim.log_bytes
            claim.cut_log()
            return
        self.log_bytes += more
        claim.add(frames)

    def end(self, key: bytes, claim: ComputeLease, told: FollowResult) -> None:
        del self._live[key]
        self.log_bytes -= claim.log_bytes
        claim.ended = told
        claim.wake()

    async def follow(
        self, key: bytes, claim: ComputeLease, seen: int, wait_s: float
    ) -> FollowResult:
        """As SharedTier.follow, of a living claim."""
        claim.followers.add(self._clock.monotonic())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._news(key, claim, seen)
        finally:
            claim.followers.remove(self._clock.monotonic())
        return claim.told(seen)

    async def _news(self, key: bytes, claim: ComputeLease, seen: int) -> None:
        while claim.ended is None and len(claim.log) <= seen:
            changed, left_s = claim.changed, claim.until - self._clock.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(left_s):
                    await changed.wait()
            self.get(key)

    def _end_overdue(self) -> None:
        now = self._clock.monotonic()
        while self._live:
            key, claim = next(iter(self._live.items()))
            if claim.until > now:
                return
            self.end(key, claim, GONE)


def frame_bytes(frames: Sequence[bytes]) -> int:
    """What frames cost in a log, in bytes."""
    return sum(len(frame) + _FRAME_BYTES for frame in frames)
