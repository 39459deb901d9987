"""The calls that a Fleet follows: under way, or ended a moment ago.

Flows in: where each was sent and that it ended, by two witnesses in any order: its router and its
caller. Flows out: the call by its id. Whatever nobody reports is forgotten. Takes no lock.
"""

from collections import deque

from cluster.balancing.replica_state import Dispatch

REPORT_WITHIN_S = 10.0  # a call that has ended is kept that long for its caller's report
MOST_CALLS = 100_000  # a last resort: every call ends, or its replica goes
MOST_AVOIDING = 10_000

_NOWHERE: frozenset[str] = frozenset()


class InFlightCalls:
    """Keeps the seats' counts of what is outstanding there."""

    def __init__(self) -> None:
        self.calls: dict[str, Dispatch] = {}
        self._ended: deque[tuple[float, Dispatch]] = deque()
        self._avoiding: dict[str, frozenset[str]] = {}

    def open(self, placement: Dispatch) -> None:
        seat, call = placement.seat, placement.call
        seat.take(placement)
        seat.open[call] = self.calls[call] = placement
        if len(self.calls) > MOST_CALLS:
            self.forget(next(iter(self.calls.values())))

    def ended(self, placement: Dispatch, now: float) -> None:
        """Nothing is outstanding any more; its caller may still report."""
        if placement.call and not placement.over:
            placement.seat.release(placement)
            self._ended.append((now + REPORT_WITHIN_S, placement))
        while self._ended and self._ended[0][0] <= now:
            self.forget(self._ended.popleft()[1])

    def forget(self, placement: Dispatch) -> None:
        call, seat = placement.call, placement.seat
        seat.release(placement)
        if seat.open.get(call) is placement:
            del seat.open[call]
        if self.calls.get(call) is placement:
            del self.calls[call]
            self._avoiding.pop(call, None)

    def avoid(self, call: str, replicas: frozenset[str]) -> None:
        self._avoiding[call] = self.avoided(call) | replicas
        if len(self._avoiding) > MOST_AVOIDING:
            del self._avoiding[next(iter(self._avoiding))]

    def avoided(self, call: str) -> frozenset[str]:
        """The replicas that this call shall not go to."""
        return self._avoiding.get(call, _NOWHERE) if self._avoiding else _NOWHERE

    def gone(self, call: str) -> None:
        """Its caller has reported before it was sent anywhere, or after it was forgotten."""
        self._avoiding.pop(call, None)
