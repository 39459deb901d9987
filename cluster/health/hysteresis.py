"""From the outcomes of checks to a state that does not flap.

In: outcomes, one after the other, with the time of each. Out: the state, and since when. Pure.

A state changes after `CONFIRMATIONS` outcomes in a row that are all worse, or all better, than the
current one, to the nearest of them; it then counts from the first of them. An outcome that finds a
dependency off, or up for the first time, counts at once; a first fault does not, because much of
what is checked starts together with who checks it. A dependency that is up, and of
whose last `WINDOW` checks `FLAPS` or more found a fault, is degraded: it comes and goes.
"""

from collections import deque

from cluster.health.state import DependencyState

CONFIRMATIONS = 2
WINDOW, FLAPS = 12, 3
_UNRATED = (DependencyState.UNKNOWN, DependencyState.OFF)


class StateTracker:
    """`state` is the current one, `since` when it began (Unix seconds; None: no outcome yet)."""

    def __init__(self) -> None:
        self.state = DependencyState.UNKNOWN
        self.since: float | None = None
        self._confirmed = DependencyState.UNKNOWN
        self._streak: list[tuple[DependencyState, float]] = []  # all worse, or all better
        self._faults: deque[bool] = deque(maxlen=WINDOW)

    @property
    def is_flapping(self) -> bool:
        """Whether the state is degraded only because faults come and go."""
        return self.state is not self._confirmed

    @property
    def is_undecided(self) -> bool:
        """Whether another outcome like the last one would change the state."""
        return bool(self._streak)

    def observe(self, outcome: DependencyState, at: float) -> bool:
        """Takes an outcome of time `at` (Unix seconds); whether the state has changed."""
        began = self._confirm(outcome, at)
        self._faults.append(outcome.severity > 0)
        state = self._confirmed
        if state is DependencyState.UP and sum(self._faults) >= FLAPS:
            state = DependencyState.DEGRADED
        if self.since is None:
            self.since = at
        if state is self.state:
            return False
        self.state, self.since = state, began
        return True

    def _confirm(self, outcome: DependencyState, at: float) -> float:
        """Updates the confirmed state; when the latest one began, or `at` if it did not change."""
        is_first = self._confirmed in _UNRATED and outcome is DependencyState.UP
        if outcome in _UNRATED or is_first:
            self._adopt(outcome)
            return at
        change = outcome.severity - self._confirmed.severity
        if self._streak and change * self._direction <= 0:
            self._streak.clear()
        if change == 0:
            return at
        self._streak.append((outcome, at))
        if len(self._streak) < CONFIRMATIONS:
            return at
        began = self._streak[0][1]
        nearest = min(
            (state for state, _ in self._streak),
            key=lambda state: abs(state.severity - self._confirmed.severity),
        )
        self._adopt(nearest)
        return began

    @property
    def _direction(self) -> int:
        return self._streak[0][0].severity - self._confirmed.severity

    def _adopt(self, state: DependencyState) -> None:
        self._confirmed = state
        self._streak.clear()
        self._faults.clear()
