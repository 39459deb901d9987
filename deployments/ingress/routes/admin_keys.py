"""`/api/v1/tenants/{tenant}/keys`: API keys, each shown once, when it is made."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.auth.models import ApiKey
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import AdminAccess, ReadsKeys, WritesKeys
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.admin import (
    KeyCreate,
    KeyPage,
    KeyPatch,
    KeyResponse,
    KeyRotation,
    NewKeyResponse,
    PageQuery,
)

router = APIRouter(prefix="/api/v1/tenants/{tenant}/keys", tags=["keys"])
KeyId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{4,32}$", description="The key's public part.")]


@router.get("", response_model=KeyPage, responses=LOOK, summary="List a tenant's keys")
async def list_keys(access: ReadsKeys, query: Annotated[PageQuery, Query()]) -> KeyPage:
    page = await access.admin.keys.list(access.tenant, query.limit, query.cursor)
    return KeyPage(data=[_answer(access, each) for each in page.items], next_cursor=page.next)


@router.post(
    "",
    status_code=201,
    response_model=NewKeyResponse,
    responses=MAKE,
    summary="Make a key",
    openapi_extra=request_body(KeyCreate),
)
async def create_key(access: WritesKeys, request: Request) -> NewKeyResponse:
    """A caller can give a key only scopes that it has itself."""
    body = await read_json(request, KeyCreate)
    made = await access.admin.keys.create(
        access.actor,
        access.tenant,
        body.name,
        body.scopes,
        body.expires_in_s,
        policy=body.policy,
        team=body.team,
    )
    return _new(access, *made)


@router.get("/{key}", response_model=KeyResponse, responses=LOOK, summary="Show a key")
async def get_key(access: ReadsKeys, key: KeyId) -> KeyResponse:
    return _answer(access, await access.admin.keys.get(access.tenant, key))


@router.patch(
    "/{key}",
    response_model=KeyResponse,
    responses=CHANGE,
    summary="Change a key's name, scopes, expiry, limits or team",
    openapi_extra=request_body(KeyPatch),
)
async def update_key(access: WritesKeys, key: KeyId, request: Request) -> KeyResponse:
    body = await read_json(request, KeyPatch)
    changed = await access.admin.keys.update(
        access.actor,
        access.tenant,
        key,
        name=body.name,
        scopes=body.scopes,
        ttl_s=body.expires_in_s,
        policy=body.policy,
        team=body.team,
    )
    return _answer(access, changed)


@router.post(
    "/{key}/rotate",
    status_code=201,
    response_model=NewKeyResponse,
    responses=MAKE,
    summary="Make a key's successor",
    openapi_extra=request_body(KeyRotation),
)
async def rotate_key(access: WritesKeys, key: KeyId, request: Request) -> NewKeyResponse:
    """The old key goes on working for `grace_s` seconds."""
    body = await read_json(request, KeyRotation)
    made = await access.admin.keys.rotate(access.actor, access.tenant, key, body.grace_s)
    return _new(access, *made)


@router.delete("/{key}", status_code=204, responses=CHANGE, summary="Revoke a key")
async def revoke_key(access: WritesKeys, key: KeyId) -> Response:
    """It stops working everywhere within a second."""
    await access.admin.keys.revoke(access.actor, access.tenant, key)
    return Response(status_code=204)


def _answer(access: AdminAccess, record: ApiKey) -> KeyResponse:
    return KeyResponse(
        id=record.id,
        tenant=record.tenant,
        name=record.name,
        scopes=sorted(record.scopes),
        status=record.status(float(access.request.created)),
        created=record.created,
        created_by=record.created_by,
        expires=record.expires,
        revoked=record.revoked,
        replaced_by=record.replaced_by,
        last_used=record.last_used,
        policy=record.policy,
        team=record.team,
        account=record.limits_account,
    )


def _new(access: AdminAccess, key: str, record: ApiKey) -> NewKeyResponse:
    return NewKeyResponse(**_answer(access, record).model_dump(), key=key)
