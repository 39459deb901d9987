"""Problems as HTTP responses: one mapping, three bodies.

In: a Problem and the path that raised it. Out: RFC 9457 `application/problem+json` on native
routes, Anthropic's error envelope on `/v1/messages`, OpenAI's on the rest of `/v1`, on `/openai`
and on the paths of vLLM and Cohere, and the same objects for in-band use. A body that does not
match its schema is 422 on native routes and 400 on the others, as OpenAI and Anthropic say it.
"""

import re
from collections.abc import Callable
from typing import Any, Literal

import orjson
from starlette.exceptions import HTTPException
from starlette.types import Scope, Send

from cluster.runtime.problems import (
    Forbidden,
    InvalidRequest,
    Malformed,
    MethodNotAllowed,
    NotFound,
    PayloadTooLarge,
    Problem,
    Unauthenticated,
)
from deployments.ingress.context import request_state

ErrorForm = Literal["native", "openai", "anthropic"]

ANTHROPIC = "/v1/messages"  # the path of Anthropic's API
_INDEX = re.compile(r"\.([0-9]+)(?=\.|/|$)")  # of an array: OpenAI writes messages[0].content
PROBLEM_TYPE = "https://mobula.dev/problems/"
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
_OPENAI_TYPES_BY_SLUG = {"insufficient-quota": "insufficient_quota"}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OPENAI_CODES = {
    "unknown-model": "model_not_found",
    "context-length-exceeded": "context_length_exceeded",
    "unauthenticated": "invalid_api_key",
    "unsupported-parameter": "unsupported_parameter",
}
# Without a version in their paths: vLLM's.
_OPENAI_PATHS = frozenset({"/v1", "/rerank", "/tokenize", "/detokenize"})


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
        "type": _OPENAI_TYPES_BY_SLUG.get(problem.slug)
        or _OPENAI_TYPES.get(problem.status, default_type),
        "param": problem.param and _INDEX.sub(r"[\1]", problem.param),
        "code": _OPENAI_CODES.get(problem.slug, problem.slug.replace("-", "_")),
    }
    if request_id:
        error["request_id"] = request_id
    return {"error": error}


def anthropic_body(problem: Problem, request_id: str | None = None) -> dict[str, Any]:
    """The envelope that Anthropic's clients parse into their typed errors."""
    default_type = "invalid_request_error" if problem.status < 500 else "api_error"
    kind = _ANTHROPIC_TYPES.get(problem.status, default_type)
    return {
        "type": "error",
        "error": {"type": kind, "message": problem.detail},
        "request_id": request_id,
    }


def is_openai_route(path: str) -> bool:
    """Whether the path is one of the APIs of OpenAI, Anthropic, vLLM or Cohere."""
    return path.startswith(("/v1/", "/v2/", "/openai/")) or path in _OPENAI_PATHS


def error_form(path: str) -> ErrorForm:
    """The form of errors that clients of this path expect."""
    if path == ANTHROPIC or path.startswith(f"{ANTHROPIC}/"):
        return "anthropic"
    return "openai" if is_openai_route(path) else "native"


def error_body(form: ErrorForm, problem: Problem, request_id: str | None) -> dict[str, Any]:
    """The problem in this form."""
    return _BODIES[form](problem, request_id)


def render(problem: Problem, path: str, request_id: str | None) -> tuple[int, bytes, str]:
    """The status, the body for this path and its content type."""
    form = error_form(path)
    body = orjson.dumps(error_body(form, problem, request_id))
    if form == "native":
        return problem.status, body, "application/problem+json"
    is_malformed = isinstance(problem, Malformed)
    return InvalidRequest.status if is_malformed else problem.status, body, "application/json"


_BODIES: dict[ErrorForm, Callable[[Problem, str | None], dict[str, Any]]] = {
    "native": native_body,
    "openai": openai_body,
    "anthropic": anthropic_body,
}


async def send_problem(problem: Problem, scope: Scope, send: Send) -> None:
    """Answer an HTTP scope with a problem; for code that sits outside FastAPI."""
    status, body, media_type = render(problem, scope["path"], request_state(scope).request_id)
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    headers += [(k.lower().encode(), v.encode()) for k, v in problem.headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def from_http_exception(error: HTTPException) -> Problem:
    """FastAPI's own refusals (no such route, wrong method, ...) as problems."""
    problems = {401: Unauthenticated, 403: Forbidden, 404: NotFound, 405: MethodNotAllowed}
    if error.status_code == 413:
        return PayloadTooLarge(0)
    if error.status_code in problems:
        return problems[error.status_code](str(error.detail))
    return InvalidRequest(str(error.detail)) if error.status_code < 500 else Problem("")
