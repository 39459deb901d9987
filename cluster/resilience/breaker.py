"""A circuit breaker: leaves a model alone that fails, and finds out carefully whether it is back.

Flows in: how each attempt ended, and after how long. Flows out: whether the next one may start. The
states are those of M. Nygard, "Release It!" (2007), chapter 5; shares over a sliding window instead
of failures in a row, because half of the calls failing in turn never makes a row.
"""

from dataclasses import dataclass
from typing import Literal

from cluster.resilience.spec import BreakerSpec
from cluster.resilience.window import SlidingCounts
from cluster.runtime.clock import Clock

State = Literal["closed", "open", "half-open"]

_ENDED, _FAILED, _SLOW = range(3)
_GROWTH = 2.0
_NO_LEASE = 0


@dataclass(frozen=True, slots=True)
class BreakerFigures:
    """Shares are of the window's attempts that ended; `opened_at` (None: never) is Unix seconds of
    the last time it opened, `open_for_s` for how long, `retry_after_s` what is left of that.
    """

    state: State
    attempts: int
    failure_share: float
    slow_share: float
    opened: int
    opened_at: float | None
    open_for_s: float
    retry_after_s: float
    probes: int


class CircuitBreaker:
    """Not thread-safe: one event loop asks and tells.

    Whoever was let in tells the end of it once, with the pass that `enter` gave: `ended`, or
    `dropped` where the end says nothing of the model.
    """

    def __init__(self, spec: BreakerSpec, clock: Clock) -> None:
        self._spec = spec
        self._clock = clock
        self._counts = SlidingCounts(3, spec.window_s)
        self._until: float | None = None  # None: closed; else half-open from then on
        self._open_s = 0.0
        self._opened_at: float | None = None
        self._good = 0
        self._leases: dict[int, float] = {}  # pass -> when it expires
        self.opened = 0
        self.probes = 0

    @property
    def closed(self) -> bool:
        return self._until is None

    def try_acquire(self) -> int | None:
        """A pass for one attempt; None: not now."""
        if self._until is None:
            return _NO_LEASE
        now = self._clock.monotonic()
        if now < self._until:
            return None
        self._leases = {lease: end for lease, end in self._leases.items() if end > now}
        if self._good + len(self._leases) >= self._spec.probes:
            return None
        self.probes += 1
        self._leases[self.probes] = now + self._spec.lease_s
        return self.probes

    def record(self, lease: int, *, failed: bool, seconds: float) -> None:
        """An attempt has failed, or was answered after so many seconds."""
        if self._until is not None:
            self._probed(lease, bad=failed or seconds > self._spec.slow_s)
            return
        now = self._clock.monotonic()
        self._counts.add(now, _ENDED)
        if failed:
            self._counts.add(now, _FAILED)
        elif seconds > self._spec.slow_s:
            self._counts.add(now, _SLOW)
        else:
            return
        if self._trips():
            self._open(now, self._spec.open_s)

    def release(self, lease: int) -> None:
        """An attempt that says nothing: given up by its caller, or refused for the caller's own
        fault.
        """
        self._leases.pop(lease, None)

    def allow_probe(self) -> None:
        """Something has changed for the better: probe now."""
        if self._until is not None:
            self._until = min(self._until, self._clock.monotonic())

    def figures(self) -> BreakerFigures:
        now = self._clock.monotonic()
        self._counts.advance(now)
        ended, failed, slow = self._counts.totals
        left_s = 0.0 if self._until is None else max(0.0, self._until - now)
        return BreakerFigures(
            state="closed" if self._until is None else "open" if left_s else "half-open",
            attempts=ended,
            failure_share=failed / ended if ended else 0.0,
            slow_share=slow / ended if ended else 0.0,
            opened=self.opened,
            opened_at=self._opened_at,
            open_for_s=self._open_s,
            retry_after_s=left_s,
            probes=self.probes,
        )

    def _trips(self) -> bool:
        ended, failed, slow = self._counts.totals
        spec = self._spec
        return ended >= spec.min_requests and (
            failed >= spec.failures * ended or slow >= spec.slow * ended
        )

    def _probed(self, lease: int, *, bad: bool) -> None:
        """Attempts from before it opened have no lease, and a lease that expired counts no more."""
        expires = self._leases.pop(lease, None)
        now = self._clock.monotonic()
        if expires is None or expires <= now:
            return
        if bad:
            self._open(now, min(self._open_s * _GROWTH, self._spec.longest_open_s))
            return
        self._good += 1
        if self._good >= self._spec.probes:
            self._until = None
            self._counts.clear()

    def _open(self, now: float, seconds: float) -> None:
        self._open_s = seconds
        self._until = now + seconds
        self._opened_at = self._clock.wall()
        self._good = 0
        self._leases.clear()
        self.opened += 1
