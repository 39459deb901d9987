"""A cluster that scales, for tests: what Serve and the ingress replicas would say, by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cluster.autoscaling.spec import ScalingSpec
from cluster.balancing.replica_set import ReplicaStatus
from cluster.runtime.clock import Clock
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import (
    DeploymentState,
    IngressReport,
    ServeReplica,
    ServeSnapshot,
)
from deployments.ingress.scaling import ScalingOverview, ServedDeployments

WORDS, LETTERS = "Model:words", "Model:letters"
SERVED = ServedDeployments(
    {"words": WORDS, "org/letters": LETTERS},
    {WORDS: ScalingSpec(min_replicas=1, max_replicas=4, cost_per_hour=0.5)},
)
READY = ServeReplica("aaaa", "ready", "n" * 56, "10.0.0.1", 5.0)
STARTING = ServeReplica("bbbb", "starting", "", "", 9.0)
STATES = {
    "Ingress": DeploymentState("Ingress", "HEALTHY", "", 1, (READY,)),
    WORDS: DeploymentState(WORDS, "UPSCALING", "", 2, (READY, STARTING)),
    LETTERS: DeploymentState(LETTERS, "HEALTHY", "", 1, (READY,)),
}
CALLS: Mapping[str, Any] = {
    "breaker": {"state": "closed", "failure_share": 0.0},
    "calls": 10,
    "attempts": 11,
    "retries": 1,
    "hedges": 0,
    "refused": 0,
    "fallbacks": 0,
}


@dataclass
class Elsewhere:
    """Serve's controller, the other ingress replicas and the models; `away` names who is silent."""

    clock: Clock
    last_status: ServeSnapshot | None = None
    away: set[str] = field(default_factory=set)
    views: list[IngressReport] = field(default_factory=list)

    async def status(self) -> ServeSnapshot | None:
        if "controller" in self.away:
            return None
        self.last_status = ServeSnapshot(self.clock.wall(), STATES)
        return self.last_status

    async def loads(self, deployments: Sequence[str]) -> Mapping[str, Sequence[ModelLoad]]:
        load = ModelLoad(2, 3, 0, 0, 0, 0, 0, 0)
        return {name: (load, load) if name == WORDS else () for name in deployments}

    async def count_answers(self, deployment: str) -> int:
        return 0

    async def ask(self, method: str, *arguments: Any) -> list[Any]:
        assert (method, arguments) == ("report", ("scaling",))
        return [] if "ingress" in self.away else self.views


def view(**changes: Any) -> IngressReport:
    """What one ingress replica says."""
    standing = ReplicaStatus(
        "aaaa",
        "n" * 56,
        local=True,
        requests=4,
        tokens=100,
        mean_s=0.25,
        weight=1.0,
        ejected_for_s=changes.pop("ejected_for_s", 0.0),
        ejected_because=changes.pop("ejected_because", ""),
    )
    calls = {**CALLS, "breaker": {"state": changes.pop("state", "closed")}}
    return IngressReport({WORDS: (standing,)}, {"words": calls}, open=3, **changes)


def scaling_of(elsewhere: Elsewhere) -> ScalingOverview:
    return ScalingOverview(
        SERVED,
        elsewhere,
        elsewhere,
        elsewhere.clock,
        replica_statuses=lambda _: {},
        call_stats=lambda: {"words": CALLS},
        open_calls=lambda: 7,
    )
