"""`/api/v1/tenants/{tenant}/webhooks` and `/api/v1/events`: what happened, and whom to tell."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from cluster.events.webhooks import Webhook
from deployments.ingress.http.openapi import request_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.permissions import ReadsEvents, ReadsWebhooks, WritesWebhooks
from deployments.ingress.routes.responses import CHANGE, LOOK, MAKE
from deployments.ingress.schemas.admin import EmptyBody, PageQuery
from deployments.ingress.schemas.records import (
    DeliveryAnswer,
    DeliveryPage,
    EventAnswer,
    EventPage,
    EventQuery,
    NewWebhookAnswer,
    TestEventAnswer,
    WebhookAnswer,
    WebhookChange,
    WebhookCreate,
    WebhookPage,
    WebhookRotation,
)

router = APIRouter(prefix="/api/v1/tenants/{tenant}/webhooks", tags=["webhooks"])
events = APIRouter(prefix="/api/v1/events", tags=["webhooks"])
WebhookId = Annotated[str, Path(pattern=r"^[0-9A-Za-z_]{4,32}$", description="The webhook's id.")]


@router.get("", response_model=WebhookPage, responses=LOOK, summary="List a tenant's webhooks")
async def list_webhooks(access: ReadsWebhooks) -> WebhookPage:
    """All of them: a tenant has at most 20."""
    webhooks = await access.admin.webhooks.list(access.tenant)
    return WebhookPage(data=[_answer(each) for each in webhooks])


@router.post(
    "",
    status_code=201,
    response_model=NewWebhookAnswer,
    responses=MAKE,
    summary="Send events to a URL",
    openapi_extra=request_body(WebhookCreate),
)
async def create_webhook(access: WritesWebhooks, request: Request) -> NewWebhookAnswer:
    """The URL must be public HTTPS. Signatures follow Standard Webhooks."""
    body = await read_json(request, WebhookCreate)
    made, secret = await access.admin.webhooks.create(
        access.actor, access.tenant, body.url, body.kinds
    )
    return NewWebhookAnswer(**_answer(made).model_dump(), secret=secret)


@router.get("/{webhook}", response_model=WebhookAnswer, responses=LOOK, summary="Show a webhook")
async def get_webhook(access: ReadsWebhooks, webhook: WebhookId) -> WebhookAnswer:
    return _answer(await access.admin.webhooks.get(access.tenant, webhook))


@router.patch(
    "/{webhook}",
    response_model=WebhookAnswer,
    responses=CHANGE,
    summary="Change where events go, which, or whether they do",
    openapi_extra=request_body(WebhookChange),
)
async def update_webhook(
    access: WritesWebhooks, webhook: WebhookId, request: Request
) -> WebhookAnswer:
    body = await read_json(request, WebhookChange)
    changed = await access.admin.webhooks.update(
        access.actor, access.tenant, webhook, url=body.url, kinds=body.kinds, status=body.status
    )
    return _answer(changed)


@router.post(
    "/{webhook}/rotate",
    status_code=201,
    response_model=NewWebhookAnswer,
    responses=MAKE,
    summary="Make a new signing secret",
    openapi_extra=request_body(WebhookRotation),
)
async def rotate_webhook(
    access: WritesWebhooks, webhook: WebhookId, request: Request
) -> NewWebhookAnswer:
    body = await read_json(request, WebhookRotation)
    made, secret = await access.admin.webhooks.rotate(
        access.actor, access.tenant, webhook, body.grace_s
    )
    return NewWebhookAnswer(**_answer(made).model_dump(), secret=secret)


@router.post(
    "/{webhook}/test",
    status_code=202,
    response_model=TestEventAnswer,
    responses=MAKE,
    summary="Send a test event",
    openapi_extra=request_body(EmptyBody),
)
async def test_webhook(
    access: WritesWebhooks, webhook: WebhookId, request: Request
) -> TestEventAnswer:
    await read_json(request, EmptyBody)
    return TestEventAnswer(
        event=await access.admin.webhooks.test(access.actor, access.tenant, webhook)
    )


@router.get(
    "/{webhook}/deliveries",
    response_model=DeliveryPage,
    responses=LOOK,
    summary="How sending a webhook's events stands, newest first",
)
async def list_deliveries(
    access: ReadsWebhooks, webhook: WebhookId, query: Annotated[PageQuery, Query()]
) -> DeliveryPage:
    page = await access.admin.webhooks.deliveries(access.tenant, webhook, query.limit, query.cursor)
    data = [DeliveryAnswer.model_validate(asdict(each)) for each in page.items]
    return DeliveryPage(data=data, next_cursor=page.next)


@router.delete("/{webhook}", status_code=204, responses=CHANGE, summary="Remove a webhook")
async def delete_webhook(access: WritesWebhooks, webhook: WebhookId) -> Response:
    await access.admin.webhooks.delete(access.actor, access.tenant, webhook)
    return Response(status_code=204)


@events.get("", response_model=EventPage, responses=LOOK, summary="List events, newest first")
async def list_events(access: ReadsEvents, query: Annotated[EventQuery, Query()]) -> EventPage:
    page = await access.admin.records.events(access.tenant, query.limit, query.cursor)
    data = [EventAnswer.model_validate(asdict(each)) for each in page.items]
    return EventPage(data=data, next_cursor=page.next)


def _answer(webhook: Webhook) -> WebhookAnswer:
    return WebhookAnswer.model_validate(asdict(webhook))
