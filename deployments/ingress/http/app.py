"""The web application: `create_app(services)`. It knows nothing of Ray.

In: collaborators. Out: an ASGI application with every route, layer and error handler; it runs under
Serve and, with fakes, under a test client.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp

from cluster.tenants.plan import RequestClass
from deployments.ingress.authentication import verify_credentials
from deployments.ingress.http.azure_paths import DEPLOYMENTS, AzurePaths, with_model
from deployments.ingress.http.client_address import ClientAddress
from deployments.ingress.http.documentation import documentation_routes, documents
from deployments.ingress.http.error_handlers import add_error_handlers
from deployments.ingress.http.middleware import wrap
from deployments.ingress.http.middleware.boundary import ANY_HOST, TrustedHosts
from deployments.ingress.http.openapi import (
    GENERATION_PROBLEMS,
    describe,
    headers,
    parameters,
    problem_responses,
    request_body,
    stream_content,
)
from deployments.ingress.http.problems import error_form
from deployments.ingress.http.route_templates import RouteTemplates
from deployments.ingress.http.streaming import NDJSON, SSE
from deployments.ingress.operations import Operations, operations
from deployments.ingress.operations.base import Operation
from deployments.ingress.pipeline.fast_path import FastPath, HotRoute
from deployments.ingress.routes.operations import (
    ANTHROPIC,
    NATIVE,
    OPENAI,
    RESPONSES,
    Dialect,
    Endpoint,
    OperationRouter,
    operation_endpoint,
)
from deployments.ingress.routes.resources import BODIES, resource_routes
from deployments.ingress.schemas.answers import ChatCompletion, TextCompletion
from deployments.ingress.schemas.content import BatchResponse, CaptionResponse, PostResponse
from deployments.ingress.schemas.documents import DocumentAnswerResponse
from deployments.ingress.schemas.embeddings import EmbeddingList
from deployments.ingress.schemas.moderation import ModerationResponse
from deployments.ingress.schemas.optimization import OptimizePostResponse
from deployments.ingress.schemas.posting_time import PostingTimeResponse
from deployments.ingress.schemas.reranking import RerankResponse
from deployments.ingress.schemas.response_answers import (
    MessageObject,
    MessageTokenCount,
    ResponseObject,
)
from deployments.ingress.schemas.text import AnalyzeTextResponse, TextWritingResponse
from deployments.ingress.schemas.text_groups import GroupTextsResponse
from deployments.ingress.schemas.tokenization import DetokenizeResponse, TokenizeResponse
from deployments.ingress.services import AppServices

# path, operation, dialect, tag, summary, schema of the response
_ROUTES: tuple[tuple[str, str, Dialect, str, str, Any], ...] = (
    ("/v1/chat/completions", "chat", OPENAI, "openai", "Chat with a model", ChatCompletion),
    ("/v1/completions", "completions", OPENAI, "openai", "Continue a prompt", TextCompletion),
    ("/v1/embeddings", "embeddings", OPENAI, "openai", "Turn texts into vectors", EmbeddingList),
    ("/v1/responses", "responses", RESPONSES, "openai", "Create a response", ResponseObject),
    ("/v1/messages", "messages", ANTHROPIC, "anthropic", "Create a message", MessageObject),
    (
        "/v1/messages/count_tokens",
        "messages.count_tokens",
        ANTHROPIC,
        "anthropic",
        "Count the tokens of messages",
        MessageTokenCount,
    ),
    ("/v1/rerank", "rerank", OPENAI, "openai", "Rank documents by relevance", RerankResponse),
    ("/v1/moderations", "moderations", OPENAI, "openai", "Judge texts", ModerationResponse),
    ("/tokenize", "tokenize", OPENAI, "tokens", "Turn text into token ids", TokenizeResponse),
    ("/detokenize", "detokenize", OPENAI, "tokens", "Turn token ids into text", DetokenizeResponse),
    ("/api/v1/captions", "captions", NATIVE, "captions", "Write captions", CaptionResponse),
    (
        "/api/v1/captions/batch",
        "captions.batch",
        NATIVE,
        "captions",
        "Write captions for many briefs",
        BatchResponse,
    ),
    ("/api/v1/posts", "posts", NATIVE, "posts", "Write or rewrite posts", PostResponse),
    (
        "/api/v1/posts/batch",
        "posts.batch",
        NATIVE,
        "posts",
        "Write posts for many briefs",
        BatchResponse,
    ),
    (
        "/api/v1/posts/optimize",
        "optimize_post",
        NATIVE,
        "posts",
        "Optimize a draft",
        OptimizePostResponse,
    ),
    (
        "/api/v1/posts/best-time",
        "best_time_to_post",
        NATIVE,
        "posts",
        "Find the best time to post",
        PostingTimeResponse,
    ),
    (
        "/api/v1/text/analyze",
        "analyze_text",
        NATIVE,
        "text",
        "Analyse texts",
        AnalyzeTextResponse,
    ),
    (
        "/api/v1/text/groups",
        "group_texts",
        NATIVE,
        "text",
        "Group texts by what they are about",
        GroupTextsResponse,
    ),
    (
        "/api/v1/text/summarize",
        "summarize_text",
        NATIVE,
        "text",
        "Summarize a text",
        TextWritingResponse,
    ),
    (
        "/api/v1/text/rewrite",
        "rewrite_text",
        NATIVE,
        "text",
        "Rewrite a text",
        TextWritingResponse,
    ),
    (
        "/api/v1/text/translate",
        "translate_text",
        NATIVE,
        "text",
        "Translate a text",
        TextWritingResponse,
    ),
    (
        "/api/v1/documents/ask",
        "ask_documents",
        NATIVE,
        "documents",
        "Ask documents a question",
        DocumentAnswerResponse,
    ),
)

# Other paths of the same operations, which clients of other servers use.
ALIASES = {"/rerank": "/v1/rerank", "/v2/rerank": "/v1/rerank"}

OPERATION_OF = {path: name for path, name, *_ in _ROUTES}
OPERATION_OF |= {alias: OPERATION_OF[path] for alias, path in ALIASES.items()}

# The operationId of each operation: the name of its method in a generated client.
_OPERATION_IDS = {
    "chat": "create_chat_completion",
    "completions": "create_completion",
    "embeddings": "create_embeddings",
    "responses": "create_response",
    "messages": "create_message",
    "messages.count_tokens": "count_message_tokens",
    "rerank": "create_ranking",
    "moderations": "create_moderation",
    "tokenize": "create_tokenization",
    "detokenize": "create_detokenization",
    "captions": "create_captions",
    "captions.batch": "create_caption_batch",
    "posts": "create_posts",
    "posts.batch": "create_post_batch",
    "optimize_post": "optimize_post",
    "best_time_to_post": "find_best_time_to_post",
    "analyze_text": "analyze_text",
    "group_texts": "group_texts",
    "summarize_text": "summarize_text",
    "rewrite_text": "rewrite_text",
    "translate_text": "translate_text",
    "ask_documents": "ask_documents",
}

# Operations whose requests may name a prompt template.
_TEMPLATED = frozenset(
    ("chat", "completions", "responses", "captions", "captions.batch", "posts", "posts.batch")
)

# Operations that Azure's clients find under the name of a model, by the end of their path.
_OF_DEPLOYMENTS = ("/chat/completions", "/completions", "/embeddings")

_HOT = {
    "/v1/chat/completions": HotRoute("chat", b'{"id":"chatcmpl-'),
    "/v1/completions": HotRoute("completions", b'{"id":"cmpl-'),
}


def create_app(
    services: AppServices,
    *,
    proxy_token: str | None = None,
    on_request: Callable[[str], None] | None = None,
) -> ASGIApp:
    """The application with every layer around it.

    `proxy_token` is the token by which HAProxy proves its identity. `on_request` is called with the
    id of each request that the fast path does not answer, in the context of its task.
    """
    api = create_api(services, operations(services))
    services.request_metrics.template_of = RouteTemplates(api.routes).find
    services.request_metrics.operations = OPERATION_OF
    app: ASGIApp = OperationRouter(api, api.state.operation_endpoints)
    app = wrap(app, services, on_request)
    others: ASGIApp = AzurePaths(app)
    rendered = services.rendered_responses
    if rendered is None:
        app = others
    else:
        allowed = services.settings.allowed_hosts
        hosts = None if ANY_HOST in allowed else TrustedHosts(app, allowed)
        app = FastPath(
            app,
            rendered,
            _HOT,
            verify=services.authenticator.verify,
            plan_of=services.plan_of,
            policies=services.policies,
            admission=services.admission,
            recorder=services.model_pipeline.recorder,
            access_log=services.access_log,
            clock=services.clock,
            hosts=hosts,
            max_body_bytes=services.settings.max_body_bytes,
            metrics=services.request_metrics,
            tracing=services.tracing,
            others=others,
        )
    return ClientAddress(app, services.settings.trusted_proxies, proxy_token)


def create_api(services: AppServices, known: Operations) -> FastAPI:
    """Routes and error handlers, without the layers."""
    # No redirects for slashes: they would be built from the Host that a client names.
    api = FastAPI(
        title="Mobula",
        version=services.version,
        redirect_slashes=False,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        generate_unique_id_function=_operation_id,
    )
    api.router.routes.extend(_shared_routes(tuple(_operation_types(known))))
    api.state.services = services
    api.state.operations = known
    api.state.operation_endpoints = _endpoints(services, known)
    api.state.documents = documents(api)
    add_error_handlers(api)
    describe(api, [*(operation.schema for operation in known.values()), *BODIES])
    return api


def _operation_id(route: APIRoute) -> str:
    """The name of the route's function: verb_noun, and unique (tests/api/test_openapi.py)."""
    return route.name


