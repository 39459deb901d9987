"""Runs a Scaler in a thread, for a loop that must not block: Serve's controller.

In: metrics snapshots. Out: the latest decision, once. The loop only submits and polls; a blocking
policy affects only its own deployment, whose target stays.
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

INTERVAL_S = 1.0
BUDGET_S = 2.0
Inbox = SimpleQueue[MetricsSnapshot | None]


class BackgroundScaler:
    """Accepts a snapshot every `every_s` seconds, while no decision is pending.

    A decision that takes longer than `budget_s` is reported as failed, once; its late result is
    dropped, and the next snapshot is accepted. The thread ends with this object.
    """

    def __init__(
        self,
        scaler: Scaler,
        bounds: Callable[[str], Bounds],
        clock: Clock,
        every_s: float = INTERVAL_S,
        budget_s: float = BUDGET_S,
    ) -> None:
        self._worker = _Worker(scaler, bounds)
        self._clock = clock
        self._every_s, self._budget_s = every_s, budget_s
        self._submitted: MetricsSnapshot | None = None
        self._submitted_at = -float("inf")
        self._timed_out = False
        self._inbox: Inbox | None = None

    def due(self) -> bool:
        """Whether a snapshot would be accepted now."""
        waited_s = self._clock.monotonic() - self._submitted_at
        return self._submitted is None and waited_s >= self._every_s

    def submit(self, metrics: MetricsSnapshot) -> None:
        """Submits a snapshot for a decision. Raises RuntimeError if no thread can be started."""
        if self._inbox is None:
            self._inbox = _start(self._worker)
            weakref.finalize(self, self._inbox.put, None)
        self._submitted, self._submitted_at, self._timed_out = (
            metrics,
            self._clock.monotonic(),
            False,
        )
        self._inbox.put(metrics)

    def newest(self, target: int) -> Decision | None:
        """The decision since the last call, if the deployment still has `target`; else None."""
        if self._submitted is None:
            return None
        decision = self._worker.take()
        if decision is not None:
            self._submitted, was_timed_out = None, self._timed_out
            return decision if decision.before == target and not was_timed_out else None
        if self._timed_out or self._clock.monotonic() - self._submitted_at < self._budget_s:
            return None
        self._timed_out = True
        reason = f"the policies have not answered within {self._budget_s:g} s"
        return keep_on_failure(self._worker.deployment, self._submitted, reason)


class _Worker:
    """The thread's state; it must not reference its BackgroundScaler."""

    def __init__(self, scaler: Scaler, bounds: Callable[[str], Bounds]) -> None:
        self.deployment = scaler.deployment
        self._scaler, self._bounds = scaler, bounds
        self._done: SimpleQueue[Decision] = SimpleQueue()

    def work(self, inbox: Inbox) -> None:
        while (metrics := inbox.get()) is not None:
            self._done.put(self._decide(metrics))

    def take(self) -> Decision | None:
        return None if self._done.empty() else self._done.get()

    def _decide(self, metrics: MetricsSnapshot) -> Decision:
        try:
            return self._scaler.decide(metrics, self._bounds(self.deployment))
        except Exception as error:  # noqa: BLE001 - the target stays, the thread continues
            return keep_on_failure(
                self.deployment, metrics, f"{type(error).__name__} while deciding"
            )


def _start(worker: _Worker) -> Inbox:
    inbox: Inbox = SimpleQueue()
    name = f"scaling-{worker.deployment}"
    threading.Thread(target=worker.work, args=(inbox,), name=name, daemon=True).start()
    return inbox
