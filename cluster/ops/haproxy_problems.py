"""HAProxy's own error answers as the problems that the ingress would send.

Flows out: lines for HAProxy's configuration. Bodies are RFC 9457 problems, or OpenAI's envelope
where the variable `txn.openai` is true, as deployments/ingress/http/problems.py renders them.
Nothing but the standard library: this runs at each start of HAProxy.
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
_ID = "{id}"  # where the request's id goes


@dataclass(frozen=True, slots=True)
class ProxyProblem:
    """A fault that HAProxy answers itself, without a replica."""

    status: int
    slug: str
    title: str
    detail: str

    @property
    def retry_after_s(self) -> int | None:
        return RETRY_AFTER_S if self.status in (429, 503) else None

    def native(self) -> str:
        """The body on native routes; `{id}` stands for the request's id."""
        body: dict[str, object] = {
            "type": PROBLEM_TYPE + self.slug,
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.retry_after_s is not None:
            body["retry_after_s"] = self.retry_after_s
        return _compact({**body, "request_id": _ID})

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
        return _compact({"error": error})

    def line(self) -> str:
        """The `http-error` line."""
        before, after = self.native().split(_ID)
        openai_before, openai_after = self.openai().split(_ID)
        body = (
            _either(openai_before, before) + "%[var(txn.request_id)]" + _either(openai_after, after)
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
    """For the HTTP frontend. The rule needs `txn.openai` and `txn.request_id` to be set."""
    yield (
        "http-after-response set-header content-type application/json "
        "if { var(txn.openai) -m bool } "
        "{ res.hdr(content-type) -m str application/problem+json }"
    )
    for problem in PROBLEMS:
        yield problem.line()


def _either(openai: str, native: str) -> str:
    return f"%[var(txn.openai),iif('{_quoted(openai)}','{_quoted(native)}')]"


def _quoted(text: str) -> str:
    """For an argument in single quotes, inside a string in double quotes of the configuration."""
    if "'" in text or "%" in text or "\\" in text:
        raise ValueError(f"cannot be written into HAProxy's configuration: {text}")
    return text.replace('"', '\\"')


def _compact(body: dict[str, object]) -> str:
    return json.dumps(body, separators=(",", ":"))
