"""`/api/v1/scaling`: how deployments scale, why, and bounds by hand. For the operator alone."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import Overloaded
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import Operator, services_of
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.scaling import ScalingOverview
from deployments.ingress.scaling_response import bounds_answer, status_response
from deployments.ingress.schemas.scaling import (
    BoundsAnswer,
    BoundsPut,
    DecisionAnswer,
    DecisionPage,
    HistoryQuery,
    StatusAnswer,
)

router = APIRouter(prefix="/api/v1/scaling", tags=["scaling"])
Which = Annotated[
    str, Path(max_length=300, description="A deployment's name, or the id of its model.")
]


@router.get(
    "/status", response_model=StatusAnswer, responses=LOOK, summary="How every deployment stands"
)
async def status(entry: Operator, request: Request) -> StatusAnswer:
    """Replicas, load, queues, breakers, bounds and the last decisions; what does not answer in time
    is left out and named in `away`."""
    scaling = _scaling(request)
    return status_response(await scaling.status(entry.office.scaling), scaling.served)


@router.get(
    "/history",
    response_model=DecisionPage,
    responses=LOOK,
    summary="What was decided and why, newest first",
)
async def history(
    entry: Operator, query: Annotated[HistoryQuery, Query()], request: Request
) -> DecisionPage:
    of = None if query.deployment is None else _scaling(request).named(query.deployment)
    found = await entry.office.scaling.history(of, query.limit, query.cursor)
    data = [DecisionAnswer.model_validate(each) for each in found.items]
    return DecisionPage(data=data, next_cursor=found.next)


@router.put(
    "/{deployment:path}/bounds",
    response_model=BoundsAnswer,
    responses=CHANGE,
    summary="Keep a deployment within a floor and a ceiling for a while",
    openapi_extra=request_body(BoundsPut),
)
async def set_bounds(entry: Operator, deployment: Which, request: Request) -> BoundsAnswer:
    """In the place of bounds that there were. They hold from the controller's next look, within a
    second or two, and through restarts of everything."""
    name, spec = _scaling(request).scaled(deployment)
    body = await read_json(request, BoundsPut)
    laid = await entry.office.scaling.set_bounds(
        entry.actor, name, spec, body.floor, body.ceiling, body.for_s
    )
    return bounds_answer(laid)


@router.delete(
    "/{deployment:path}/bounds",
    status_code=204,
    responses=CHANGE,
    summary="Take bounds back; also where there are none",
)
async def clear_bounds(entry: Operator, deployment: Which, request: Request) -> Response:
    name = _scaling(request).named(deployment)
    await entry.office.scaling.clear_bounds(entry.actor, name)
    return Response(status_code=204)


def _scaling(request: Request) -> ScalingOverview:
    scaling = services_of(request).scaling
    if scaling is None:
        raise Overloaded("This process cannot tell how the cluster scales.", retry_after_s=5.0)
    return scaling
