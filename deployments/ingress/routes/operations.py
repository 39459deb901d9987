"""The HTTP face of operations: authenticate, read the body, answer or stream."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.runtime.problems import Problem
from deployments.ingress.authentication import authenticate
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.context import RequestContext
from deployments.ingress.http.problems import native_body, openai_body
from deployments.ingress.http.request_body import read_json
from deployments.ingress.http.streaming import NDJSON, SSE, SSE_DONE, Events, EventStream
from deployments.ingress.idempotency import IdempotentOperation, key_of
from deployments.ingress.operations.base import Operation
from deployments.ingress.operations.run import OperationCall
from deployments.ingress.services import AppServices

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Dialect:
    """How one family of routes frames streams and errors."""

    error_body: Callable[[Problem, str | None], Mapping[str, Any]]
    end: bytes
    named_errors: bool
    ndjson: bool


OPENAI = Dialect(openai_body, SSE_DONE, named_errors=False, ndjson=False)
NATIVE = Dialect(native_body, b"", named_errors=True, ndjson=True)


def endpoint(
    services: AppServices, name: str, operation: Operation[Any], dialect: Dialect
) -> Endpoint:
    """The route function of one operation."""

    async def serve(request: Request) -> Response:
        call = authenticate(services, request, operation.request_class)
        state, asked = request.scope["state"], operation
        try:
            body = await read_json(request, operation.schema)
            if (key := key_of(request.scope["headers"])) is not None:
                raw = await request.body()
                asked = IdempotentOperation(operation, services.idempotency, name, key, raw, state)
        except Problem as problem:
            services.gate.record_refused(call, name, problem)
            raise
        passage = OperationCall(services.gate, call, name, asked)
        state["fields"] = passage.headers
        request.state.model = getattr(body, "model", None)
        if operation.streams(body) or _asks_for_stream(request, dialect):
            return AsgiResponse(_stream(request, call, passage.events(body), dialect))
        answer = await passage.answer(body)
        sent = orjson.dumps(answer)
        if "alias" in state and services.cache is not None:
            _learn(services.cache, state["alias"], name, answer, sent, passage)
        return JsonResponse(sent)

    return serve


def _learn(
    cache: CacheStack,
    alias: bytes,
    name: str,
    answer: Mapping[str, Any],
    sent: bytes,
    passage: OperationCall,
) -> None:
    """Let the fast path know an answer that one kept model call gave."""
    served = [] if passage.entrance is None else passage.entrance.served
    if len(served) == 1 and served[0].key:
        tokens = answer.get("usage", {}).get("total_tokens", 0)
        cache.add_alias(alias, name, answer.get("id", ""), sent, tokens, served[0].key)


class JsonResponse(Response):
    """JSON that is already bytes."""

    media_type = "application/json"


class AsgiResponse(Response):
    """Lets a route return any ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _asks_for_stream(request: Request, dialect: Dialect) -> bool:
    accept = request.headers.get("accept", "")
    return dialect.ndjson and (NDJSON in accept or SSE in accept)


def _stream(
    request: Request, call: RequestContext, events: Events, dialect: Dialect
) -> EventStream:
    ndjson = dialect.ndjson and NDJSON in request.headers.get("accept", "")
    return EventStream(
        events,
        deadline=call.deadline,
        error_body=lambda problem: dialect.error_body(problem, call.request_id),
        media_type=NDJSON if ndjson else SSE,
        end=b"" if ndjson else dialect.end,
        named_errors=dialect.named_errors,
    )
