"""The HTTP side of operations: authenticate, read the body, admit, answer or stream."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from cluster.runtime.problems import Problem
from deployments.ingress.authentication import authenticate
from deployments.ingress.context import STATE_KEY, AdmittedRequest, RequestContext, RequestState
from deployments.ingress.end_user import FIELDS as END_USER_FIELDS
from deployments.ingress.end_user import name_end_user
from deployments.ingress.http.ignored_fields import IGNORED_FIELDS, ignored_value
from deployments.ingress.http.problems import anthropic_body, native_body, openai_body
from deployments.ingress.http.request_body import parse_json, receive_json
from deployments.ingress.http.serve_bypass import SERVER_CYCLE
from deployments.ingress.http.streaming import NDJSON, SSE, SSE_DONE, Event, Events, EventStream
from deployments.ingress.http.usage_tags import body_tags
from deployments.ingress.idempotency import IDEMPOTENCY_KEY, with_idempotency
from deployments.ingress.operations.base import Operation, stream_operation
from deployments.ingress.pipeline.fast_path import RenderedResponses, view_name
from deployments.ingress.pipeline.response_relay import ResponseRelay
from deployments.ingress.schemas.lenient import HintedBody
from deployments.ingress.services import AppServices
from deployments.ingress.translation.response_stream import failed_response_event

_IDEMPOTENCY_KEY = IDEMPOTENCY_KEY.encode()

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Dialect:
    """How one family of routes frames streams and errors, and whether it ignores unknown fields.
    `error_event` makes the event of a late failure, of the first and the last one of its stream
    (None: it is of `error_body`).
    """

    error_body: Callable[[Problem, str | None], Mapping[str, Any]]
    end: bytes
    named_errors: bool
    ndjson: bool
    error_event: Callable[[Problem, Event, Event], Event] | None = None
    is_lenient: bool = True


OPENAI = Dialect(openai_body, SSE_DONE, named_errors=False, ndjson=False)
RESPONSES = Dialect(
    openai_body, b"", named_errors=True, ndjson=False, error_event=failed_response_event
)
ANTHROPIC = Dialect(anthropic_body, b"", named_errors=True, ndjson=False)
NATIVE = Dialect(native_body, b"", named_errors=True, ndjson=True, is_lenient=False)


class OperationRouter:
    """Leads the exact path of an operation straight to its endpoint, and all else to `app`.

    FastAPI describes these routes and would serve them as well; its matching, its dependencies and
    its layers cost about as much as everything that this application does. Problems are raised,
    for the layer of that name to answer.
    """

    def __init__(self, app: ASGIApp, endpoints: Mapping[str, Endpoint]) -> None:
        """`endpoints` maps the paths of POST routes to their endpoints."""
        self._app = app
        self._endpoints = dict(endpoints)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_post = scope["type"] == "http" and scope["method"] == "POST"
        endpoint = self._endpoints.get(scope["path"]) if is_post else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)


def operation_endpoint(
    services: AppServices, name: str, operation: Operation[Any], dialect: Dialect
) -> Endpoint:
    """The route function of one operation."""
    admission, rendered = services.admission, services.rendered_responses
    has_metadata = "metadata" in operation.schema.model_fields

    async def serve(request: Request) -> Response:
        state: RequestState = request.scope[STATE_KEY]
        state.operation = name
        context = authenticate(services, request, operation.request_class)
        run = operation
        try:
            raw = await receive_json(request)
            body = parse_body(request, raw, operation.schema, dialect)
            if has_metadata and body.metadata is not None:
                context.tags = body_tags(body.metadata, context.tags)
            if _IDEMPOTENCY_KEY in dict(request.scope["headers"]):
                run = with_idempotency(
                    operation,
                    services.idempotency,
                    name,
                    request.headers,
                    raw,
                    services.guardrails,
                )
        except Problem as problem:
            admission.record_refused(context, name, problem)
            raise
        if not END_USER_FIELDS.isdisjoint(body.model_fields_set):
            name_end_user(context, body)
        state.model = model = getattr(body, "model", None) or None
        accept = request.headers.get("accept", "") if dialect.ndjson else ""
        if operation.can_stream and (body.stream or NDJSON in accept or SSE in accept):
            ndjson = NDJSON in accept
            # Whatever stands around the operation has to see its events.
            relay = _relay(request) if run is operation and not ndjson else None
            events = stream_operation(admission, context, name, run, body, relay)
            return AsgiResponse(_event_stream(events, context, dialect, relay, ndjson=ndjson))
        async with admission.admitted(
            context, operation.request_class, name, scope=operation.scope, model=model
        ) as admitted:
            answer = await run.answer(admitted, body)
        content = orjson.dumps(answer)
        outcomes = admitted.outcomes
        if rendered is not None and state.body_key and len(outcomes) == 1 and outcomes[0].key:
            _add_rendered(rendered, name, state, admitted, answer, content)
        return AnswerResponse(content)

    return serve


def parse_body(request: Request, raw: bytes, schema: type[Any], dialect: Dialect) -> Any:
    """The body; the response will name what of it has no effect."""
    if not dialect.is_lenient:
        return parse_json(raw, schema)
    ignored: list[str] = []
    body = parse_json(raw, schema, ignored)
    if isinstance(body, HintedBody) and not body.model_fields_set.isdisjoint(body.hints):
        ignored += body.idle_hints()
    if ignored:
        state: RequestState = request.scope[STATE_KEY]
        state.ignored = ignored_value(ignored)
        state.extra_headers.append((IGNORED_FIELDS, state.ignored))
    return body


class JsonResponse(Response):
    """JSON that is already bytes."""

    media_type = "application/json"


class AnswerResponse(Response):
    """The answer of an operation, in JSON: 200, without fields of its own."""

    def __init__(self, content: bytes) -> None:
        self.status_code, self.media_type, self.background = 200, "application/json", None
        self.body = content
        self.raw_headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(content)),
        ]


class AsgiResponse(Response):
    """Lets a route return any ASGI application."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def _relay(request: Request) -> ResponseRelay | None:
    """None where parts of the response cannot be written past the layers around it."""
    return None if request.scope.get(SERVER_CYCLE) is None else ResponseRelay()


