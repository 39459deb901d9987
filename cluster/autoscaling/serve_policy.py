"""Autoscaling policies for Serve's controller, duck-typed: this imports no Ray.

In: Serve's AutoscalingContext of each deployment, ten times a second. Out: targets. Serve pickles
the classes by value and creates the instances in its controller, which neither catches exceptions
nor runs policies concurrently: so metrics are read once a second, decisions are made in a thread
(background_scaler.py), and any error keeps the target.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cluster.autoscaling.arbiter import ReplicaDemand, arbitrate
from cluster.autoscaling.background_scaler import BackgroundScaler
from cluster.autoscaling.behavior import effective_bounds
from cluster.autoscaling.decision import Bounds, Decision, DecisionStore
from cluster.autoscaling.metrics import MetricsSnapshot, Report, snapshot
from cluster.autoscaling.scaler import Scaler
from cluster.autoscaling.spec import ScalingSpec
from cluster.runtime.clock import SystemClock

MAX_REPORT_AGE_S = 15.0  # older reports are ignored
HELD_BACK_BOUNDS = frozenset({"cooldown", "step", "floor", "ceiling", "arbiter", "failure"})


class ModelPolicy:
    """Scales one deployment. `spec` is a ScalingSpec as JSON; `cpus` and `gpus` are the resources
    of a replica, for ClusterPolicy. `store` None: the shared one of this process.

    A deployment without replicas starts with `start`. Serve's `initial_replicas` is not used, as
    every update of code or settings would return to it.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        cpus: float = 0.0,
        gpus: float = 0.0,
        start: int = 1,
        store: DecisionStore | None = None,
    ) -> None:
        self.spec = ScalingSpec.model_validate(spec)
        self.uses = {"cpus": cpus, "gpus": gpus, "cost_per_hour": self.spec.cost_per_hour}
        self._start = start
        self._store = store
        self._background_scaler: BackgroundScaler | None = None
        self._last_recorded: tuple[str, int] | None = None
        self._has_reports = False

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        decision = self.decide(context)
        self.record_decision(decision)
        return (context.target_num_replicas if decision is None else decision.target), {}

    def decide(self, context: Any) -> Decision | None:
        """The latest decision that was not returned yet. Neither raises nor blocks."""
        try:
            scaler = self._get_background_scaler(context.deployment_name)
            if not self._has_reports and not context.current_num_replicas:
                return self._initial_decision(context)
            decision = scaler.newest(context.target_num_replicas)
            if scaler.due() and (metrics := self._snapshot(context)) is not None:
                scaler.submit(metrics)
            return decision
        except Exception as error:  # noqa: BLE001 - it would abort the controller's round
            return _unchanged(context, f"{type(error).__name__} while reading metrics")

    def record_decision(self, decision: Decision | None) -> None:
        """Records changes, and the first of a series of changes that were held back."""
        if decision is None or self._store is None:
            return
        state = (decision.bound, decision.target)
        held_back = decision.bound in HELD_BACK_BOUNDS and state != self._last_recorded
        if decision.target != decision.before or held_back:
            self._store.record(decision)
        self._last_recorded = state

    def floor(self, at: float, deployment: str) -> int:
        """The present floor, which the arbiter respects."""
        bounds = Bounds() if self._store is None else self._store.bounds(deployment)
        return effective_bounds(self.spec, bounds, at)[0]

    def _initial_decision(self, context: Any) -> Decision:
        start = min(self.spec.max_replicas, max(self._start, context.target_num_replicas))
        return replace(_unchanged(context, f"starts with {start}"), target=start, bound="floor")

    def _get_background_scaler(self, deployment: str) -> BackgroundScaler:
        if self._background_scaler is None:
            self._store = self._store or shared_decision_store()
            scaler = Scaler(deployment, self.spec)
            self._background_scaler = BackgroundScaler(scaler, self._store.bounds, SystemClock())
        return self._background_scaler

    def _snapshot(self, context: Any) -> MetricsSnapshot | None:
        """The metrics; None until the first replica has reported."""
        at, ready = float(context.current_time), int(context.current_num_replicas)
        reports = latest_metrics(context.raw_metrics or {}, at)
        self._has_reports = self._has_reports or bool(reports)
        if ready and not self._has_reports:
            return None
        requests = float(context.total_num_requests)
        return snapshot(at, int(context.target_num_replicas), ready, requests, reports, self.spec)


