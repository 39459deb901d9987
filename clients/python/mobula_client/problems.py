"""Failures of calls as exceptions, one class for each kind of problem that the API reports.

The classes, their statuses and slugs are those of `cluster.runtime.problems`, in which the handle
client reports the same failures. A problem of an unknown kind becomes the class of its status.
"""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

# Codes of the OpenAI error envelope that are no slugs with underscores.
_OPENAI_CODES = {"model_not_found": "unknown-model", "invalid_api_key": "unauthenticated"}
_MEMBERS = frozenset({"type", "title", "status", "detail", "request_id", "message", "code"})


class Problem(Exception):
    """A failed call. `extensions` are the members that this kind of problem has in addition."""

    status: int = 500
    slug: str = "internal-error"
    _by_slug: ClassVar[dict[str, type["Problem"]]] = {}
    _by_status: ClassVar[dict[int, type["Problem"]]] = {}

    def __init_subclass__(cls) -> None:
        Problem._by_slug[cls.slug] = cls
        Problem._by_status.setdefault(cls.status, cls)

    def __init__(
        self,
        detail: str,
        *,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        **extensions: Any,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.extensions = extensions

    @property
    def param(self) -> str | None:
        """The request field at fault, dotted (`messages.0.content`), or None."""
        return self.extensions.get("param")


class InvalidRequest(Problem):
    status, slug = 400, "invalid-request"


class PromptTooLong(InvalidRequest):
    slug = "context-length-exceeded"


class ContentRefused(InvalidRequest):
    slug = "content-policy-violation"


class UnsupportedParameter(InvalidRequest):
    slug = "unsupported-parameter"


class Unauthenticated(Problem):
    status, slug = 401, "unauthenticated"


class Forbidden(Problem):
    status, slug = 403, "forbidden"


class NotFound(Problem):
    status, slug = 404, "not-found"


class UnknownModel(NotFound):
    slug = "unknown-model"


class MethodNotAllowed(Problem):
    status, slug = 405, "method-not-allowed"


class RequestTimeout(Problem):
    status, slug = 408, "request-timeout"


class Conflict(Problem):
    status, slug = 409, "conflict"


class PreconditionFailed(Problem):
    status, slug = 412, "precondition-failed"


class PayloadTooLarge(Problem):
    status, slug = 413, "payload-too-large"


class UnsupportedMedia(Problem):
    status, slug = 415, "unsupported-media-type"


class UnsupportedEncoding(Problem):
    status, slug = 415, "unsupported-content-encoding"


class UntrustedHost(Problem):
    status, slug = 421, "untrusted-host"


class Malformed(Problem):
    status, slug = 422, "malformed-payload"


class IdempotencyKeyReused(Problem):
    status, slug = 422, "idempotency-key-reused"


class PreconditionRequired(Problem):
    status, slug = 428, "precondition-required"


class RateLimited(Problem):
    status, slug = 429, "rate-limited"


class QuotaExceeded(RateLimited):
    slug = "quota-exceeded"


class InsufficientQuota(QuotaExceeded):
    slug = "insufficient-quota"


class ClientGone(Problem):
    status, slug = 499, "client-gone"


class MethodNotImplemented(Problem):
    status, slug = 501, "method-not-implemented"


class ModelFailed(Problem):
    status, slug = 502, "model-failed"


class ReplicaLost(ModelFailed):
    slug = "replica-lost"


class UpstreamFailed(ModelFailed):
    slug = "upstream-failed"


class UpstreamRefused(UpstreamFailed):
    slug = "upstream-refused"


class UpstreamUnreachable(UpstreamFailed):
    slug = "upstream-unreachable"


class NoTokenizer(Problem):
    status, slug = 501, "no-tokenizer"


class NotInstalled(Problem):
    status, slug = 501, "not-installed"


class Overloaded(Problem):
    status, slug = 503, "overloaded"


class Draining(Overloaded):
    slug = "draining"


class Unavailable(Overloaded):
    slug = "model-unavailable"


class UpstreamBusy(Overloaded):
    slug = "upstream-busy"


class AllUpstreamsBusy(UpstreamBusy):
    slug = "all-upstreams-busy"


class DeadlineExceeded(Problem):
    status, slug = 504, "deadline-exceeded"


class NotCached(Problem):
    status, slug = 504, "not-cached"


class GuardrailRefused(Problem):
    status, slug = 400, "guardrail"


class GuardrailUnavailable(Problem):
    status, slug = 503, "guardrail-unavailable"


def problem_of(status: int, content: bytes | str, retry_after_s: float | None = None) -> Problem:
    """The problem that a response with this status and body reports."""
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    members = body if isinstance(body, dict) else {}
    return problem_in(members, status, retry_after_s)


def problem_in(
    members: Mapping[str, Any], status: int = 500, retry_after_s: float | None = None
) -> Problem:
    """The problem in a decoded body: RFC 9457 members, or OpenAI's `{"error": ...}`."""
    if isinstance(members.get("error"), dict):
        members = members["error"]
        code = str(members.get("code", ""))
        slug = _OPENAI_CODES.get(code, code.replace("_", "-"))
    else:
        slug = str(members.get("type", "")).rpartition("/")[2]
        status = members.get("status", status)
    kind = Problem._by_slug.get(slug) or Problem._by_status.get(status, Problem)
    detail = members.get("detail") or members.get("message") or f"HTTP {status}"
    extensions = {name: value for name, value in members.items() if name not in _MEMBERS}
    if retry_after_s is not None:
        extensions["retry_after_s"] = retry_after_s
    problem = kind(detail, request_id=members.get("request_id"), **extensions)
    problem.status, problem.slug = status, slug or kind.slug
    return problem
