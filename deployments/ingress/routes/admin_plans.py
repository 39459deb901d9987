"""`/api/v1/plans`: what tenants may use."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import Malformed
from cluster.tenants.plan import Id, Plan
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import Anyone, Operator
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.schemas.admin import PageQuery, PlanPage

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])
PlanId = Annotated[Id, Path(description="The plan's id.")]


@router.get("", response_model=PlanPage, responses=LOOK, summary="List plans")
async def list_plans(access: Anyone, query: Annotated[PageQuery, Query()]) -> PlanPage:
    """The operator sees every plan, others their own."""
    page = await access.admin.plans.list(access.actor, query.limit, query.cursor)
    return PlanPage(data=list(page.items), next_cursor=page.next)


@router.get("/{plan}", response_model=Plan, responses=LOOK, summary="Show a plan")
async def get_plan(access: Anyone, plan: PlanId) -> Plan:
    return await access.admin.plans.get(access.actor, plan)


@router.put(
    "/{plan}",
    response_model=Plan,
    responses={201: {"model": Plan, "description": "The plan is new."}, **CHANGE},
    summary="Add or replace a plan",
    openapi_extra=request_body(Plan),
)
async def put_plan(access: Operator, plan: PlanId, request: Request, response: Response) -> Plan:
    body = await _read(request)
    if body.id != plan:
        raise Malformed.at("/id", f"The path names the plan '{plan}'.", "value_error")
    stored, is_new = await access.admin.plans.put(access.actor, body)
    response.status_code = 201 if is_new else 200
    return stored


@router.delete(
    "/{plan}", status_code=204, responses=CHANGE, summary="Remove a plan that no tenant is on"
)
async def delete_plan(access: Operator, plan: PlanId) -> Response:
    await access.admin.plans.delete(access.actor, plan)
    return Response(status_code=204)


async def _read(request: Request) -> Plan:
    """A plan that contradicts itself is refused with a pointer to the field at fault."""
    try:
        return await read_json(request, Plan)
    except Malformed as malformed:
        faults: list[dict[str, Any]] = malformed.extensions["errors"]
        more: int = malformed.extensions["more_errors"] or 0
        raise Malformed([_pointed(fault) for fault in faults], more=more) from None


def _pointed(fault: dict[str, Any]) -> dict[str, Any]:
    """The plan's own checks name their field in front: `Value error, budgets.tokens.day: ...`.

    Pydantic's mark for a fault in a name and not in its value, `[key]`, leads nowhere in the body.
    """
    fault = {**fault, "pointer": fault["pointer"].removesuffix("/[key]")}
    field, colon, detail = fault["detail"].removeprefix("Value error, ").partition(": ")
    if fault["type"] != "value_error" or not colon:
        return fault
    depth = 1 if field.startswith("models_rates.") else -1  # a model's name may hold dots
    steps = [step.replace("~", "~0").replace("/", "~1") for step in field.split(".", depth)]
    return {**fault, "pointer": "/".join([fault["pointer"], *steps]), "detail": detail}