def _operation_types(known: Operations) -> Iterable[tuple[str, type[Operation[Any]]]]:
    for name, operation in known.items():
        yield name, type(operation)


@cache
def _shared_routes(types: tuple[tuple[str, type[Operation[Any]]], ...]) -> tuple[BaseRoute, ...]:
    """Routes find their services in the application's state, so one set serves every application
    of a process. FastAPI takes longer to make them than to serve a hundred requests.
    """
    api = FastAPI(generate_unique_id_function=_operation_id)
    api.router.routes.clear()
    api.include_router(documentation_routes())
    api.include_router(_operation_routes(dict(types)))
    api.include_router(resource_routes())
    return tuple(api.router.routes)


def _endpoints(services: AppServices, known: Operations) -> dict[str, Endpoint]:
    endpoints = {
        path: operation_endpoint(services, name, known[name], dialect)
        for path, name, dialect, *_ in _ROUTES
    }
    return endpoints | {alias: endpoints[path] for alias, path in ALIASES.items()}


def _endpoint_in_state(path: str) -> Endpoint:
    async def serve(request: Request) -> Response:
        endpoint: Endpoint = request.app.state.operation_endpoints[path]
        return await endpoint(request)

    return serve


def _deployment_endpoint(path: str) -> Endpoint:
    """The same where the path of the request names the model."""

    async def serve(request: Request) -> Response:
        endpoint: Endpoint = request.app.state.operation_endpoints[path]
        verify_credentials(request.app.state.services, request)
        return await endpoint(await with_model(request, request.path_params["model"]))

    return serve


