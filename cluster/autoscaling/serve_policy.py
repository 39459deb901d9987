"""Our policies in the form that Serve's controller calls, duck-typed: this imports no Ray.

Flows in: Serve's AutoscalingContext of each deployment, ten times a second. Flows out: targets.
Serve pickles the classes by value and makes the instances in its controller, where nothing catches
what a policy raises and everything waits for it: so figures are read once a second, deciding is
on another thread (supervisor.py), and whatever goes wrong keeps the target.
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

STALE_S = 15.0  # a replica that was silent for so long says nothing of now
BLOCKED = frozenset({"cooldown", "step", "floor", "ceiling", "arbiter", "failure"})


class ModelPolicy:
    """Scales one deployment. `spec` is a ScalingSpec as JSON; `cpus` and `gpus` are what a replica
    uses, which only ClusterPolicy asks for. `notebook` None: the one of this process.

    A deployment without replicas begins with `start` of them. Serve's own `initial_replicas` is
    gone back to with every update of code or settings, however many the load needs.
    """

    def __init__(
        self,
        spec: Mapping[str, Any],
        cpus: float = 0.0,
        gpus: float = 0.0,
        start: int = 1,
        notebook: DecisionStore | None = None,
    ) -> None:
        self.spec = ScalingSpec.model_validate(spec)
        self.uses = {"cpus": cpus, "gpus": gpus, "cost_per_hour": self.spec.cost_per_hour}
        self._start = start
        self._notebook = notebook
        self._supervisor: BackgroundScaler | None = None
        self._noted: tuple[str, int] | None = None
        self._told = False

    def __call__(self, context: Any) -> tuple[int, dict[str, Any]]:
        decision = self.decide(context)
        self.note(decision)
        return (context.target_num_replicas if decision is None else decision.target), {}

    def decide(self, context: Any) -> Decision | None:
        """The newest decision that has not been given yet. Never raises, never waits."""
        try:
            supervisor = self._open(context.deployment_name)
            if not self._told and not context.current_num_replicas:
                return self._first(context)
            found = supervisor.newest(context.target_num_replicas)
            if supervisor.due() and (reading := self._reading(context)) is not None:
                supervisor.submit(reading)
            return found
        except Exception as error:  # noqa: BLE001 - it would end the controller's round
            return _kept(context, f"{type(error).__name__} while reading the figures")

    def note(self, decision: Decision | None) -> None:
        """Changes, and each time that one is held back anew."""
        if decision is None or self._notebook is None:
            return
        state = (decision.bound, decision.target)
        held_back = decision.bound in BLOCKED and state != self._noted
        if decision.target != decision.before or held_back:
            self._notebook.record(decision)
        self._noted = state

    def least(self, at: float, deployment: str) -> int:
        """The floor that holds now: the arbiter takes nothing below it."""
        bounds = Bounds() if self._notebook is None else self._notebook.bounds(deployment)
        return effective_bounds(self.spec, bounds, at)[0]

    def _first(self, context: Any) -> Decision:
        start = min(self.spec.max_replicas, max(self._start, context.target_num_replicas))
        return replace(_kept(context, f"starts with {start}"), target=start, bound="floor")

    def _open(self, deployment: str) -> BackgroundScaler:
        if self._supervisor is None:
            self._notebook = self._notebook or shared_decision_store()
            scaler = Scaler(deployment, self.spec)
            self._supervisor = BackgroundScaler(scaler, self._notebook.bounds, SystemClock())
        return self._supervisor

    def _reading(self, context: Any) -> MetricsSnapshot | None:
        """None until the first replica has reported: there is nothing to go by yet."""
        at, ready = float(context.current_time), int(context.current_num_replicas)
        told = latest_metrics(context.raw_metrics or {}, at)
        self._told = self._told or bool(told)
        if ready and not self._told:
            return None
        requests = float(context.total_num_requests)
        return snapshot(at, int(context.target_num_replicas), ready, requests, told, self.spec)


class ClusterPolicy:
    """Scales every deployment of an application by its own ModelPolicy, and lets them give way to
    each other where they want more than `cpus`, `gpus` or `cost_per_hour` (None: not bounded).

    A deployment with another policy keeps it, and takes no part in giving way.
    """

    def __init__(
        self,
        cpus: float | None = None,
        gpus: float | None = None,
        cost_per_hour: float | None = None,
        notebook: DecisionStore | None = None,
    ) -> None:
        given = {"cpus": cpus, "gpus": gpus, "cost_per_hour": cost_per_hour}
        self._available = {name: amount for name, amount in given.items() if amount is not None}
        self._notebook = notebook
        self._policies: dict[Any, Any] = {}

    def __call__(self, contexts: Mapping[Any, Any]) -> tuple[dict[Any, int], dict[Any, Any]]:
        try:
            return self._targets(contexts), {}
        except Exception:  # noqa: BLE001 - it would end the controller's round
            return {key: context.target_num_replicas for key, context in contexts.items()}, {}

    def _targets(self, contexts: Mapping[Any, Any]) -> dict[Any, int]:
        targets: dict[Any, int] = {}
        ours: dict[Any, tuple[ModelPolicy, Decision | None]] = {}
        for key, context in contexts.items():
            policy = self._policy(key, context)
            if isinstance(policy, ModelPolicy):
                ours[key] = (policy, policy.decide(context))
            else:
                targets[key] = _foreign(policy, context)
        return targets | self._shared(contexts, ours)

    def _shared(
        self, contexts: Mapping[Any, Any], ours: Mapping[Any, tuple[ModelPolicy, Decision | None]]
    ) -> dict[Any, int]:
        """The targets of ours, as far as there is room; noted with what became of them."""
        claims = [_claim(contexts[key], *pair) for key, pair in ours.items()]
        granted = arbitrate(claims, self._available)
        for claim, (key, (policy, decision)) in zip(claims, ours.items(), strict=True):
            policy.note(_settled(contexts[key], claim, granted[claim.deployment], decision))
        return {key: granted[contexts[key].deployment_name] for key in ours}

    def _policy(self, key: Any, context: Any) -> Any:
        """One instance for each deployment and its settings."""
        configured = context.config.policy
        found = self._policies.get(key)
        if found is None or found[0] != configured:
            found = self._policies[key] = (configured, _instance(configured, self._notebook))
        return found[1]


class NullDecisionStore:
    """Where no notebook can be had: decisions are forgotten, nobody has laid down bounds."""

    def record(self, decision: Decision) -> None: ...

    def bounds(self, deployment: str) -> Bounds:
        return Bounds()


def shared_decision_store() -> DecisionStore:
    """The one that all policies of this process write in."""
    from cluster.runtime.settings import Settings

    try:
        from cluster.autoscaling.decision_store import open_notebook

        return open_notebook(Settings())
    except Exception:
        logging.getLogger("mobula.autoscaling").exception("scaling goes on without a notebook")
        return NullDecisionStore()


def latest_metrics(raw: Mapping[str, Mapping[Any, Any]], at: float) -> list[Report]:
    """The newest figures of each replica, but for those that have grown stale."""
    found: dict[Any, dict[str, float]] = {}
    for name, of_replicas in raw.items():
        for replica, series in of_replicas.items():
            if series and at - series[-1].timestamp <= STALE_S:
                found.setdefault(replica, {})[name] = float(series[-1].value)
    return list(found.values())


def _instance(configured: Any, notebook: DecisionStore | None) -> Any:
    """A deployment's own policy, ready to be called."""
    if str(configured.policy_function).endswith("serve_policy:ModelPolicy"):
        # Not `get_policy`: what Serve has pickled by value would be another class.
        return ModelPolicy(**configured.policy_kwargs, notebook=notebook)
    found = configured.get_policy()
    return found(**configured.policy_kwargs) if isinstance(found, type) else found


