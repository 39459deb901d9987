"""Error responses of HAProxy in the format of the ingress.

Out: lines for HAProxy's configuration. Bodies are RFC 9457 problems, or OpenAI's error format if
the variable `txn.openai` is true, as deployments/ingress/http/problems.py renders them. Standard
library only: this runs at each start of HAProxy.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

PROBLEM_TYPE = "https://mobula.dev/problems/"
OPENAI_TYPES = {
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}
RETRY_AFTER_S = 1
_ID = "{id}"  # placeholder of the request id


@dataclass(frozen=True, slots=True)
class ProxyProblem:
    """An error that HAProxy responds to itself, without a replica."""

    status: int
    slug: str
    title: str
    detail: str

    @property
    def retry_after_s(self) -> int | None:
        return RETRY_AFTER_S if self.status in (429, 503) else None

    def native(self) -> str:
        """The body on native routes; `{id}` is the placeholder of the request id."""
        body: dict[str, object] = {
            "type": PROBLEM_TYPE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.retry_after_s is not None:
            body["retry_after_s"] = self.retry_after_s
        return _to_json({**body, "request_id": _ID})

    def openai(self) -> str:
        """The body under /v1."""
        fallback = "invalid_request_error" if self.status < 500 else "server_error"
        error = {
            "message": self.detail,
            "type": OPENAI_TYPES.get(self.status, fallback),
            "param": None,
            "code": self.slug.replace("-", "_"),
            "request_id": _ID,
        }
        return _to_json({"error": error})

    def line(self) -> str:
        """The `http-error` line."""
        before, after = self.native().split(_ID)
        openai_before, openai_after = self.openai().split(_ID)
        body = (
            _choose_dialect(openai_before, before)
            + "%[var(txn.request_id)]"
            + _choose_dialect(openai_after, after)
        )
        retry = "" if self.retry_after_s is None else f" hdr Retry-After {self.retry_after_s}"
        return (
            f'http-error status {self.status} content-type application/problem+json lf-string "'
            f'{body}" hdr Cache-Control no-store{retry} hdr X-Request-ID %[var(txn.request_id)]'
        )


PROBLEMS = (
    ProxyProblem(400, "invalid-request", "Invalid request", "The request is not valid HTTP."),
    ProxyProblem(
        403, "forbidden", "The credential does not allow this", "The request is not allowed."
    ),
    ProxyProblem(404, "not-found", "Not found", "Nothing is served under this path."),
    ProxyProblem(
        408,
        "request-timeout",
        "The request body did not arrive in time",
        "The request did not arrive in time.",
    ),
    ProxyProblem(
        413,
        "payload-too-large",
        "The request body is too large",
        "The request is larger than what is taken here.",
    ),
    ProxyProblem(429, "rate-limited", "Too many requests", "Too many requests; wait."),
    ProxyProblem(500, "internal-error", "Internal error", "Something went wrong on our side."),
    ProxyProblem(
        501,
        "method-not-implemented",
        "No route has this method",
        "Send one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT.",
    ),
    ProxyProblem(
        502,
        "replica-lost",
        "The replica was lost",
        "The replica ended before its answer was complete; another may do better.",
    ),
    ProxyProblem(503, "overloaded", "Too busy right now", "No replica takes requests right now."),
    ProxyProblem(
        504, "deadline-exceeded", "The deadline passed", "The replica did not answer in time."
    ),
)


def error_lines() -> Iterator[str]:
    """Lines for the HTTP frontend; `txn.openai` and `txn.request_id` must be set before."""
    yield (
        "http-after-response set-header content-type application/json "
        "if { var(txn.openai) -m bool } "
        "{ res.hdr(content-type) -m str application/problem+json }"
    )
    for problem in PROBLEMS:
        yield problem.line()


def _choose_dialect(openai: str, native: str) -> str:
    return f"%[var(txn.openai),iif('{_escape(openai)}','{_escape(native)}')]"


def _escape(text: str) -> str:
    """Escapes an argument in single quotes inside a double-quoted configuration string."""
    if "'" in text or "%" in text or "\\" in text:
        raise ValueError(f"cannot be written into HAProxy's configuration: {text}")
    return text.replace('"', '\\"')


def _to_json(body: dict[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"))
