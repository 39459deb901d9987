"""Counts of recent events of several kinds, over a window that slides in tenths.

In: times (monotonic seconds) and kinds. Out: totals. It has no clock of its own, so that one
reading of the clock serves everything that counts the same call.
"""

_SLOTS = 10


class SlidingCounts:
    """`totals[kind]` is of the last `window_s` (nine to ten tenths of it) before the latest time
    that `advance` or `add` was given.
    """

    __slots__ = ("_slot", "_slots", "_width", "totals")

    def __init__(self, kinds: int, window_s: float) -> None:
        self._width = window_s / _SLOTS
        self._slots = [[0] * kinds for _ in range(_SLOTS)]
        self._slot = 0
        self.totals = [0] * kinds

    def advance(self, now: float) -> None:
        """Forget what has left the window by `now`; an earlier time changes nothing."""
        slot = int(now / self._width)
        if slot > self._slot:
            self._forget(slot)

    def add(self, now: float, kind: int) -> None:
        self.advance(now)
        self._slots[self._slot % _SLOTS][kind] += 1
        self.totals[kind] += 1

    def clear(self) -> None:
        self._forget(self._slot + _SLOTS)

    def _forget(self, slot: int) -> None:
        for expired in range(max(self._slot + 1, slot - _SLOTS + 1), slot + 1):
            counts = self._slots[expired % _SLOTS]
            for kind, count in enumerate(counts):
                self.totals[kind] -= count
                counts[kind] = 0
        self._slot = slot
