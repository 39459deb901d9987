"""The API's description: request bodies, answers and every problem, for /docs and generators.

Routes read their bodies themselves, so their schemas are hung in here; FastAPI describes the rest.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from cluster.runtime.problems import Problem
from deployments.ingress.http.openapi_headers import HEADERS, PARAMETERS
from deployments.ingress.http.problems import native_body, openai_body
from deployments.ingress.schemas.answers import OpenAIErrorBody, ProblemBody

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
    409: "It contradicts what there is: an id that is taken, or an Idempotency-Key whose first "
    "request still runs.",
    408: "The body did not arrive in time.",
    413: "The body is over the limit.",
    415: "The body is not JSON.",
    422: "The body does not match the schema; `errors` points at each fault.",
    429: "Over a limit; wait for Retry-After.",
    500: "Something failed on our side; the request id finds it in the log.",
    502: "The model failed.",
    503: "Too busy, or the model is not up; wait for Retry-After.",
    504: "The deadline passed.",
}
GENERATION_PROBLEMS = (400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 502, 503, 504)
_WAIT = {
    "headers": {
        "Retry-After": {
            "description": "Whole seconds to wait.",
            "schema": {"type": "integer", "minimum": 1},
        }
    }
}


def problem_responses(*statuses: int, openai: bool = False) -> dict[int | str, dict[str, Any]]:
    """Response entries, with an example each, for FastAPI's `responses`."""
    render = openai_body if openai else native_body
    model = OpenAIErrorBody if openai else ProblemBody
    media_type = "application/json" if openai else "application/problem+json"
    return {
        status: {
            "description": _DETAILS[status],
            "content": {
                media_type: {
                    "schema": {"$ref": _REF.format(model=model.__name__)},
                    "example": render(_example(status), "req_0123456789abcdef"),
                }
            },
            **(_WAIT if status in (429, 503) else {}),
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
    """The 200 entry of a route that answers as JSON or as a stream."""
    content: dict[str, Any] = {media: {"schema": {"type": "string"}} for media in media_types}
    described = "The answer, whole or as a stream."
    return {"model": model, "description": described, "content": content, "headers": headers}


def describe(app: FastAPI, bodies: list[type[BaseModel]]) -> None:
    """Make `app.openapi()` include `bodies`, the problem shapes and the key scheme."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, [*bodies, OpenAIErrorBody, ProblemBody])
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, schemas: list[type[BaseModel]]) -> dict[str, Any]:
    document = get_openapi(
        title=app.title, version=app.version, description=DESCRIPTION, routes=app.routes
    )
    components = document.setdefault("components", {})
    known = components.setdefault("schemas", {})
    for schema in schemas:
        described = schema.model_json_schema(ref_template=_REF)
        known.update(described.pop("$defs", {}))
        known[schema.__name__] = described
    components["parameters"], components["headers"] = dict(PARAMETERS), dict(HEADERS)
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path, item in document["paths"].items():
        for operation in item.values():
            operation["security"] = [] if path in PUBLIC else [{"key": []}]
    return document


@cache
def _example(status: int) -> Problem:
    general = (cls for cls in _tree(Problem) if cls.__module__ == Problem.__module__)
    problem = next(cls for cls in general if cls.status == status)
    example = Problem.__new__(problem)
    Problem.__init__(example, _DETAILS[status])
    return example


def _tree(cls: type[Problem]) -> list[type[Problem]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in _tree(child))]
