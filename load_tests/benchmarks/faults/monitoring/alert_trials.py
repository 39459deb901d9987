"""Faults, the alerts that have to fire for them, and the panels of the overview that show them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from cluster.production.alerts.files import alert_rules
from cluster.production.alerts.rule import AlertRule, scaled, seconds
from cluster.production.alerts.slo import Objectives
from load_tests.benchmarks.faults.injections.lasting_faults import LASTING_FAULTS
from load_tests.benchmarks.faults.injections.watched_cluster import FRAIL, WatchedCluster
from load_tests.benchmarks.faults.monitoring.more_faults import (
    api_away,
    dying_replicas,
    late_loop,
    store_away,
)

RULES: Mapping[str, AlertRule] = {rule.name: rule for rule in alert_rules(Objectives())}
WITHIN_S = 30.0  # beyond `for`


@dataclass(frozen=True)
class AlertTrial:
    """`alerts`: one of them has to fire. `legend` is part of the name of a series that is wrong on
    one of `panels` of the overview; "": the alert alone shows this fault."""

    fault: str
    inject: Callable[[WatchedCluster], AbstractContextManager[None]]
    alerts: tuple[str, ...]
    panels: tuple[str, ...] = ()
    legend: str = ""

    def limit_s(self, scale: float) -> float:
        """Until the first alert has to fire."""
        waits = (seconds(scaled(RULES[name].wait, scale)) for name in self.alerts)
        return min(waits) + WITHIN_S


def _shown(name: str, *alerts: str, panels: tuple[str, ...], legend: str) -> AlertTrial:
    return AlertTrial(name, LASTING_FAULTS[name].inject, alerts, panels, legend)


def _trials() -> Iterator[AlertTrial]:
    dependencies = ("Dependencies",)
    yield _shown(
        "dead-model",
        "MobulaModelDown",
        panels=(*dependencies, "Deployments: replicas that are missing"),
        legend=FRAIL,
    )
    yield _shown("slow-store", "MobulaStoreSlow", panels=("Store",), legend="write")
    yield _shown(
        "full-disk", "MobulaDiskFull", panels=("Disks: free", "Dependencies"), legend="home"
    )
    yield _shown("redis-away", "MobulaRedisDown", panels=dependencies, legend="redis")
    yield _shown(
        "dropped-webhook",
        "MobulaWebhooksFailing",
        panels=("Webhooks: not delivered",),
        legend="retried",
    )
    yield _shown(
        "poisoned-tenant", "MobulaTenantFailing", panels=("Tenants: failed",), legend="poisoned"
    )
    yield _shown(
        "leak", "MobulaMemoryLeak", panels=("Memory: growth an hour",), legend=f"Model:{FRAIL}"
    )
    yield _shown(
        "stuck-job",
        "MobulaDependencyDown",
        "MobulaScrapeMissing",
        panels=("Dependencies", "Errors logged; what is lost"),
        legend="lipper",
    )
    yield AlertTrial("dying-replicas", dying_replicas, ("MobulaReplicasDying",))
    yield AlertTrial("late-loop", late_loop, ("MobulaLoopLag",))
    yield AlertTrial("store-away", store_away, ("MobulaStoreDown",))
    yield AlertTrial("api-away", api_away, ("MobulaUnreachable",))


TRIALS = {trial.fault: trial for trial in _trials()}
