"""The OpenAPI description: request bodies, headers, responses and every problem.

Routes read their bodies themselves, so the schemas of bodies are added here; FastAPI describes the
rest. What the headers do is documented in docs/guides/cache.md and docs/guides/tenancy.md.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from cluster.idempotency.store import HEADER as IDEMPOTENCY_KEY
from cluster.invalidation.tags import HEADER as TAGS
from cluster.invalidation.tags import MAX_TAGS
from cluster.runtime import problems
from cluster.runtime.problems import IdempotencyKeyReused, Problem
from cluster.tenants.caller import Priority
from cluster.usage.dimensions import MAX_TAGS as MAX_USAGE_TAGS
from deployments.ingress.http.problems import ErrorForm, error_body, is_openai_route
from deployments.ingress.http.usage_tags import USAGE_TAGS
from deployments.ingress.idempotency import MAX_KEY
from deployments.ingress.schemas.answers import OpenAIErrorBody, ProblemBody
from deployments.ingress.schemas.response_answers import AnthropicErrorBody

_REF = "#/components/schemas/{model}"
PUBLIC = frozenset(
    {
        "/healthz",
        "/readyz",
        "/health",
        "/version",
        "/files/{token}",
        "/.well-known/jwks.json",
        "/api/v1/auth/login",
        "/api/v1/auth/refresh",
        "/api/v1/auth/logout",
    }
)

DESCRIPTION = """Captions, posts and chat from the models of this cluster.

Send your key as `Authorization: Bearer mob_...`. Routes under `/v1` speak OpenAI's protocol, so its
clients work unchanged; routes under `/api/v1` are Mobula's own and answer errors as RFC 9457
problems.
Every answer carries `X-Request-ID`; a client may set its own, and a time limit as `Mobula-Timeout`
(seconds).
"""

_DETAILS = {
    400: "A value is out of range, or a parameter is not supported; the field is named.",
    401: "The key is missing, malformed or unknown.",
    403: "The key lacks the scope that this route needs.",
    404: "No such model, or no such route.",
    409: "It conflicts with the current state: an id that is taken, or an Idempotency-Key whose "
    "first request still runs.",
    408: "The body did not arrive in time.",
    412: "It has changed since it had the ETag in If-Match.",
    413: "The body is over the limit.",
    415: "The body is not JSON.",
    422: "The body does not match the schema; `errors` points at each fault.",
    428: "Header If-Match is missing.",
    429: "Over a limit; wait for Retry-After.",
    500: "Something failed on our side; the request id finds it in the log.",
    502: "The model failed.",
    503: "Too busy, or the model is not up; wait for Retry-After.",
    504: "The deadline passed.",
}
_CLIENTS_DETAILS = {  # where they differ on routes of OpenAI's and Anthropic's clients
    400: "The body does not match the schema, a value is out of range, or a parameter is not "
    "supported; `param` names the field.",
    422: "The Idempotency-Key stands for another request.",
}
_ERROR_BODIES: Final[Mapping[ErrorForm, type[BaseModel]]] = {
    "native": ProblemBody,
    "openai": OpenAIErrorBody,
    "anthropic": AnthropicErrorBody,
}
GENERATION_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504)
_RETRY_AFTER = {
    "headers": {
        "Retry-After": {
            "description": "Whole seconds to wait.",
            "schema": {"type": "integer", "minimum": 1},
        }
    }
}


def problem_responses(
    *statuses: int, form: ErrorForm = "native"
) -> dict[int | str, dict[str, Any]]:
    """Response entries, with an example each, for FastAPI's `responses`."""
    media_type = "application/problem+json" if form == "native" else "application/json"
    return {
        status: {
            "description": _detail(status, form),
            "content": {
                media_type: {
                    "schema": {"$ref": _REF.format(model=_ERROR_BODIES[form].__name__)},
                    "example": error_body(form, _example(status, form), "req_0123456789abcdef"),
                }
            },
            **(_RETRY_AFTER if status in (429, 503) else {}),
        }
        for status in statuses
    }


