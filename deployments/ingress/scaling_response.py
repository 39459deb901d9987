"""The status of scaling as it is sent: what several parts say of one replica, side by side.

In: a Status and what is served. Out: a StatusAnswer. Ingress replicas' views add up: requests and
tokens are summed, of response times the longest counts, a replica's ejection by any of them shows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.autoscaling.spec import describe
from cluster.autoscaling.store import BoundsOverride
from cluster.balancing.replica_set import ReplicaStatus
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, IngressReport, ServeReplica
from deployments.ingress.scaling import ServedDeployments, Status
from deployments.ingress.schemas.scaling import (
    BoundsAnswer,
    CallStatsResponse,
    DecisionAnswer,
    DeploymentAnswer,
    Queue,
    Replica,
    SpecAnswer,
    StatusAnswer,
)

_COUNTED = ("calls", "attempts", "retries", "hedges", "refused", "fallbacks")
_WORST_FIRST = ("open", "half-open", "closed")


def status_response(status: Status, served: ServedDeployments) -> StatusAnswer:
    sight = status.sight
    states = {} if sight is None else sight.deployments
    names = [*served.deployments.values(), *states]
    deployments = [
        _deployment(name, states.get(name), status, served) for name in dict.fromkeys(names)
    ]
    return StatusAnswer(
        at=status.at,
        age_s=None if sight is None else round(max(0.0, status.at - sight.at), 3),
        away=list(status.away),
        ingress_replicas=len(status.views),
        open_calls=sum(view.open for view in status.views),
        cost_per_hour=sum(each.cost_per_hour or 0.0 for each in deployments),
        deployments=deployments,
    )


def bounds_answer(laid: BoundsOverride) -> BoundsAnswer:
    return BoundsAnswer(
        deployment=laid.deployment,
        floor=laid.bounds.floor,
        ceiling=laid.bounds.ceiling,
        until=laid.bounds.until,
        set_by=laid.set_by,
        set_at=laid.set_at,
    )


def _deployment(
    name: str, state: DeploymentState | None, status: Status, served: ServedDeployments
) -> DeploymentAnswer:
    spec, model = served.specs.get(name), served.model_of(name)
    laid, live = status.bounds.get(name), () if state is None else state.replicas
    return DeploymentAnswer(
        name=name,
        model=model,
        status=state and state.status,
        message=state.message if state else "",
        target=state and state.target,
        ready=state and state.count("ready"),
        starting=state and state.count("starting"),
        stopping=state and state.count("stopping"),
        replicas=_replicas(live, [view.standings.get(name, ()) for view in status.views]),
        queue=_queue(status.queues.get(name, ())),
        scaling=None if spec is None else SpecAnswer(words=describe(spec), spec=spec),
        bounds=None if laid is None else bounds_answer(laid),
        calls=None if model is None else _calls(model, status.views),
        decisions=[DecisionAnswer.model_validate(each) for each in status.recent.get(name, ())],
        cost_per_hour=None if spec is None or state is None else spec.cost_per_hour * len(live),
    )


def _replicas(
    live: Sequence[ServeReplica], standings: Sequence[Sequence[ReplicaStatus]]
) -> list[Replica]:
    known: dict[str, list[ReplicaStatus]] = {}
    for view in standings:
        for standing in view:
            known.setdefault(_short(standing.replica), []).append(standing)
    states = {_short(replica.replica): replica for replica in live}
    return [_replica(id, states.get(id), known.get(id, [])) for id in {**states, **known}]


def _short(replica: str) -> str:
    """Ray writes an id with or without the names of its application and deployment in front."""
    return replica.rpartition("#")[2]


def _replica(id: str, state: ServeReplica | None, seen: Sequence[ReplicaStatus]) -> Replica:
    out = sorted((each for each in seen if each.ejected_because), key=lambda s: -s.ejected_for_s)
    means = [each.mean_s for each in seen if each.mean_s is not None]
    return Replica(
        id=id,
        state=state and state.state,
        node=state.node if state else seen[0].node,
        address=state.address if state else "",
        since=state and state.since,
        requests=sum(each.requests for each in seen),
        tokens=sum(each.tokens for each in seen),
        mean_s=max(means, default=None),
        weight=max((each.weight for each in seen), default=None),
        ejected_by=len(out),
        ejected_for_s=out[0].ejected_for_s if out else 0.0,
        ejected_because=out[0].ejected_because if out else "",
    )


def _queue(loads: Sequence[ModelLoad]) -> Queue | None:
    if not loads:
        return None
    return Queue(
        replicas=len(loads),
        running=sum(each.running for each in loads),
        waiting=sum(each.waiting for each in loads),
    )


def _calls(model: str, views: Sequence[IngressReport]) -> CallStatsResponse | None:
    found = [view.calls[model] for view in views if model in view.calls]
    if not found:
        return None
    breakers = sorted((each["breaker"] for each in found), key=_rank)
    return CallStatsResponse(
        **{name: sum(each[name] for each in found) for name in _COUNTED},
        breakers=Counter(each["state"] for each in breakers),
        breaker=breakers[0],
    )


def _rank(breaker: Mapping[str, Any]) -> int:
    state = breaker["state"]
    return _WORST_FIRST.index(state) if state in _WORST_FIRST else 0
