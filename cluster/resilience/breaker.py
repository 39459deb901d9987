"""A circuit breaker: does not call what fails, and probes carefully whether it works again.

In: how each call ended, and after how long. Out: whether the next one may start. The states are
those of M. Nygard, "Release It!" (2007), chapter 5. A model's breaker trips by shares over a
sliding window, because half of the calls failing in turn never makes a row; a cache tier's trips by
failures in a row, because a request waits for each of them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from typing import Literal, Self

from cluster.resilience.spec import BreakerSpec
from cluster.resilience.window import SlidingCounts
from cluster.runtime.clock import Clock

State = Literal["closed", "open", "half-open"]

_ENDED, _FAILED, _SLOW = range(3)
_GROWTH = 2.0
_NO_LEASE = 0


@dataclass(frozen=True, slots=True)
class BreakerFigures:
    """Shares are of the window's attempts that ended; `opened` and `closed` count how often it did
    either; `opened_at` (None: never) is Unix seconds of the last time it opened, `open_for_s` for
    how long, `retry_after_s` what is left of that.
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
    closed: int = 0


class CircuitBreaker:
    """Not thread-safe: used on one event loop.

    Each call that was let in ends once, with the lease that `try_acquire` gave: by `record`, or by
    `release` if its end says nothing of what was called. `guard` does both around a call.
    """

    def __init__(
        self, spec: BreakerSpec, clock: Clock, *, failures_in_a_row: int | None = None
    ) -> None:
        """With `failures_in_a_row`, that many trip it, whatever the shares of `spec`."""
        self._spec = spec
        self._clock = clock
        self._limit = failures_in_a_row
        self._row = 0
        self._counts = SlidingCounts(3, spec.window_s)
        self._until: float | None = None  # None: closed; else half-open from then on
        self._open_s = 0.0
        self._opened_at: float | None = None
        self._good = 0
        self._leases: dict[int, float] = {}  # lease -> when it expires
        self.opened = 0
        self._closed = 0
        self.probes = 0

    @classmethod
    def for_consecutive_failures(
        cls, clock: Clock, failures: int = 3, pause_s: float = 1.0
    ) -> Self:
        """Opens for `pause_s` after `failures` in a row; then one call at a time is a probe, whose
        failure opens it for another `pause_s`."""
        spec = BreakerSpec(
            open_s=pause_s, longest_open_s=pause_s, probes=1, slow_s=inf, lease_s=inf
        )
        return cls(spec, clock, failures_in_a_row=failures)

    @property
    def closed(self) -> bool:
        return self._until is None

    @property
    def ready(self) -> bool:
        """Whether a call would be let in."""
        if self._until is None:
            return True
        now = self._clock.monotonic()
        self._leases = {lease: end for lease, end in self._leases.items() if end > now}
        return now >= self._until and self._good + len(self._leases) < self._spec.probes

    def try_acquire(self) -> int | None:
        """A lease for one call; None: not now."""
        if self._until is None:
            return _NO_LEASE
        if not self.ready:
            return None
        self.probes += 1
        self._leases[self.probes] = self._clock.monotonic() + self._spec.lease_s
        return self.probes

    @contextmanager
    def guard(self, failure: type[Exception], *, may_probe: bool = True) -> Iterator[None]:
        """Around one call that fails by raising `failure`, which is also raised in its place while
        the breaker is open. A call that waits for long should not probe."""
        lease = self.try_acquire() if may_probe or self._until is None else None
        if lease is None:
            raise failure("the circuit breaker is open")
        try:
            yield
        except failure:
            self.record(lease, failed=True, seconds=0.0)
            raise
        except BaseException:
            self.release(lease)
            raise
        self.record(lease, failed=False, seconds=0.0)

    def record(self, lease: int, *, failed: bool, seconds: float) -> None:
        """A call has failed, or was answered after so many seconds."""
        if self._until is not None:
            self._record_probe(lease, bad=failed or seconds > self._spec.slow_s)
            return
        if self._limit is not None:
            self._row = self._row + 1 if failed else 0
            if self._row >= self._limit:
                self._open(self._clock.monotonic(), self._spec.open_s)
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
        """A call ended without saying anything: its caller gave it up, or it was refused for the
        caller's own fault.
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
            closed=self._closed,
        )

    def _trips(self) -> bool:
        ended, failed, slow = self._counts.totals
        spec = self._spec
        return ended >= spec.min_requests and (
            failed >= spec.failures * ended or slow >= spec.slow * ended
        )

    def _record_probe(self, lease: int, *, bad: bool) -> None:
        """Calls from before it opened have no lease, and an expired lease no longer counts."""
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
            self._closed += 1
            self._row = 0
            self._counts.clear()

    def _open(self, now: float, seconds: float) -> None:
        self._open_s = seconds
        self._until = now + seconds
        self._opened_at = self._clock.wall()
        self._good = 0
        self._leases.clear()
        self.opened += 1
