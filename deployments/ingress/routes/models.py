"""`/v1/models`: what a caller may name as `model`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from cluster.runtime.problems import NotFound, Problem, UnknownModel
from cluster.tenants.caller import Scope
from cluster.tenants.plan import RequestClass
from deployments.contracts.generation import ModelCard
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import AdmittedRequest
from deployments.ingress.http.openapi import problem_responses
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.schemas.answers import Model, ModelList
from deployments.ingress.translation.models import model_info, model_page

ANTHROPIC_VERSION = "anthropic-version"  # a header of Anthropic's clients
VARY = {"Vary": ANTHROPIC_VERSION}
Cursor = Annotated[str | None, Query(max_length=200, description="Of a page of Anthropic's.")]

router = APIRouter(prefix="/v1", tags=["models"])


@router.get(
    "/models",
    response_model=ModelList,
    responses=problem_responses(401, 403, 429, form="openai"),
    summary="List the models of your plan",
)
async def list_models(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1_000, description="Of a page of Anthropic's.")] = 20,
    after_id: Cursor = None,
    before_id: Cursor = None,
) -> Response:
    """With the header `anthropic-version`, a page in the form of Anthropic's API."""
    async with _admitted(request, "models.list", "models") as admitted:
        cards = await services_of(request).models.cards()
    allowed = {model: card for model, card in cards.items() if admitted.allows_model(model)}
    if ANTHROPIC_VERSION in request.headers:
        answer: dict[str, Any] = model_page(allowed, limit, after_id, before_id)
    else:
        data = [_describe(model, card) for model, card in allowed.items()]
        answer = {"object": "list", "data": data}
    return JsonResponse(orjson.dumps(answer), headers=VARY)


@router.get(
    "/models/{model:path}",
    response_model=Model,
    responses=problem_responses(401, 403, 404, 429, form="openai"),
    summary="Describe one model",
)
async def get_model(request: Request, model: str) -> Response:
    if not model:  # a slash behind the list; no name ends with one either
        raise NotFound("Not Found")
    async with _admitted(request, "models.show", f"model:{model[:200]}") as admitted:
        if not admitted.allows_model(model):
            raise UnknownModel(model)
        cards = await services_of(request).models.cards()
        if model not in cards:
            raise UnknownModel(model, tuple(filter(admitted.allows_model, cards)))
    card = cards[model]
    if ANTHROPIC_VERSION in request.headers:
        return JsonResponse(orjson.dumps(model_info(model, card)), headers=VARY)
    return JsonResponse(orjson.dumps(_describe(model, card)), headers=VARY)


@asynccontextmanager
async def _admitted(request: Request, action: str, resource: str) -> AsyncIterator[AdmittedRequest]:
    """Admit the request."""
    services = services_of(request)
    context = authenticate(services, request)
    async with services.admission.admitted(
        context, RequestClass.READ, action, resource, Scope.MODELS_READ
    ) as admitted:
        yield admitted


def _describe(model: str, card: ModelCard | Problem) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": model, "object": "model", "created": 0, "owned_by": "mobula"}
    if isinstance(card, Problem):
        return fields | {"ready": False}
    return fields | {
        "owned_by": card.provider or "mobula",
        "created": card.created,
        "engine": card.engine,
        "source": card.source,
        "revision": card.revision,
        "context_length": card.context_length,
        "parameters": card.parameters,
        "description": card.description,
        "ready": True,
    }
