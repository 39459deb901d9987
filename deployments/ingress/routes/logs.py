"""`/api/v1/logs`: groups of errors, and levels that are changed live. For operators only."""

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import Overloaded
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import ReadsCluster, WritesCluster, services_of
from deployments.ingress.process_logs import ProcessLogs
from deployments.ingress.routes.responses import CHANGE, LOOK
from deployments.ingress.schemas.logs import (
    ErrorGroupList,
    ErrorGroupResponse,
    LogLevelPut,
    LogLevelQuery,
    LogLevelResponse,
    LogLevelsResponse,
)

router = APIRouter(prefix="/api/v1/logs", tags=["system"])


@router.get(
    "/errors",
    response_model=ErrorGroupList,
    responses=LOOK,
    summary="Errors of all processes in groups, the most recent first",
)
async def list_error_groups(access: ReadsCluster, request: Request) -> ErrorGroupList:
    """Each process counts from its start and keeps at most 200 groups; processes that do not answer
    within 2 seconds are left out."""
    groups = await _logs(request).errors()
    return ErrorGroupList(data=[ErrorGroupResponse.model_validate(each) for each in groups])


@router.get(
    "/levels",
    response_model=LogLevelsResponse,
    responses=LOOK,
    summary="Levels that are changed now",
)
async def list_log_levels(access: ReadsCluster, request: Request) -> LogLevelsResponse:
    levels = await _logs(request).levels()
    data = [LogLevelResponse.model_validate(each) for each in levels]
    return LogLevelsResponse(configured=services_of(request).settings.log_level, data=data)


@router.put(
    "/levels",
    response_model=LogLevelResponse,
    responses=CHANGE,
    summary="Change a level in every process for a while",
    openapi_extra=request_body(LogLevelPut),
)
async def set_log_level(access: WritesCluster, request: Request) -> LogLevelResponse:
    """It is audited, applies to processes that start meanwhile, and goes back by itself."""
    body = await read_json(request, LogLevelPut)
    logs = _logs(request)
    override = await access.admin.logs.set_level(access.actor, body.logger, body.level, body.for_s)
    await logs.apply(override)
    return LogLevelResponse.model_validate(override)


@router.delete(
    "/levels",
    status_code=204,
    responses=CHANGE,
    summary="Go back to the configured level; also where it was not changed",
)
async def clear_log_level(
    access: WritesCluster, query: Annotated[LogLevelQuery, Query()], request: Request
) -> Response:
    logs = _logs(request)
    for current in await logs.levels():
        if current.logger == query.logger:
            await logs.apply(await access.admin.logs.reset_level(access.actor, current))
    return Response(status_code=204)


def _logs(request: Request) -> ProcessLogs:
    logs = services_of(request).logs
    if logs is None:
        raise Overloaded("This process does not reach the others' logs.", retry_after_s=5.0)
    return logs
