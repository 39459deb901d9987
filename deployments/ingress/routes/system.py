"""Probes: is the process alive, can it serve, how is every part doing, what is running.

None of them needs a key. Without one they answer a status only; with one, all but `/healthz` also
answer names of models, versions and loads. A key that is presented has to be valid.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as installed_version
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from cluster.runtime.problems import Draining, Overloaded, Problem
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.ingress.authentication import verify_credentials
from deployments.ingress.http.openapi import problem_responses
from deployments.ingress.permissions import services_of
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.routes.responses import NO_STORE
from deployments.ingress.schemas.answers import Health, Liveness, Readiness, Version
from deployments.ingress.services import AppServices

router = APIRouter(tags=["system"])


@router.get("/healthz", response_model=Liveness, summary="Is this process alive")
async def check_liveness(request: Request) -> Response:
    return JsonResponse(b'{"status":"ok"}', headers=NO_STORE)


@router.get(
    "/readyz",
    response_model=Readiness,
    responses=problem_responses(503),
    summary="Can this replica serve every configured model",
)
async def check_readiness(request: Request) -> Response:
    services, host = services_of(request), request.headers.get("host", "")
    if await services.is_draining(request.scope.get("server"), host):
        raise Draining("This replica is going; others serve.", retry_after_s=1)
    cards = await services.models.cards()
    unavailable = [model for model, card in cards.items() if isinstance(card, Problem)]
    missing = {model for model in unavailable if not services.models.is_external(model)}
    if missing and services.scaling is not None:
        missing -= await services.scaling.find_removed(unavailable)
    is_known = _is_authenticated(services, request)
    if missing and is_known:
        names = sorted(missing)
        raise Overloaded(f"Not ready: {', '.join(names)}.", retry_after_s=1, models=names)
    if missing:
        raise Overloaded("Not ready: a model is not up.", retry_after_s=1)
    models = {"models": sorted(cards.keys() - set(unavailable))} if is_known else {}
    return _json({"status": "ready", **models}, NO_STORE)


@router.get("/health", response_model=Health, summary="How every part is doing")
async def get_health(request: Request) -> Response:
    services = services_of(request)
    is_known = _is_authenticated(services, request)
    cards = await services.models.cards()
    is_ok = not any(isinstance(card, Problem) for card in cards.values())
    answer: dict[str, Any] = {"status": "ok" if is_ok else "degraded"}
    if is_known:
        loads, calls = await services.models.loads(), services.models.resilience()
        answer |= {
            "version": services.version,
            "models": {
                model: _condition(card, loads[model]) | _call_stats(calls.get(model))
                for model, card in cards.items()
            },
            "replica": dict(services.load()),
        }
    if is_known and services.health is not None:
        answer["dependencies"] = services.health.worst().value
    return _json(answer, NO_STORE)


@router.get("/version", response_model=Version, summary="What is running")
async def get_version(request: Request) -> Response:
    services, answer = services_of(request), {"name": "mobula"}
    if _is_authenticated(services, request):
        answer |= {
            "version": services.version,
            "python": platform.python_version(),
            "ray": installed_version("ray"),
        }
    return _json(answer, {"Vary": "Authorization"})


def _is_authenticated(services: AppServices, request: Request) -> bool:
    """Whether the request presents a valid credential; Unauthenticated: an invalid one."""
    if "authorization" not in request.headers:
        return False
    verify_credentials(services, request)
    return True


def _condition(card: ModelCard | Problem, load: ModelLoad | Problem) -> dict[str, Any]:
    if isinstance(card, Problem):
        return {"status": "unavailable", "detail": card.detail}
    condition = {"status": "ok", "engine": card.engine, "revision": card.revision}
    return condition if isinstance(load, Problem) else {**condition, "load": asdict(load)}


def _call_stats(stats: Mapping[str, Any] | None) -> dict[str, Any]:
    """How this replica's calls of a model have gone."""
    if stats is None:
        return {}
    breaker = {name: stats["breaker"][name] for name in ("state", "failure_share", "probes")}
    return {"calls": {**stats, "breaker": breaker}}


def _json(value: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JsonResponse(orjson.dumps(value), headers=headers)