def _foreign(policy: Any, context: Any) -> int:
    try:
        wanted = float(policy(context)[0])
        return math.ceil(wanted) if wanted >= 0 else int(context.target_num_replicas)
    except Exception:  # noqa: BLE001 - somebody else's policy may do whatever it likes
        return int(context.target_num_replicas)


def _claim(context: Any, policy: ModelPolicy, decision: Decision | None) -> ReplicaDemand:
    wanted = context.target_num_replicas if decision is None else decision.target
    return ReplicaDemand(
        deployment=context.deployment_name,
        wanted=int(wanted),
        least=policy.least(float(context.current_time), context.deployment_name),
        priority=policy.spec.priority,
        cost_per_hour=policy.spec.cost_per_hour,
        uses=policy.uses,
    )


def _settled(
    context: Any, claim: ReplicaDemand, granted: int, decision: Decision | None
) -> Decision | None:
    """The decision as it was carried out."""
    if granted >= claim.wanted:
        return decision
    made = decision or _kept(context, "nothing new")
    why = f"{made.reason}; {granted} of {claim.wanted} fit beside the others"
    return replace(made, target=granted, bound="arbiter", reason=why)


def _kept(context: Any, why: str) -> Decision:
    at, ready = float(context.current_time), int(context.current_num_replicas)
    target = int(context.target_num_replicas)
    return Decision(context.deployment_name, at, ready, target, target, "failure", why)
