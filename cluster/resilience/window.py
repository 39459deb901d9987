"""Counts of what happened lately: several kinds, over a window that slides in tenths.

Flows in: moments (monotonic seconds) and which kind. Flows out: totals. No clock of its own, so
that one reading serves everything that counts the same call.
"""

_SLOTS = 10


class SlidingCounts:
    """`totals[kind]` is of the last `window_s` (nine to ten tenths of it), once `roll` was told
    the time.
    """

    __slots__ = ("_at", "_slots", "_width", "totals")

    def __init__(self, kinds: int, window_s: float) -> None:
        self._width = window_s / _SLOTS
        self._slots = [[0] * kinds for _ in range(_SLOTS)]
        self._at = 0
        self.totals = [0] * kinds

    def advance(self, now: float) -> None:
        """Forget what has left the window by `now`; a time that goes back changes nothing."""
        at = int(now / self._width)
        if at > self._at:
            self._forget(at)

    def add(self, now: float, kind: int) -> None:
        self.advance(now)
        self._slots[self._at % _SLOTS][kind] += 1
        self.totals[kind] += 1

    def clear(self) -> None:
        self._forget(self._at + _SLOTS)

    def _forget(self, at: int) -> None:
        for gone in range(max(self._at + 1, at - _SLOTS + 1), at + 1):
            slot = self._slots[gone % _SLOTS]
            for kind, count in enumerate(slot):
                self.totals[kind] -= count
                slot[kind] = 0
        self._at = at