def request_body(schema: type[BaseModel]) -> dict[str, Any]:
    """The `openapi_extra` of a route whose body is `schema`."""
    content = {"application/json": {"schema": {"$ref": _REF.format(model=schema.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


def stream_content(
    model: type[BaseModel], *media_types: str, headers: Mapping[str, Any]
) -> dict[str, Any]:
    """The 200 entry of a route that responds with JSON or a stream."""
    content: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in media_types}
    description = "The response, whole or as a stream."
    return {"model": model, "description": description, "content": content, "headers": headers}


def _request_header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": schema,
    }


def _response_header(description: str, kind: str = "string", **more: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": kind}, **more}


CALL_HEADERS: Final = (IDEMPOTENCY_KEY, "Mobula-Priority", USAGE_TAGS, "Mobula-Timeout")
CACHE_HEADERS: Final = ("Cache-Control", "Mobula-Cache", TAGS)
PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    IDEMPOTENCY_KEY: _request_header(
        IDEMPOTENCY_KEY,
        "The request runs once, however often it is sent under this key within a day; its response "
        "is replayed. Another body under the same key is refused with 422.",
        type="string",
        minLength=1,
        maxLength=MAX_KEY,
        pattern="^[!-~]+$",
    ),
    "Mobula-Priority": _request_header(
        "Mobula-Priority",
        "How urgent it is among the tenant's own requests, up to what the plan allows.",
        type="string",
        enum=[str(priority) for priority in Priority],
    ),
    USAGE_TAGS: _request_header(
        USAGE_TAGS,
        f"At most {MAX_USAGE_TAGS} names, separated by commas: the tenant can report its usage by "
        "them.",
        type="string",
    ),
    "Mobula-Timeout": _request_header(
        "Mobula-Timeout",
        "Seconds that the request may take, up to the operator's maximum.",
        type="number",
        exclusiveMinimum=0,
    ),
    "Cache-Control": _request_header(
        "Cache-Control",
        "RFC 9111: `no-store` neither reads nor stores, `no-cache` recomputes, `max-age=N` accepts "
        "nothing older than N seconds, `only-if-cached` computes nothing (504 `not-cached`).",
        type="string",
        example="max-age=60",
    ),
    "Mobula-Cache": _request_header(
        "Mobula-Cache",
        "`sampled`: a response that is sampled at random may be cached.",
        type="string",
        enum=["sampled"],
    ),
    TAGS: _request_header(
        TAGS,
        f"Up to {MAX_TAGS} tags, separated by commas, by which the response can be invalidated.",
        type="string",
        example="post:17,lang:de",
    ),
}

RESPONSE_HEADERS: Final = ("X-Request-ID", "Idempotency-Replayed", "Mobula-Model")
CACHED_HEADERS: Final = ("Cache-Status", "Age")
LENIENT_HEADERS: Final = ("Mobula-Ignored",)
TEMPLATE_HEADERS: Final = ("Mobula-Template",)
HEADERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "X-Request-ID": _response_header("Finds the request in logs and in the audit trail."),
    "Idempotency-Replayed": _response_header(
        "`true`: this is the response to the key's first request."
    ),
    "Mobula-Model": _response_header(
        "The model that the request's `model` stands for, where that is not its id.",
        example="nano",
    ),
    "Mobula-Ignored": _response_header(
        "Fields of the body that have no effect: unknown ones, and hints that change nothing here.",
        example="temprature, messages.0.mood",
    ),
    "Mobula-Template": _response_header(
        "The versions of prompt templates that the request was made of.", example="house-style@3"
    ),
    "Cache-Status": _response_header(
        "RFC 9211: a hit with the seconds that it stays fresh, or why a model was called.",
        example="mobula;hit;ttl=3412;detail=l1",
    ),
    "Age": _response_header("Seconds since a cached response was computed.", "integer"),
}


def parameters(*, cached: bool) -> list[dict[str, str]]:
    """References to the headers of a request; `cached`: its response may be cached."""
    names = (*CALL_HEADERS, *CACHE_HEADERS) if cached else CALL_HEADERS
    return [{"$ref": f"#/components/parameters/{name}"} for name in names]


def headers(*, cached: bool, lenient: bool, templated: bool) -> dict[str, dict[str, str]]:
    """References to the headers of a response, by name. `lenient`: unknown fields are ignored;
    `templated`: the request may name a prompt template.
    """
    names = (
        *RESPONSE_HEADERS,
        *(LENIENT_HEADERS if lenient else ()),
        *(CACHED_HEADERS if cached else ()),
        *(TEMPLATE_HEADERS if templated else ()),
    )
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def describe(app: FastAPI, bodies: list[type[BaseModel]]) -> None:
    """Make `app.openapi()` include `bodies`, the problem shapes and the key scheme."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, [*bodies, *_ERROR_BODIES.values()])
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, schemas: list[type[BaseModel]]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    known = components.setdefault("schemas", {})
    for schema in schemas:
        description = schema.model_json_schema(ref_template=_REF)
        known.update(description.pop("$defs", {}))
        known[schema.__name__] = description
    components["parameters"], components["headers"] = dict(PARAMETERS), dict(HEADERS)
    components["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer"},
        "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
        "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
    }
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["security"] = _security(path)
    return document


def _security(path: str) -> list[dict[str, list[str]]]:
    """The credentials that a route takes, any of them."""
    if path in PUBLIC:
        return []
    names = ("key", "x-api-key", "api-key") if is_openai_route(path) else ("key",)
    return [{name: []} for name in names]


def _detail(status: int, form: ErrorForm) -> str:
    usual = _DETAILS[status]
    return usual if form == "native" else _CLIENTS_DETAILS.get(status, usual)


def _example(status: int, form: ErrorForm) -> Problem:
    is_reused_key = form != "native" and status == IdempotencyKeyReused.status
    problem = IdempotencyKeyReused if is_reused_key else _general_problems()[status]
    example = Problem.__new__(problem)
    Problem.__init__(example, _detail(status, form))
    return example


@cache
def _general_problems() -> Mapping[int, type[Problem]]:
    """The first problem of each status in the package of Problem."""
    general: dict[int, type[Problem]] = {}
    for problem in _subclasses(Problem):
        if problem.__module__.startswith(f"{problems.__name__}."):
            general.setdefault(problem.status, problem)
    return general


def _subclasses(cls: type[Problem]) -> Iterator[type[Problem]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _subclasses(child)
