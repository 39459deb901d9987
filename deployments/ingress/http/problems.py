"""Problems as HTTP responses: one mapping, two bodies.

In: a Problem and the path that raised it. Out: RFC 9457 `application/problem+json` on native
routes, the OpenAI error envelope on `/v1`, and the same objects for in-band use.
"""

from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from cluster.runtime.problems import (
    Forbidden,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
)
from deployments.ingress.context import request_state

PROBLEM_TYPE = "https://mobula.dev/problems/"
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_OPENAI_CODES = {
    "unknown-model": "model_not_found",
    "context-length-exceeded": "context_length_exceeded",
    "unauthenticated": "invalid_api_key",
    "unsupported-parameter": "unsupported_parameter",
}


def native_body(problem: Problem, request_id: str | None = None) -> dict[str, Any]:
    """RFC 9457 members, the problem's own extensions and the request id."""
    body: dict[str, Any] = {
        "type": PROBLEM_TYPE + problem.slug,
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
    }
    body |= {key: value for key, value in problem.extensions.items() if value is not None}
    if request_id:
        body["request_id"] = request_id
    return body


def openai_body(problem: Problem, request_id: str | None = None) -> dict[str, Any]:
    """The envelope that OpenAI clients parse into their typed errors."""
    default_type = "invalid_request_error" if problem.status < 500 else "server_error"
    error: dict[str, Any] = {
        "message": problem.detail,
        "type": _OPENAI_TYPES.get(problem.status, default_type),
        "param": problem.param,
        "code": _OPENAI_CODES.get(problem.slug, problem.slug.replace("-", "_")),
    }
    if request_id:
        error["request_id"] = request_id
    return {"error": error}


def is_openai_route(path: str) -> bool:
    """Whether clients of this path expect the OpenAI envelope."""
    return path.startswith("/v1/") or path == "/v1"


def render(problem: Problem, path: str, request_id: str | None) -> tuple[bytes, str]:
    """The body for this path and its content type."""
    if is_openai_route(path):
        return orjson.dumps(openai_body(problem, request_id)), "application/json"
    return orjson.dumps(native_body(problem, request_id)), "application/problem+json"


async def send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer an HTTP scope with a problem; for code that sits outside FastAPI."""
    body, media_type = render(problem, scope["path"], request_state(scope).request_id)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    headers += [(k.lower().encode(), v.encode()) for k, v in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def from_http_exception(error: HTTPException) -> Problem:
    """FastAPI's own refusals (no such route, wrong method, ...) as problems."""
    problems = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed}
    if error.status_code == 413:
        return PayloadTooLarge(0)
    if error.status_code in problems:
        return problems[error.status_code](str(error.detail))
    return InvalidRequest(str(error.detail)) if error.status_code < 500 else Problem("")
