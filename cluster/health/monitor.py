"""The checks of one dependency: at most one at a time, bounded in time, counted.

In: the dependency and a clock. Out: its status and figures, and whether its state has changed. A
check that does not end when it is cancelled (a thread that hangs in a system call) is not started
again until it has; the dependency counts as failing meanwhile.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from cluster.health.dependency import Dependency
from cluster.health.figures import DependencyFigures
from cluster.health.hysteresis import StateTracker
from cluster.health.report import DependencyStatus
from cluster.health.state import CheckOutcome, DependencyState, degraded, down
from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem

STALLED = 1.5  # a timeout that fires later than this share of it is this process's own fault
MAX_DETAIL = 300
_UP = {DependencyState.UP: 1.0, DependencyState.DEGRADED: 0.5, DependencyState.DOWN: 0.0}


@dataclass(frozen=True, slots=True)
class StateChange:
    """A dependency went from one state to another, which began at `since` (Unix seconds)."""

    dependency: Dependency
    before: DependencyState
    after: DependencyState
    since: float
    detail: str


class DependencyMonitor:
    """Use it on one event loop. `due` is when the next check is to start (monotonic)."""

    def __init__(self, dependency: Dependency, clock: Clock, due: float) -> None:
        self.dependency = dependency
        self.due = due
        self._clock = clock
        self._tracker = StateTracker()
        self._check: asyncio.Task[CheckOutcome] | None = None
        self._latency_s: float | None = None
        self._checked_at: float | None = None
        self._detail = ""
        self._checks = self._faults = self._timeouts = self._skipped = self._changes = 0

    @property
    def is_undecided(self) -> bool:
        """Whether another outcome like the last one would change the state."""
        return self._tracker.is_undecided

    async def run_check(self) -> StateChange | None:
        """One check, to its end or its timeout; the change of state that it leads to."""
        outcome = await self._run()
        if outcome is None:
            self._skipped += 1
            return None
        self._checks += 1
        self._faults += outcome.state.severity > 0
        self._checked_at = at = self._clock.wall()
        before = self._tracker.state
        has_changed = self._tracker.observe(outcome.state, at)
        if outcome.detail or self._tracker.state.severity == 0:
            self._detail = outcome.detail[:MAX_DETAIL]
        if not has_changed:
            return None
        self._changes += 1
        since = self._tracker.since or at
        return StateChange(self.dependency, before, self._tracker.state, since, self._detail)

    def status(self) -> DependencyStatus:
        tracker, dependency = self._tracker, self.dependency
        detail = self._detail
        if tracker.is_flapping:
            detail = f"comes and goes: {detail}" if detail else "comes and goes"
        return DependencyStatus(
            dependency.name,
            dependency.kind,
            tracker.state.value,
            dependency.consequence,
            tracker.since,
            self._checked_at,
            self._latency_s,
            detail,
        )

    def figures(self) -> DependencyFigures:
        return DependencyFigures(
            self.dependency.kind,
            _UP.get(self._tracker.state),
            self._tracker.since,
            self._checks,
            self._faults,
            self._timeouts,
            self._skipped,
            self._changes,
            self._latency_s,
        )

    async def close(self, timeout_s: float = 0.5) -> None:
        """Cancels a check in progress; waits `timeout_s` for its end."""
        if self._check is not None and not self._check.done():
            self._check.cancel()
            await asyncio.wait((self._check,), timeout=timeout_s)

    async def _run(self) -> CheckOutcome | None:
        """None: this process stood still, which says nothing of the dependency."""
        timeout_s, began = self.dependency.timeout_s, self._clock.monotonic()
        check = self._check
        if check is None or check.done():
            check = self._check = create_detached_task(self._ask(), name=self.dependency.name)
            check.add_done_callback(_retrieve)
        await asyncio.wait((check,), timeout=timeout_s)
        elapsed_s = self._clock.monotonic() - began
        if not check.done():
            check.cancel()
            if elapsed_s > STALLED * timeout_s:
                return None
            self._timeouts += 1
            return down(f"no answer in {timeout_s:g} s")
        self._check = None
        self._latency_s = elapsed_s
        outcome = down("no answer in time") if check.cancelled() else check.result()
        slow_s = self.dependency.slow_s
        if outcome.state is DependencyState.UP and slow_s is not None and elapsed_s > slow_s:
            return degraded(f"answers after {elapsed_s:.2f} s")
        return outcome

    async def _ask(self) -> CheckOutcome:
        try:
            return await self.dependency.check()
        except Problem as problem:
            return down(problem.detail)
        except Exception as error:  # noqa: BLE001 - its text may hold an address with a password
            return down(type(error).__name__)


def _retrieve(check: asyncio.Task[CheckOutcome]) -> None:
    """So that a check that nobody waits for any more leaves no warning."""
    with suppress(asyncio.CancelledError):
        check.exception()
