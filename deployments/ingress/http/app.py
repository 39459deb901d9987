"""The web application: `create_app(services)`. It knows nothing of Ray.

Flows in: collaborators. Flows out: an ASGI application in which every route, layer and error
handler is in place; it runs under Serve and, with fakes, under a test client.
"""

import logging
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from cluster.runtime.problems import MethodNotAllowed, Problem, to_problem
from cluster.tenants.plan import RequestClass
from deployments.ingress.http.allowed_methods import AllowedMethods
from deployments.ingress.http.client_address import ClientAddress
from deployments.ingress.http.documentation import documentation_routes
from deployments.ingress.http.middleware import wrap
from deployments.ingress.http.openapi import (
    GENERATION_PROBLEMS,
    describe,
    problem_responses,
    request_body,
    stream_content,
)
from deployments.ingress.http.openapi_headers import headers, parameters
from deployments.ingress.http.problems import from_http_exception, render
from deployments.ingress.http.streaming import NDJSON, SSE
from deployments.ingress.http.validation import of_parameters
from deployments.ingress.operations import Operations, operations
from deployments.ingress.pipeline.fast_path import FastPath, HotRoute
from deployments.ingress.routes.administration import (
    BODIES,
    administration_routes,
    download_routes,
)
from deployments.ingress.routes.exact_match import ExactRoutes
from deployments.ingress.routes.models import model_routes
from deployments.ingress.routes.operations import (
    NATIVE,
    OPENAI,
    Dialect,
    Endpoint,
    endpoint,
)
from deployments.ingress.routes.system import system_routes
from deployments.ingress.schemas.answers import ChatCompletion, TextCompletion
from deployments.ingress.schemas.content import BatchAnswer, CaptionAnswer, PostAnswer
from deployments.ingress.schemas.embeddings import EmbeddingList
from deployments.ingress.services import AppServices

logger = logging.getLogger("mobula.ingress")

# path, operation, dialect, tag, summary, shape of the answer
_ROUTES: tuple[tuple[str, str, Dialect, str, str, Any], ...] = (
    ("/v1/chat/completions", "chat", OPENAI, "openai", "Chat with a model", ChatCompletion),
    ("/v1/completions", "completions", OPENAI, "openai", "Continue a prompt", TextCompletion),
    ("/v1/embeddings", "embeddings", OPENAI, "openai", "Turn texts into vectors", EmbeddingList),
    ("/api/v1/captions", "captions", NATIVE, "captions", "Write captions", CaptionAnswer),
    (
        "/api/v1/captions/batch",
        "captions.batch",
        NATIVE,
        "captions",
        "Write captions for many briefs",
        BatchAnswer,
    ),
    ("/api/v1/posts", "posts", NATIVE, "posts", "Write or rewrite posts", PostAnswer),
    (
        "/api/v1/posts/batch",
        "posts.batch",
        NATIVE,
        "posts",
        "Write posts for many briefs",
        BatchAnswer,
    ),
)

_HOT = {
    "/v1/chat/completions": HotRoute("chat", b'{"id":"chatcmpl-'),
    "/v1/completions": HotRoute("completions", b'{"id":"cmpl-'),
}


def create_app(
    services: AppServices, *, behind_serve: bool = False, proxy_token: str | None = None
) -> ASGIApp:
    """The application with every layer around it; in a replica, on the loop that serves it.

    `proxy_token` is what HAProxy proves itself with.
    """
    if behind_serve:
        services.loop_lag.start()
    known = operations(services)
    api = ExactRoutes(create_api(services, known), _endpoints(services, known))
    app = wrap(api, services, behind_serve=behind_serve)
    if services.cache is not None:
        app = FastPath(app, services, services.cache, _HOT, behind_serve=behind_serve)
    return ClientAddress(app, services.settings.trusted_proxies, proxy_token)


def create_api(services: AppServices, known: Operations) -> FastAPI:
    """Routes and error handlers, without the layers."""
    # No redirects for slashes: they would be built of the Host that a stranger names.
    api = FastAPI(
        title="Mobula",
        version=services.version,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )
    api.include_router(documentation_routes(api))
    api.include_router(system_routes(services))
    api.include_router(model_routes(services))
    api.include_router(_operation_routes(services, known))
    api.router.routes.extend(_shared_routes())
    api.state.services = services
    api.state.allowed_methods = AllowedMethods(api.routes)
    api.add_exception_handler(Problem, _on_problem)
    api.add_exception_handler(HTTPException, _on_http_exception)
    api.add_exception_handler(RequestValidationError, _on_validation_error)
    api.add_exception_handler(Exception, _on_bug)
    describe(api, [*(operation.schema for operation in known.values()), *BODIES])
    return api


@cache
def _shared_routes() -> tuple[BaseRoute, ...]:
    """Routes that find their services in the application's state: one set serves every app."""
    made = FastAPI()
    made.router.routes.clear()
    made.include_router(administration_routes())
    made.include_router(download_routes())
    return tuple(made.router.routes)


def _endpoints(services: AppServices, known: Operations) -> dict[str, Endpoint]:
    return {
        path: endpoint(services, name, known[name], dialect) for path, name, dialect, *_ in _ROUTES
    }


def _operation_routes(services: AppServices, known: Operations) -> APIRouter:
    router = APIRouter()
    endpoints = _endpoints(services, known)
    for path, name, dialect, tag, summary, answer in _ROUTES:
        operation = known[name]
        cached = operation.request_class is not RequestClass.EMBED
        streams = (SSE, NDJSON) if dialect.ndjson else (SSE,)
        router.add_api_route(
            path,
            endpoints[path],
            methods=["POST"],
            response_model=None,
            name=name,
            tags=[tag],
            summary=summary,
            description=(operation.__doc__ or "").strip(),
            responses={
                200: stream_content(answer, *streams, headers=headers(cached=cached)),
                **problem_responses(*GENERATION_PROBLEMS, openai=dialect is OPENAI),
            },
            openapi_extra={
                **request_body(operation.schema),
                "parameters": parameters(cached=cached),
            },
        )
    return router


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return _answer(request, error)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _answer(request, from_http_exception(error), error.headers)


async def _on_validation_error(request: Request, error: Exception) -> Response:
    """Path and query parameters, which FastAPI itself checks."""
    assert isinstance(error, RequestValidationError)
    return _answer(request, of_parameters(error.errors()))


async def _on_bug(request: Request, error: Exception) -> Response:
    logger.error("request %s failed", request.scope["state"]["request_id"], exc_info=error)
    return _answer(request, to_problem(error))


def _answer(request: Request, problem: Problem, headers: Any = None) -> Response:
    state = request.scope["state"]
    state["problem"] = problem.slug
    body, media_type = render(problem, request.url.path, state.get("request_id"))
    extra = {**(headers or {}), **problem.headers, "Cache-Control": "no-store"}
    if problem.status == MethodNotAllowed.status:
        allowed: AllowedMethods = request.app.state.allowed_methods
        extra["Allow"] = allowed.of(request.url.path)
    return Response(body, problem.status, extra, media_type)