def _event_stream(
    events: Events,
    context: RequestContext,
    dialect: Dialect,
    relay: ResponseRelay | None,
    *,
    ndjson: bool,
) -> EventStream:
    return EventStream(
        events,
        deadline=context.deadline,
        error_body=lambda problem: dialect.error_body(problem, context.request_id),
        media_type=NDJSON if ndjson else SSE,
        end=b"" if ndjson else dialect.end,
        named_errors=dialect.named_errors,
        error_event=dialect.error_event,
        relay=relay,
    )


def _add_rendered(
    rendered: RenderedResponses,
    name: str,
    state: RequestState,
    admitted: AdmittedRequest,
    answer: Mapping[str, Any],
    content: bytes,
) -> None:
    """The fast path learns of a response that came of one model call and is cached, unless the same
    bytes may ask for something else next time: a template may change, a name may stand for another
    model, a guardrail may judge otherwise. It cannot see the tags in a body."""
    if admitted.is_templated or admitted.varies or admitted.tags or not admitted.is_repeatable:
        return
    plan = admitted.plan
    fields = [(IGNORED_FIELDS, state.ignored)] if state.ignored else []
    if admitted.resolved_models:
        fields.append(admitted.model_header())
    rendered.add(
        state.body_key,
        view_name(name, plan) if plan.guardrails else name,
        answer.get("id", ""),
        content,
        answer.get("usage", {}).get("total_tokens", 0),
        admitted.outcomes[0].key,
        fields,
        admitted.caller.end_user,
    )
