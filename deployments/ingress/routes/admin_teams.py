"""`/api/v1/teams`: groups of a tenant's keys that share limits."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.tenants.plan import Id
from cluster.tenants.teams import Team
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import ReadsTeams, WritesTeams
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.teams import (
    TeamCreate,
    TeamPage,
    TeamPatch,
    TeamQuery,
    TeamResponse,
)

router = APIRouter(prefix="/api/v1/teams", tags=["teams"])
TeamId = Annotated[Id, Path(description="The team's id.")]
Detach = Annotated[bool, Query(description="Leave its keys without a team; otherwise it has none.")]


@router.get("", response_model=TeamPage, responses=LOOK, summary="List a tenant's teams")
async def list_teams(access: ReadsTeams, query: Annotated[TeamQuery, Query()]) -> TeamPage:
    page = await access.admin.teams.list(access.tenant, query.limit, query.cursor)
    return TeamPage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=TeamResponse,
    responses=MAKE,
    summary="Make a team",
    openapi_extra=request_body(TeamCreate),
)
async def create_team(access: WritesTeams, request: Request) -> TeamResponse:
    """Keys are put into it when they are made, or changed."""
    body = await read_json(request, TeamCreate)
    made = await access.admin.teams.create(
        access.actor, access.tenant, body.id, body.name, body.policy
    )
    return _answer(made)


@router.get("/{team}", response_model=TeamResponse, responses=LOOK, summary="Show a team")
async def get_team(access: ReadsTeams, team: TeamId) -> TeamResponse:
    return _answer(await access.admin.teams.get(access.tenant, team))


@router.patch(
    "/{team}",
    response_model=TeamResponse,
    responses=CHANGE,
    summary="Change a team's name or limits",
    openapi_extra=request_body(TeamPatch),
)
async def update_team(access: WritesTeams, team: TeamId, request: Request) -> TeamResponse:
    body = await read_json(request, TeamPatch)
    changed = await access.admin.teams.update(
        access.actor, access.tenant, team, name=body.name, policy=body.policy
    )
    return _answer(changed)


@router.delete("/{team}", status_code=204, responses=CHANGE, summary="Delete a team")
async def delete_team(access: WritesTeams, team: TeamId, detach: Detach = False) -> Response:
    """It must have no active keys, unless they are to be detached."""
    await access.admin.teams.delete(access.actor, access.tenant, team, detach=detach)
    return Response(status_code=204)


def _answer(team: Team) -> TeamResponse:
    return TeamResponse(
        id=team.id,
        tenant=team.tenant,
        name=team.name,
        policy=team.policy,
        created=team.created,
        updated=team.updated,
    )
