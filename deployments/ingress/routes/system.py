"""Probes and facts: is the process alive, can it serve, how is everything, what is it.

Whoever has no key learns a status and no more: names of models, versions and loads are for callers.
"""

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version as installed
from typing import Any

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from cluster.runtime.problems import Draining, Overloaded, Problem
from deployments.contracts.generation import ModelCard, ModelLoad
from deployments.ingress.authentication import verify_credentials
from deployments.ingress.http.openapi import problem_responses
from deployments.ingress.routes.operations import JsonResponse
from deployments.ingress.routes.responses import NO_STORE
from deployments.ingress.schemas.answers import Alive, Health, Ready, Version
from deployments.ingress.services import AppServices


def system_routes(services: AppServices) -> APIRouter:
    """`/healthz`, `/readyz`, `/health` and `/version`; none of them needs a key, but with one the
    last three say more. A key that is presented has to be good.
    """
    router = APIRouter(tags=["system"])

    @router.get("/healthz", response_model=Alive, summary="Is this process alive")
    async def healthz(request: Request) -> Response:
        return JsonResponse(b'{"status":"ok"}', headers=NO_STORE)

    @router.get(
        "/readyz",
        response_model=Ready,
        responses=problem_responses(503),
        summary="Can this replica serve every configured model",
    )
    async def readyz(request: Request) -> Response:
        return await _readiness(services, request)

    @router.get("/health", response_model=Health, summary="How every part is doing")
    async def health(request: Request) -> Response:
        return await _health(services, request)

    @router.get("/version", response_model=Version, summary="What is running")
    async def version(request: Request) -> Response:
        about = {"name": "mobula"}
        if _is_known(services, request):
            about |= {
                "version": services.version,
                "python": platform.python_version(),
                "ray": installed("ray"),
            }
        return _json(about, {"Vary": "Authorization"})

    return router


async def _readiness(services: AppServices, request: Request) -> Response:
    """Raises Draining, Overloaded."""
    host = request.headers.get("host", "")
    if await services.leaving(request.scope.get("server"), host):
        raise Draining("This replica is going; others serve.", retry_after_s=1)
    cards = await services.models.cards()
    away = [model for model, card in cards.items() if isinstance(card, Problem)]
    missing = sorted(set(away).difference(await services.removed(away))) if away else []
    known = _is_known(services, request)
    if missing and known:
        raise Overloaded(f"Not ready: {', '.join(missing)}.", retry_after_s=1, models=missing)
    if missing:
        raise Overloaded("Not ready: a model is not up.", retry_after_s=1)
    models = {"models": sorted(cards.keys() - set(away))} if known else {}
    return _json({"status": "ready", **models}, NO_STORE)


async def _health(services: AppServices, request: Request) -> Response:
    known = _is_known(services, request)
    cards = await services.models.cards()
    ok = not any(isinstance(card, Problem) for card in cards.values())
    answer: dict[str, Any] = {"status": "ok" if ok else "degraded"}
    if known:
        loads, calls = await services.models.loads(), services.models.resilience()
        answer |= {
            "version": services.version,
            "models": {
                model: _condition(card, loads[model]) | _calls(calls.get(model))
                for model, card in cards.items()
            },
            "replica": dict(services.load()),
        }
    return _json(answer, NO_STORE)


def _is_known(services: AppServices, request: Request) -> bool:
    """Whether a good key came with the request. Raises Unauthenticated for another."""
    if "authorization" not in request.headers:
        return False
    verify_credentials(services, request)
    return True


def _condition(card: ModelCard | Problem, load: ModelLoad | Problem) -> dict[str, Any]:
    if isinstance(card, Problem):
        return {"status": "unavailable", "detail": card.detail}
    about = {"status": "ok", "engine": card.engine, "revision": card.revision}
    return about if isinstance(load, Problem) else {**about, "load": asdict(load)}


def _calls(figures: Mapping[str, Any] | None) -> dict[str, Any]:
    """How this replica's calls of a model have gone."""
    if figures is None:
        return {}
    breaker = figures["breaker"]
    told = {name: breaker[name] for name in ("state", "failure_share", "probes")}
    return {"calls": {**figures, "breaker": told}}


def _json(value: dict[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    return JsonResponse(orjson.dumps(value), headers=headers)
