"""In-flight calls of a ReplicaSet, and those that have ended recently.

In: the dispatch of each call and its end, reported by router and caller in any order. Out: the
dispatch by call id. Calls that are never reported expire. Takes no lock.
"""

from collections import deque

from cluster.balancing.replica_state import Dispatch

REPORT_WITHIN_S = 10.0  # how long an ended call waits for its caller's report
MAX_CALLS = 100_000  # safety limit: normally every call ends
MAX_AVOIDING = 10_000

_NOWHERE: frozenset[str] = frozenset()


class InFlightCalls:
    """Tracks dispatches and updates the replicas' counts of outstanding work."""

    def __init__(self) -> None:
        self.calls: dict[str, Dispatch] = {}
        self._ended: deque[tuple[float, Dispatch]] = deque()
        self._avoiding: dict[str, frozenset[str]] = {}
        self._preferring: dict[str, str] = {}

    def open(self, dispatch: Dispatch) -> None:
        state, call = dispatch.state, dispatch.call
        state.take(dispatch)
        state.open[call] = self.calls[call] = dispatch
        if len(self.calls) > MAX_CALLS:
            self.forget(next(iter(self.calls.values())))

    def ended(self, dispatch: Dispatch, now: float) -> None:
        """Marks it as ended; its caller may still report."""
        if dispatch.call and not dispatch.over:
            dispatch.state.release(dispatch)
            self._ended.append((now + REPORT_WITHIN_S, dispatch))
        while self._ended and self._ended[0][0] <= now:
            self.forget(self._ended.popleft()[1])

    def forget(self, dispatch: Dispatch) -> None:
        if self.calls.get(dispatch.call) is dispatch:
            self._avoiding.pop(dispatch.call, None)
        self.withdraw(dispatch)

    def avoid(self, call: str, replicas: frozenset[str]) -> None:
        self._avoiding[call] = self.avoided(call) | replicas
        if len(self._avoiding) > MAX_AVOIDING:
            del self._avoiding[next(iter(self._avoiding))]

    def avoided(self, call: str) -> frozenset[str]:
        """The replicas that this call must avoid."""
        return self._avoiding.get(call, _NOWHERE) if self._avoiding else _NOWHERE

    def prefer(self, call: str, replica: str) -> None:
        self._preferring[call] = replica
        if len(self._preferring) > MAX_AVOIDING:
            del self._preferring[next(iter(self._preferring))]

    def take_preferred(self, call: str) -> str | None:
        """The replica that this call is to be sent to; once."""
        return self._preferring.pop(call, None) if self._preferring else None

    def withdraw(self, dispatch: Dispatch) -> None:
        """It was not sent: nothing is counted."""
        call, state = dispatch.call, dispatch.state
        state.release(dispatch)
        if state.open.get(call) is dispatch:
            del state.open[call]
        if self.calls.get(call) is dispatch:
            del self.calls[call]

    def gone(self, call: str) -> None:
        """The caller has reported a call that is not tracked; drops its avoid list."""
        self._avoiding.pop(call, None)
