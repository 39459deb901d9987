"""`/api/v1/scaling`: how deployments scale, why, and manual bounds. For the operator only.

A status joins what several sources say of one replica. Ingress replicas' reports add up: requests
and tokens are summed, of response times the longest counts, an ejection by any of them shows.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.autoscaling.spec import describe
from cluster.autoscaling.store import BoundsOverride
from cluster.balancing.replica_set import ReplicaStatus
from cluster.runtime.problems import Overloaded
from deployments.contracts.generation import ModelLoad
from deployments.contracts.scaling import DeploymentState, IngressReport, ServeReplica
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import ReadsCluster, WritesCluster, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.scaling import ScalingOverview, ScalingStatus, ServedDeployments
from deployments.ingress.schemas.scaling import (
    CallStatsResponse,
    DeploymentResponse,
    HistoryQuery,
    Queue,
    Replica,
    ScalingBoundsPut,
    ScalingBoundsResponse,
    ScalingDecisionPage,
    ScalingDecisionResponse,
    ScalingSpecResponse,
    ScalingStatusResponse,
)

router = APIRouter(prefix="/api/v1/scaling", tags=["scaling"])
DeploymentPath = Annotated[
    str, Path(max_length=300, description="A deployment's name, or the id of its model.")
]
_SUMMED = ("calls", "attempts", "retries", "hedges", "refused", "fallbacks")
_WORST_FIRST = ("open", "half-open", "closed")


@router.get(
    "/status",
    response_model=ScalingStatusResponse,
    responses=LOOK,
    summary="How every deployment stands",
)
async def get_scaling_status(access: ReadsCluster, request: Request) -> ScalingStatusResponse:
    """Replicas, load, queues, breakers, bounds and the last decisions; what does not answer in time
    is left out and named in `away`."""
    scaling = _scaling(request)
    return _status_answer(await scaling.status(access.admin.scaling), scaling.served)


@router.get(
    "/history",
    response_model=ScalingDecisionPage,
    responses=LOOK,
    summary="What was decided and why, newest first",
)
async def list_scaling_decisions(
    access: ReadsCluster, query: Annotated[HistoryQuery, Query()], request: Request
) -> ScalingDecisionPage:
    name = query.deployment
    deployment = None if name is None else _scaling(request).resolve(name)
    page = await access.admin.scaling.history(deployment, query.limit, query.cursor)
    data = [ScalingDecisionResponse.model_validate(each) for each in page.items]
    return ScalingDecisionPage(data=data, next_cursor=page.next)


@router.put(
    "/{deployment:path}/bounds",
    response_model=ScalingBoundsResponse,
    responses=CHANGE,
    summary="Keep a deployment within a floor and a ceiling for a while",
    openapi_extra=request_body(ScalingBoundsPut),
)
async def set_scaling_bounds(
    access: WritesCluster, deployment: DeploymentPath, request: Request
) -> ScalingBoundsResponse:
    """In the place of bounds that there were. They hold from the controller's next look, within a
    second or two, and through restarts of everything."""
    name, spec = _scaling(request).resolve_scaled(deployment)
    body = await read_json(request, ScalingBoundsPut)
    override = await access.admin.scaling.set_bounds(
        access.actor, name, spec, body.floor, body.ceiling, body.for_s
    )
    return _bounds_answer(override)


@router.delete(
    "/{deployment:path}/bounds",
    status_code=204,
    responses=CHANGE,
    summary="Take bounds back; also where there are none",
)
async def clear_scaling_bounds(
    access: WritesCluster, deployment: DeploymentPath, request: Request
) -> Response:
    name = _scaling(request).resolve(deployment)
    await access.admin.scaling.clear_bounds(access.actor, name)
    return Response(status_code=204)


def _scaling(request: Request) -> ScalingOverview:
    scaling = services_of(request).scaling
    if scaling is None:
        raise Overloaded("This process cannot tell how the cluster scales.", retry_after_s=5.0)
    return scaling


def _status_answer(status: ScalingStatus, served: ServedDeployments) -> ScalingStatusResponse:
    snapshot = status.snapshot
    states = {} if snapshot is None else snapshot.deployments
    names = [*served.deployments.values(), *states]
    deployments = [
        _deployment(name, states.get(name), status, served) for name in dict.fromkeys(names)
    ]
    return ScalingStatusResponse(
        at=status.at,
        age_s=None if snapshot is None else round(max(0.0, status.at - snapshot.at), 3),
        away=list(status.unavailable),
        ingress_replicas=len(status.reports),
        open_calls=sum(report.open for report in status.reports),
        cost_per_hour=sum(each.cost_per_hour or 0.0 for each in deployments),
        deployments=deployments,
    )


def _bounds_answer(override: BoundsOverride) -> ScalingBoundsResponse:
    return ScalingBoundsResponse(
        deployment=override.deployment,
        floor=override.bounds.floor,
        ceiling=override.bounds.ceiling,
        until=override.bounds.until,
        set_by=override.set_by,
        set_at=override.set_at,
    )


def _deployment(
    name: str, state: DeploymentState | None, status: ScalingStatus, served: ServedDeployments
) -> DeploymentResponse:
    spec, model = served.specs.get(name), served.model_of(name)
    override = status.bounds.get(name)
    live = () if state is None else state.replicas
    return DeploymentResponse(
        name=name,
        model=model,
        status=state and state.status,
        message=state.message if state else "",
        target=state and state.target,
        ready=state and state.count("ready"),
        starting=state and state.count("starting"),
        stopping=state and state.count("stopping"),
        replicas=_replicas(live, [report.standings.get(name, ()) for report in status.reports]),
        queue=_queue(status.queues.get(name, ())),
        scaling=None if spec is None else ScalingSpecResponse(words=describe(spec), spec=spec),
        bounds=None if override is None else _bounds_answer(override),
        calls=None if model is None else _calls(model, status.reports),
        decisions=[
            ScalingDecisionResponse.model_validate(each) for each in status.recent.get(name, ())
        ],
        cost_per_hour=None if spec is None or state is None else spec.cost_per_hour * len(live),
    )


def _replicas(
    live: Sequence[ServeReplica], reports: Sequence[Sequence[ReplicaStatus]]
) -> list[Replica]:
    statuses: dict[str, list[ReplicaStatus]] = {}
    for report in reports:
        for status in report:
            statuses.setdefault(_short_id(status.replica), []).append(status)
    states = {_short_id(replica.replica): replica for replica in live}
    return [_replica(id, states.get(id), statuses.get(id, [])) for id in {**states, **statuses}]


def _short_id(replica: str) -> str:
    """Ray writes an id with or without the names of its application and deployment in front."""
    return replica.rpartition("#")[2]


def _replica(id: str, state: ServeReplica | None, statuses: Sequence[ReplicaStatus]) -> Replica:
    ejected = sorted(
        (each for each in statuses if each.ejected_because), key=lambda each: -each.ejected_for_s
    )
    means = [each.mean_s for each in statuses if each.mean_s is not None]
    return Replica(
        id=id,
        state=state and state.state,
        node=state.node if state else statuses[0].node,
        address=state.address if state else "",
        since=state and state.since,
        requests=sum(each.requests for each in statuses),
        tokens=sum(each.tokens for each in statuses),
        mean_s=max(means, default=None),
        weight=max((each.weight for each in statuses), default=None),
        ejected_by=len(ejected),
        ejected_for_s=ejected[0].ejected_for_s if ejected else 0.0,
        ejected_because=ejected[0].ejected_because if ejected else "",
    )


def _queue(loads: Sequence[ModelLoad]) -> Queue | None:
    if not loads:
        return None
    return Queue(
        replicas=len(loads),
        running=sum(each.running for each in loads),
        waiting=sum(each.waiting for each in loads),
    )


def _calls(model: str, reports: Sequence[IngressReport]) -> CallStatsResponse | None:
    stats = [report.calls[model] for report in reports if model in report.calls]
    if not stats:
        return None
    breakers = sorted((each["breaker"] for each in stats), key=_rank)
    return CallStatsResponse(
        **{name: sum(each[name] for each in stats) for name in _SUMMED},
        breakers=Counter(each["state"] for each in breakers),
        breaker=breakers[0],
    )


def _rank(breaker: Mapping[str, Any]) -> int:
    state = breaker["state"]
    return _WORST_FIRST.index(state) if state in _WORST_FIRST else 0