class ClusterPolicy:
    """Scales every deployment of an application by its ModelPolicy, and arbitrates if they demand
    more than `cpus`, `gpus` or `cost_per_hour` (None: unlimited).

    A deployment with another policy keeps it, without arbitration.
    """

    def __init__(
        self,
        cpus: float | None = None,
        gpus: float | None = None,
        cost_per_hour: float | None = None,
        store: DecisionStore | None = None,
    ) -> None:
        limits = {"cpus": cpus, "gpus": gpus, "cost_per_hour": cost_per_hour}
        self._available = {name: amount for name, amount in limits.items() if amount is not None}
        self._store = store
        self._policies: dict[Any, Any] = {}

    def __call__(self, contexts: Mapping[Any, Any]) -> tuple[dict[Any, int], dict[Any, Any]]:
        try:
            return self._targets(contexts), {}
        except Exception:  # noqa: BLE001 - it would abort the controller's round
            return {key: context.target_num_replicas for key, context in contexts.items()}, {}

    def _targets(self, contexts: Mapping[Any, Any]) -> dict[Any, int]:
        targets: dict[Any, int] = {}
        own_policies: dict[Any, tuple[ModelPolicy, Decision | None]] = {}
        for key, context in contexts.items():
            policy = self._policy(key, context)
            if isinstance(policy, ModelPolicy):
                own_policies[key] = (policy, policy.decide(context))
            else:
                targets[key] = _call_foreign(policy, context)
        return targets | self._arbitrate(contexts, own_policies)

    def _arbitrate(
        self,
        contexts: Mapping[Any, Any],
        own_policies: Mapping[Any, tuple[ModelPolicy, Decision | None]],
    ) -> dict[Any, int]:
        """The arbitrated targets of our policies; records the decisions."""
        demands = [_demand(contexts[key], *pair) for key, pair in own_policies.items()]
        granted = arbitrate(demands, self._available)
        for demand, (key, (policy, decision)) in zip(demands, own_policies.items(), strict=True):
            policy.record_decision(
                _after_arbitration(contexts[key], demand, granted[demand.deployment], decision)
            )
        return {key: granted[contexts[key].deployment_name] for key in own_policies}

    def _policy(self, key: Any, context: Any) -> Any:
        """The policy instance of a deployment and its settings."""
        configured = context.config.policy
        cached = self._policies.get(key)
        if cached is None or cached[0] != configured:
            cached = self._policies[key] = (configured, _create_policy(configured, self._store))
        return cached[1]


class NullDecisionStore:
    """Used without a database: discards decisions, has no bounds."""

    def record(self, decision: Decision) -> None: ...

    def bounds(self, deployment: str) -> Bounds:
        return Bounds()


def shared_decision_store() -> DecisionStore:
    """The decision store of all policies of this process."""
    from cluster.runtime.settings import Settings

    try:
        from cluster.autoscaling.decision_store import open_decision_store

        return open_decision_store(Settings())
    except Exception:
        logging.getLogger("mobula.autoscaling").exception(
            "scaling continues without a decision store"
        )
        return NullDecisionStore()


def latest_metrics(raw: Mapping[str, Mapping[Any, Any]], at: float) -> list[Report]:
    """The latest metrics of each replica, without outdated ones."""
    reports: dict[Any, dict[str, float]] = {}
    for name, by_replica in raw.items():
        for replica, series in by_replica.items():
            if series and at - series[-1].timestamp <= MAX_REPORT_AGE_S:
                reports.setdefault(replica, {})[name] = float(series[-1].value)
    return list(reports.values())


def _create_policy(configured: Any, store: DecisionStore | None) -> Any:
    """Creates a deployment's policy."""
    if str(configured.policy_function).endswith("serve_policy:ModelPolicy"):
        # Not `get_policy`: Serve has pickled the class by value, so it would be a different class.
        return ModelPolicy(**configured.policy_kwargs, store=store)
    policy = configured.get_policy()
    return policy(**configured.policy_kwargs) if isinstance(policy, type) else policy


def _call_foreign(policy: Any, context: Any) -> int:
    try:
        wanted = float(policy(context)[0])
        return math.ceil(wanted) if wanted >= 0 else int(context.target_num_replicas)
    except Exception:  # noqa: BLE001 - foreign policies may raise anything
        return int(context.target_num_replicas)


def _demand(context: Any, policy: ModelPolicy, decision: Decision | None) -> ReplicaDemand:
    wanted = context.target_num_replicas if decision is None else decision.target
    return ReplicaDemand(
        deployment=context.deployment_name,
        wanted=int(wanted),
        minimum=policy.floor(float(context.current_time), context.deployment_name),
        priority=policy.spec.priority,
        cost_per_hour=policy.spec.cost_per_hour,
        uses=policy.uses,
    )


def _after_arbitration(
    context: Any, demand: ReplicaDemand, granted: int, decision: Decision | None
) -> Decision | None:
    """The decision after arbitration."""
    if granted >= demand.wanted:
        return decision
    result = decision or _unchanged(context, "nothing new")
    reason = f"{result.reason}; {granted} of {demand.wanted} fit beside other deployments"
    return replace(result, target=granted, bound="arbiter", reason=reason)


def _unchanged(context: Any, reason: str) -> Decision:
    at, ready = float(context.current_time), int(context.current_num_replicas)
    target = int(context.target_num_replicas)
    return Decision(context.deployment_name, at, ready, target, target, "failure", reason)
