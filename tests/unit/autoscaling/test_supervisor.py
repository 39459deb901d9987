"""A Scaler on a thread of its own: the loop that asks never waits, and a late answer is dropped."""

import gc
import threading
import time
from collections.abc import Callable

import pytest

from cluster.autoscaling.background_scaler import BackgroundScaler
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.scaler import Scaler
from cluster.autoscaling.spec import ScalingSpec
from cluster.runtime.clock import ManualClock

SPEC = ScalingSpec(policies=("queue",), max_replicas=50)


def reading(requests: float = 80.0, target: int = 4) -> MetricsSnapshot:
    return MetricsSnapshot(1000.0, target, target, requests=requests)


def until(found: Callable[[], Decision | None]) -> Decision:
    patience = time.monotonic() + 5
    while time.monotonic() < patience:
        if (decision := found()) is not None:
            return decision
        threading.Event().wait(0.002)
    raise TimeoutError("no decision")


def no_bounds(deployment: str) -> Bounds:
    return Bounds()


class Stuck(Scaler):
    """Decides only once `go` is set."""

    def __init__(self) -> None:
        super().__init__("model", SPEC)
        self.go = threading.Event()

    def decide(self, reading: MetricsSnapshot, bounds: Bounds) -> Decision:
        self.go.wait(10)
        return super().decide(reading, bounds)


def test_a_decision_comes_once_and_only_for_the_target_it_was_made_for() -> None:
    clock = ManualClock()
    supervisor = BackgroundScaler(Scaler("model", SPEC), no_bounds, clock)
    assert supervisor.due()
    supervisor.submit(reading())
    assert not supervisor.due()

    assert until(lambda: supervisor.newest(4)).target == 10
    assert supervisor.newest(4) is None
    clock.advance(1.0)
    assert supervisor.due()

    supervisor.submit(reading())
    clock.advance(1.0)
    patience = time.monotonic() + 5
    while not supervisor.due() and time.monotonic() < patience:
        assert supervisor.newest(7) is None, "somebody else has changed the target"
    assert supervisor.due()


def test_policies_that_block_cost_their_deployment_one_failure_and_nobody_a_wait() -> None:
    clock, scaler = ManualClock(), Stuck()
    supervisor = BackgroundScaler(scaler, no_bounds, clock, budget_s=2.0)
    supervisor.submit(reading())
    clock.advance(1.9)
    assert supervisor.newest(4) is None
    clock.advance(0.2)

    late = supervisor.newest(4)
    assert late is not None
    assert (late.bound, late.before, late.target) == ("failure", 4, 4)
    assert supervisor.newest(4) is None, "it is said once"
    assert not supervisor.due(), "nothing more is given to a thread that is stuck"

    scaler.go.set()
    patience = time.monotonic() + 5
    while not supervisor.due() and time.monotonic() < patience:
        assert supervisor.newest(4) is None, "what comes too late is dropped"
    supervisor.submit(reading())
    assert until(lambda: supervisor.newest(4)).target == 10


def test_whatever_raises_keeps_the_target_and_the_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(deployment: str) -> Bounds:
        raise ValueError("no bounds today")

    clock = ManualClock()
    supervisor = BackgroundScaler(Scaler("model", SPEC), broken, clock)
    for _ in range(2):
        supervisor.submit(reading())
        decision = until(lambda: supervisor.newest(4))
        assert (decision.bound, decision.target) == ("failure", 4)
        assert "ValueError" in decision.reason
        clock.advance(1.0)


def test_the_thread_ends_with_its_supervisor() -> None:
    def used() -> threading.Thread:
        supervisor = BackgroundScaler(Scaler("leaving", SPEC), no_bounds, ManualClock())
        supervisor.submit(reading())
        until(lambda: supervisor.newest(4))
        return next(t for t in threading.enumerate() if t.name == "scaling-leaving")

    thread = used()
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
