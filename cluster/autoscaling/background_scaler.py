"""A Scaler on a thread of its own, for a loop that must not wait: Serve's controller.

Flows in: readings. Flows out: the newest decision, once. The loop only posts and looks; policies
that block hold up nothing but their own deployment, whose target stays.
"""

import threading
import weakref
from collections.abc import Callable
from queue import SimpleQueue

from cluster.autoscaling.behavior import keep_on_failure
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.scaler import Scaler
from cluster.runtime.clock import Clock

EVERY_S = 1.0
BUDGET_S = 2.0
Inbox = SimpleQueue[MetricsSnapshot | None]


class BackgroundScaler:
    """Takes a reading every `every_s` seconds, while none is being decided on.

    One that takes longer than `budget_s` is reported as failed, once; should it ever end, its
    decision is dropped with the rest that no longer fits, and the next reading is taken. The
    thread ends with this object.
    """

    def __init__(
        self,
        scaler: Scaler,
        bounds: Callable[[str], Bounds],
        clock: Clock,
        every_s: float = EVERY_S,
        budget_s: float = BUDGET_S,
    ) -> None:
        self._desk = _Desk(scaler, bounds)
        self._clock = clock
        self._every_s, self._budget_s = every_s, budget_s
        self._posted: MetricsSnapshot | None = None
        self._posted_at = -float("inf")
        self._late = False
        self._inbox: Inbox | None = None

    def due(self) -> bool:
        """Whether a reading would be taken now."""
        waited_s = self._clock.monotonic() - self._posted_at
        return self._posted is None and waited_s >= self._every_s

    def submit(self, reading: MetricsSnapshot) -> None:
        """Have it decided; raises RuntimeError if no thread can be started."""
        if self._inbox is None:
            self._inbox = _start(self._desk)
            weakref.finalize(self, self._inbox.put, None)
        self._posted, self._posted_at, self._late = reading, self._clock.monotonic(), False
        self._inbox.put(reading)

    def newest(self, target: int) -> Decision | None:
        """What was decided since the last call, for a fleet that still has `target`."""
        if self._posted is None:
            return None
        decided = self._desk.take()
        if decided is not None:
            self._posted, was_late = None, self._late
            return decided if decided.before == target and not was_late else None
        if self._late or self._clock.monotonic() - self._posted_at < self._budget_s:
            return None
        self._late = True
        why = f"the policies have not answered within {self._budget_s:g} s"
        return keep_on_failure(self._desk.deployment, self._posted, why)


class _Desk:
    """What the thread works on: it must not keep its Supervisor alive."""

    def __init__(self, scaler: Scaler, bounds: Callable[[str], Bounds]) -> None:
        self.deployment = scaler.deployment
        self._scaler, self._bounds = scaler, bounds
        self._done: SimpleQueue[Decision] = SimpleQueue()

    def work(self, inbox: Inbox) -> None:
        while (reading := inbox.get()) is not None:
            self._done.put(self._decide(reading))

    def take(self) -> Decision | None:
        return None if self._done.empty() else self._done.get()

    def _decide(self, reading: MetricsSnapshot) -> Decision:
        try:
            return self._scaler.decide(reading, self._bounds(self.deployment))
        except Exception as error:  # noqa: BLE001 - the target stays, and the thread lives
            return keep_on_failure(
                self.deployment, reading, f"{type(error).__name__} while deciding"
            )


def _start(desk: _Desk) -> Inbox:
    inbox: Inbox = SimpleQueue()
    name = f"scaling-{desk.deployment}"
    threading.Thread(target=desk.work, args=(inbox,), name=name, daemon=True).start()
    return inbox
