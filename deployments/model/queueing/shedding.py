"""Load shedding: requests to refuse so that the others do not wait too long.

In: waits in the queue, and the expected wait of a new request. Out: whether to shed it. Knows no
queue, no tenants and no problems.
"""

from dataclasses import dataclass

from cluster.runtime.clock import Clock
from cluster.tenants.caller import Priority

_CLASSES = (Priority.BATCH, Priority.STANDARD, Priority.INTERACTIVE)  # the first goes first
_STEPS = 2 * len(_CLASSES)
_WINDOW_S = 0.5
_RISE = 0.5
_FALL = 0.05
_BATCH_PATIENCE = 15.0


@dataclass(slots=True)
class _Waits:
    count: int = 0
    total_s: float = 0.0

    def mean(self) -> float:
        return self.total_s / self.count if self.count else 0.0


class Shedder:
    """Adaptive shedding on queue wait, after DAGOR (Zhou et al., "Overload Control for Scaling
    WeChat Microservices", SoCC 2018), with additive increase and multiplicative decrease.

    Requests are in six steps: batch, standard, interactive, and within each those of tenants
    over their fair share before the others. `level` is the number of shed steps, the last one in
    part. Each window of half a second in which the mean wait of a step was over its target
    raises the level by half a step, though never past that step; any other one lowers it by a
    twentieth. Batch requests may wait 15 times as long as the rest.

    Whatever the level, a request that would itself wait less than the target is let in: the
    level follows waits that began some time ago, and must not outlive their queue.
    """

    def __init__(self, target_wait_s: float, clock: Clock) -> None:
        self.target_wait_s = target_wait_s
        self.level = 0.0
        self._clock = clock
        self._until = clock.monotonic() + _WINDOW_S
        self._waits = [_Waits() for _ in range(_STEPS)]
        self._deficits = [0.0] * _STEPS
        self._mean_s = 0.0

    def target_s(self, priority: Priority) -> float:
        """The highest acceptable mean wait of such requests."""
        return self.target_wait_s * (_BATCH_PATIENCE if priority is Priority.BATCH else 1.0)

    def observe_wait(self, priority: Priority, over_share: bool, seconds: float) -> None:
        """A request that had to wait got its slot after `seconds`."""
        waits = self._waits[_step(priority, over_share)]
        waits.count += 1
        waits.total_s += seconds
        self._close_windows(queued=True)

    def sheds(
        self, priority: Priority, over_share: bool, expected_wait_s: float, queued: bool
    ) -> bool:
        """Whether to refuse a request. Of a step that is shed in part, every k-th one is.

        `queued` is whether any request waits already.
        """
        self._close_windows(queued)
        if not self.level or expected_wait_s < self.target_wait_s:
            return False
        step = _step(priority, over_share)
        self._deficits[step] += min(1.0, max(0.0, self.level - step))
        if self._deficits[step] < 1.0:
            return False
        self._deficits[step] -= 1.0
        return True

    def wait_s(self, queued: bool) -> float:
        """Mean wait of the requests that got a slot in the last window; 0 without waits."""
        self._close_windows(queued)
        return self._mean_s

    def _close_windows(self, queued: bool) -> None:
        """Close the windows that have passed, all with the decision of the last samples.

        Windows in which requests waited and none got a slot are ignored.
        """
        late = self._clock.monotonic() - self._until
        if late < 0:
            return
        windows = 1 + int(late / _WINDOW_S)
        self._until += windows * _WINDOW_S
        count = sum(waits.count for waits in self._waits)
        if queued and not count:
            return
        self._adapt(self._overloaded(), windows)
        total_s = sum(waits.total_s for waits in self._waits)
        self._mean_s = total_s / count if count else 0.0
        self._waits = [_Waits() for _ in range(_STEPS)]

    def _adapt(self, top: int, windows: int) -> None:
        if self.level < top:
            self.level = min(top, self.level + _RISE * windows)
        else:
            self.level = max(top, self.level - _FALL * windows)

    def _overloaded(self) -> int:
        """The number of steps up to the last one that waited too long; 0: none."""
        for step in range(_STEPS - 1, -1, -1):
            if self._waits[step].mean() > self.target_s(_CLASSES[step // 2]):
                return step + 1
        return 0


def _step(priority: Priority, over_share: bool) -> int:
    return 2 * _CLASSES.index(priority) + (not over_share)
