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
    KeyAnswer,
    KeyChange,
    KeyCreate,
    KeyPage,
    KeyRotation,
    NewKeyAnswer,
    PageQuery,
)

router = APIRouter(prefix="/api/v1/tenants/{tenant}/keys", tags=["keys"])
KeyId = Annotated[str, Path(pattern=r"^[0-9A-Za-z]{4,32}$", description="The key's public part.")]


@router.get("", response_model=KeyPage, responses=LOOK, summary="List a tenant's keys")
async def list_keys(entry: ReadsKeys, query: Annotated[PageQuery, Query()]) -> KeyPage:
    found = await entry.office.keys.list(entry.tenant, query.limit, query.cursor)
    return KeyPage(data=[_answer(entry, each) for each in found.items], next_cursor=found.next)


@router.post(
    "",
    status_code=201,
    response_model=NewKeyAnswer,
    responses=MAKE,
    summary="Make a key",
    openapi_extra=request_body(KeyCreate),
)
async def create_key(entry: WritesKeys, request: Request) -> NewKeyAnswer:
    """A caller can give a key only scopes that it has itself."""
    body = await read_json(request, KeyCreate)
    made = await entry.office.keys.create(
        entry.actor, entry.tenant, body.name, body.scopes, body.expires_in_s
    )
    return _new(entry, *made)


@router.get("/{key}", response_model=KeyAnswer, responses=LOOK, summary="Show a key")
async def get_key(entry: ReadsKeys, key: KeyId) -> KeyAnswer:
    return _answer(entry, await entry.office.keys.get(entry.tenant, key))


@router.patch(
    "/{key}",
    response_model=KeyAnswer,
    responses=CHANGE,
    summary="Change a key's name, scopes or expiry",
    openapi_extra=request_body(KeyChange),
)
async def update_key(entry: WritesKeys, key: KeyId, request: Request) -> KeyAnswer:
    body = await read_json(request, KeyChange)
    changed = await entry.office.keys.update(
        entry.actor,
        entry.tenant,
        key,
        name=body.name,
        scopes=body.scopes,
        ttl_s=body.expires_in_s,
    )
    return _answer(entry, changed)


@router.post(
    "/{key}/rotate",
    status_code=201,
    response_model=NewKeyAnswer,
    responses=MAKE,
    summary="Make a key's successor",
    openapi_extra=request_body(KeyRotation),
)
async def rotate_key(entry: WritesKeys, key: KeyId, request: Request) -> NewKeyAnswer:
    """The old key goes on working for `grace_s` seconds."""
    body = await read_json(request, KeyRotation)
    made = await entry.office.keys.rotate(entry.actor, entry.tenant, key, body.grace_s)
    return _new(entry, *made)


@router.delete("/{key}", status_code=204, responses=CHANGE, summary="Revoke a key")
async def revoke_key(entry: WritesKeys, key: KeyId) -> Response:
    """It stops working everywhere within a second."""
    await entry.office.keys.revoke(entry.actor, entry.tenant, key)
    return Response(status_code=204)


def _answer(entry: AdminAccess, record: ApiKey) -> KeyAnswer:
    return KeyAnswer(
        id=record.id,
        tenant=record.tenant,
        name=record.name,
        scopes=sorted(record.scopes),
        status=record.status(float(entry.call.created)),
        created=record.created,
        created_by=record.created_by,
        expires=record.expires,
        revoked=record.revoked,
        replaced_by=record.replaced_by,
        last_used=record.last_used,
    )


def _new(entry: AdminAccess, key: str, record: ApiKey) -> NewKeyAnswer:
    return NewKeyAnswer(**_answer(entry, record).model_dump(), key=key)
