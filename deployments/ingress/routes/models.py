"""`/v1/models`: what a caller may name as `model`."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
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
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.names.model_names import model_grants, names_by_model
from deployments.ingress.names.spec import DEFAULT
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
    models = services_of(request).models
    async with _admitted(request, "models.list", "models") as admitted:
        cards, allows = await models.cards(), model_grants(admitted)
    allowed = {model: card for model, card in cards.items() if allows(model)}
    names = models.names.listed(allowed.__contains__)
    if ANTHROPIC_VERSION in request.headers:
        roots = {name: allowed[targets[0]] for name, targets in names.items()}
        page = model_page(allowed | roots, limit, after_id, before_id)
        return JsonResponse(orjson.dumps(page), headers=VARY)
    aliases = names_by_model(names)
    data = [
        _describe(model, card, aliases.get(model))
        for model, card in allowed.items()
        if model not in names
    ]
    data += [_describe_name(name, targets, allowed) for name, targets in names.items()]
    answer = {"object": "list", "data": data}
    return JsonResponse(orjson.dumps(answer), headers=VARY)


@router.get(
    "/models/{model:path}",
    response_model=Model,
    responses=problem_responses(401, 403, 404, 429, form="openai"),
    summary="Describe one model",
)
async def get_model(request: Request, model: str) -> Response:
    """By its id, or by another name by which it answers."""
    if not model:  # a slash behind the list; no name ends with one either
        raise NotFound("Not Found")
    models = services_of(request).models
    async with _admitted(request, "models.show", f"model:{model[:200]}") as admitted:
        cards, allows = await models.cards(), model_grants(admitted)
        allowed = {id: card for id, card in cards.items() if allows(id)}
        targets = _targets(models, admitted, model, allowed)
    card = allowed[targets[0]]
    if ANTHROPIC_VERSION in request.headers:
        return JsonResponse(orjson.dumps(model_info(model, card)), headers=VARY)
    if targets != (model,):
        return JsonResponse(orjson.dumps(_describe_name(model, targets, allowed)), headers=VARY)
    aliases = names_by_model(models.names.listed(allowed.__contains__)).get(model)
    return JsonResponse(orjson.dumps(_describe(model, card, aliases)), headers=VARY)


@asynccontextmanager
async def _admitted(request: Request, action: str, resource: str) -> AsyncIterator[AdmittedRequest]:
    """Admit the request."""
    services = services_of(request)
    context = authenticate(services, request)
    async with services.admission.admitted(
        context, RequestClass.READ, action, resource, Scope.MODELS_READ
    ) as admitted:
        yield admitted


def _targets(
    models: ModelRegistry, admitted: AdmittedRequest, name: str, allowed: Collection[str]
) -> tuple[str, ...]:
    """The models for which a name stands. Raises UnknownModel."""
    named = models.names.apply_default(name, admitted.caller.tenant) if name == DEFAULT else name
    choice = models.names.find(named)
    targets = () if choice is None else tuple(id for id in choice.models if id in allowed)
    if targets:
        return targets
    if named in allowed:  # found at run time, or the configuration has no names
        return (named,)
    raise UnknownModel(named, tuple(allowed))


def _describe_name(
    name: str, targets: Sequence[str], cards: Mapping[str, ModelCard | Problem]
) -> dict[str, Any]:
    """As its model, where it stands for one."""
    if len(targets) == 1:
        return _describe(targets[0], cards[targets[0]]) | {"id": name, "root": targets[0]}
    described = [_describe(target, cards[target]) for target in targets]
    return {
        "id": name,
        "object": "model",
        "created": max(each["created"] for each in described),
        "owned_by": "mobula",
        "targets": list(targets),
        "ready": any(each["ready"] for each in described),
    }


def _describe(
    model: str, card: ModelCard | Problem, aliases: list[str] | None = None
) -> dict[str, Any]:
    fields: dict[str, Any] = {"id": model, "object": "model", "created": 0, "owned_by": "mobula"}
    if aliases:
        fields["aliases"] = aliases
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
        "input_modalities": ["text", "image"] if "images" in card.capabilities else ["text"],
        "ready": True,
    }
