"""`/api/v1/tenants/{tenant}/users`: the people of a tenant."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.auth.models import User
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import ReadsUsers, WritesUsers
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.admin import (
    PageQuery,
    UserAnswer,
    UserChange,
    UserCreate,
    UserPage,
)

router = APIRouter(prefix="/api/v1/tenants/{tenant}/users", tags=["users"])
UserId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_]{4,32}$", description="The user's id.")]


@router.get("", response_model=UserPage, responses=LOOK, summary="List a tenant's users")
async def list_users(access: ReadsUsers, query: Annotated[PageQuery, Query()]) -> UserPage:
    page = await access.admin.users.list(access.tenant, query.limit, query.cursor)
    return UserPage(data=[_answer(each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=UserAnswer,
    responses=MAKE,
    summary="Add a user",
    openapi_extra=request_body(UserCreate),
)
async def create_user(access: WritesUsers, request: Request) -> UserAnswer:
    """A caller can give a role no higher than its own."""
    body = await read_json(request, UserCreate)
    password = body.password.get_secret_value()
    return _answer(
        await access.admin.users.create(
            access.actor, access.tenant, body.email, password, body.role
        )
    )


@router.get("/{user}", response_model=UserAnswer, responses=LOOK, summary="Show a user")
async def get_user(access: ReadsUsers, user: UserId) -> UserAnswer:
    return _answer(await access.admin.users.get(access.tenant, user))


@router.patch(
    "/{user}",
    response_model=UserAnswer,
    responses=CHANGE,
    summary="Change a user's role, status or password",
    openapi_extra=request_body(UserChange),
)
async def update_user(access: WritesUsers, user: UserId, request: Request) -> UserAnswer:
    """Ends every session of the user."""
    body = await read_json(request, UserChange)
    password = body.password.get_secret_value() if body.password is not None else None
    changed = await access.admin.users.update(
        access.actor,
        access.tenant,
        user,
        role=body.role,
        status=body.status,
        password=password,
    )
    return _answer(changed)


@router.delete("/{user}", status_code=204, responses=CHANGE, summary="Remove a user")
async def delete_user(access: WritesUsers, user: UserId) -> Response:
    await access.admin.users.delete(access.actor, access.tenant, user)
    return Response(status_code=204)


def _answer(user: User) -> UserAnswer:
    return UserAnswer(
        id=user.id,
        tenant=user.tenant,
        email=user.email,
        role=user.role,
        status=user.status,
        created=user.created,
        updated=user.updated,
    )