def _operation_routes(types: Mapping[str, type[Operation[Any]]]) -> APIRouter:
    router = APIRouter()
    for path, name, dialect, tag, summary, schema in _ROUTES:
        operation = types[name]
        cached = operation.request_class is not RequestClass.EMBED
        streams = (SSE, NDJSON) if dialect.ndjson else (SSE,)
        described: dict[str, Any] = {
            "methods": ["POST"],
            "response_model": None,
            "tags": [tag],
            "summary": summary,
            "description": (operation.__doc__ or "").strip(),
            "responses": {
                200: stream_content(
                    schema,
                    *streams,
                    headers=headers(
                        cached=cached,
                        lenient=dialect.is_lenient,
                        templated=name in _TEMPLATED,
                    ),
                ),
                **problem_responses(*GENERATION_PROBLEMS, form=error_form(path)),
            },
            "openapi_extra": {
                **request_body(operation.schema),
                "parameters": parameters(cached=cached),
            },
        }
        id = _OPERATION_IDS[name]
        router.add_api_route(
            path, _endpoint_in_state(path), name=name, operation_id=id, **described
        )
        if path.removeprefix("/v1") in _OF_DEPLOYMENTS:
            router.add_api_route(
                DEPLOYMENTS + path.removeprefix("/v1"),
                _deployment_endpoint(path),
                name=f"{name}.deployment",
                operation_id=id.replace("create_", "create_deployment_"),
                **described | {"summary": f"{summary} (Azure)", "tags": ["azure"]},
            )
    for alias in ALIASES:
        router.add_api_route(
            alias, _endpoint_in_state(alias), methods=["POST"], include_in_schema=False
        )
    return router
