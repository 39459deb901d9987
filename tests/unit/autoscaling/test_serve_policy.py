"""Our policies as Serve calls them: with contexts as its controller makes them."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster.autoscaling import serve_policy
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.scaler import Scaler
from cluster.autoscaling.serve_policy import ClusterPolicy, ModelPolicy, latest_metrics
from cluster.autoscaling.spec import ScalingSpec

NOW = 1_800_000_000.0
QUEUE = {"policies": ["queue"], "max_replicas": 50}


@dataclass
class Book:
    """A Notebook in memory."""

    laid: Bounds = field(default_factory=Bounds)
    noted: list[Decision] = field(default_factory=list)

    def record(self, decision: Decision) -> None:
        self.noted.append(decision)

    def bounds(self, deployment: str) -> Bounds:
        return self.laid


@dataclass
class Point:
    timestamp: float
    value: float


@dataclass
class Configured:
    policy_function: str
    policy_kwargs: dict[str, Any]
    made: Callable[..., Any] | None = None

    def get_policy(self) -> Any:
        return self.made


@dataclass
class Config:
    policy: Configured


@dataclass
class Context:
    """What our policies read of Serve's AutoscalingContext."""

    deployment_name: str = "Model:a"
    target_num_replicas: int = 4
    current_num_replicas: int = 4
    total_num_requests: float = 80.0
    current_time: float = NOW
    raw_metrics: Mapping[str, Mapping[str, list[Point]]] | None = None
    config: Config | None = None

    def __post_init__(self) -> None:
        if self.raw_metrics is None:
            self.raw_metrics = told({"running": 0.0, "queued": 0.0})


def told(figures: Mapping[str, float], at: float = NOW) -> dict[str, dict[str, list[Point]]]:
    return {name: {"r1": [Point(at - 1, 0.0), Point(at, value)]} for name, value in figures.items()}


def settled(policy: Callable[[], int], wanted: int) -> int:
    """The target once the thread has decided; `wanted` ends the wait early."""
    patience, found = time.monotonic() + 5, policy()
    while found != wanted and time.monotonic() < patience:
        threading.Event().wait(0.01)
        found = policy()
    return found


def test_it_asks_for_what_the_load_needs_and_writes_down_why() -> None:
    book = Book()
    policy = ModelPolicy(QUEUE, store=book)
    context = Context()

    assert policy(context) == (4, {}), "the first call only posts the figures"
    assert settled(lambda: policy(context)[0], 10) == 10
    assert [(d.before, d.target, d.bound) for d in book.noted] == [(4, 10, "queue")]
    assert book.noted[0].signals["requests"] == 80.0


def test_an_operators_ceiling_reaches_the_policy() -> None:
    book = Book(Bounds(ceiling=6))
    policy = ModelPolicy(QUEUE, store=book)

    assert settled(lambda: policy(Context())[0], 6) == 6
    assert book.noted[-1].bound == "ceiling"


def test_without_replicas_it_begins_with_as_many_as_it_is_told() -> None:
    policy = ModelPolicy(QUEUE, start=3, store=Book())
    starting = Context(target_num_replicas=1, current_num_replicas=0, raw_metrics={})
    assert policy(starting)[0] == 3


def test_before_the_first_report_nothing_changes() -> None:
    policy, book = ModelPolicy(QUEUE, store=Book()), Book()
    silent = Context(raw_metrics={}, total_num_requests=0.0)
    assert [policy(silent)[0] for _ in range(5)] == [4] * 5
    assert book.noted == []


def test_reports_that_have_stopped_keep_the_target_as_a_failure() -> None:
    book = Book()
    policy = ModelPolicy(QUEUE, store=book)
    settled(lambda: policy(Context())[0], 10)
    later = NOW + 3600.0
    silent = Context(
        target_num_replicas=10,
        total_num_requests=0.0,
        current_time=later,
        raw_metrics=told({"running": 0.0, "queued": 0.0}, NOW),
    )

    patience = time.monotonic() + 5
    while len(book.noted) < 2 and time.monotonic() < patience:
        assert policy(silent)[0] == 10
    assert (book.noted[-1].bound, book.noted[-1].target) == ("failure", 10)


def test_figures_that_cannot_be_read_keep_the_target() -> None:
    class Broken(Context):
        @property
        def total_num_requests(self) -> float:  # type: ignore[override]
            raise RuntimeError("no metrics")

        @total_num_requests.setter
        def total_num_requests(self, value: float) -> None: ...

    book = Book()
    assert ModelPolicy(QUEUE, store=book)(Broken()) == (4, {})
    assert book.noted[-1].bound == "failure"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0, None, "many"])
def test_a_policy_that_gives_no_number_of_replicas_keeps_the_target(
    wrong: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    scaler = Scaler("model", ScalingSpec(**QUEUE))
    monkeypatch.setitem(scaler._policies, "queue", lambda reading, spec: wrong)
    reading = serve_policy.snapshot(NOW, 4, 4, 1.0, [{"running": 1.0, "queued": 0.0}], scaler.spec)
    decision = scaler.decide(reading, Bounds())
    assert (decision.target, decision.bound) == (4, "failure")


def test_only_fresh_figures_of_a_replica_count() -> None:
    raw = {
        "running": {"old": [Point(NOW - 60, 9.0)], "new": [Point(NOW - 2, 1.0), Point(NOW, 2.0)]},
        "queued": {"new": [Point(NOW, 0.0)], "none": []},
    }
    assert latest_metrics(raw, NOW) == [{"running": 2.0, "queued": 0.0}]


def cluster() -> dict[str, Context]:
    def context(name: str, priority: int, load: float, target: int) -> Context:
        spec = {**QUEUE, "priority": priority}
        kwargs = {"spec": spec, "cpus": 1.0}
        path = "cluster.autoscaling.serve_policy:ModelPolicy"
        configured = Config(Configured(path, kwargs))
        return Context(name, target, target, load, config=configured)

    foreign = Config(Configured("somewhere:policy", {}, lambda context: (2.5, {})))
    return {
        "chat": context("Model:chat", 90, 64.0, 2),
        "batch": context("Model:batch", 10, 80.0, 6),
        "clips": Context("Clipper", 1, 1, config=foreign),
    }


def test_deployments_give_way_to_the_more_important() -> None:
    book, contexts = Book(), cluster()
    policy = ClusterPolicy(cpus=10.0, store=book)

    def batch() -> int:
        found = policy(contexts)[0]
        for key, target in found.items():
            contexts[key].target_num_replicas = target
        return found["batch"] if found["chat"] == 8 else 0

    assert settled(batch, 2) == 2
    assert policy(contexts)[0] == {"chat": 8, "batch": 2, "clips": 3}
    arbitrated = [decision for decision in book.noted if decision.bound == "arbiter"]
    assert arbitrated
    assert {decision.deployment for decision in arbitrated} == {"Model:batch"}
    assert "fit beside other deployments" in arbitrated[-1].reason


def test_a_foreign_policy_that_fails_keeps_its_own_target() -> None:
    def broken(context: Context) -> tuple[float, dict[str, Any]]:
        raise RuntimeError("not today")

    contexts = cluster()
    assert contexts["clips"].config is not None
    contexts["clips"].config.policy.made = broken
    assert ClusterPolicy(store=Book())(contexts)[0] == {"chat": 2, "batch": 6, "clips": 1}
