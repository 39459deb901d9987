"""The failures of requests, as a class tree with HTTP status and slug.

    Problem                     500 internal-error
      InvalidRequest            400 invalid-request        out of range; names field and limit
        PromptTooLong           400 context-length-exceeded
        UnsupportedParameter    400 unsupported-parameter
        ContentRefused          400 content-policy-violation a provider's policy refuses the content
      Unauthenticated           401 unauthenticated
      Forbidden                 403 forbidden              names the scope
      NotFound                  404 not-found
        UnknownModel            404 unknown-model
      MethodNotAllowed          405 method-not-allowed
      RequestTimeout            408 request-timeout        the body did not arrive in time
      Conflict                  409 conflict
      PreconditionFailed        412 precondition-failed    it has changed since
      PayloadTooLarge           413 payload-too-large      names the limit in bytes
      UnsupportedMedia          415 unsupported-media-type
      UnsupportedEncoding       415 unsupported-content-encoding  names those that are
      UntrustedHost             421 untrusted-host
      Malformed                 422 malformed-payload      not the schema; a pointer for each error
      IdempotencyKeyReused      422 idempotency-key-reused the key stands for another request
      PreconditionRequired      428 precondition-required  the ETag that was seen is needed
      RateLimited               429 rate-limited           Retry-After; names the limit that was hit
        QuotaExceeded           429 quota-exceeded         a day's or month's budget is used up
          InsufficientQuota     429 insufficient-quota     what may be spent is spent
      ClientGone                499 client-gone            the client has disconnected
      GuardrailRefused          400 guardrail              names the policy, the rule, in or output
      GuardrailUnavailable      503 guardrail-unavailable  a text that cannot be checked
      MethodNotImplemented      501 method-not-implemented no route has this method
      NoTokenizer               501 no-tokenizer           the model's provider gives none
      NotInstalled              501 not-installed          what it takes is not installed here
      ModelFailed               502 model-failed
        ReplicaLost             502 replica-lost           a retry may succeed
      Overloaded                503 overloaded             Retry-After
        Draining                503 draining
        Unavailable             503 model-unavailable      no replica is available
      DeadlineExceeded          504 deadline-exceeded      names the stage that ran out
      NotCached                 504 not-cached             only-if-cached without a cached response

A problem raised in a Ray replica reaches the caller as a subclass of its class and RayTaskError,
whose `str` is a remote traceback: bodies are built from `slug`, `title` and `detail`, never from
`str(exc)`. `__reduce__` preserves the type through pickling for any constructor; a type that the
receiver's version does not know becomes its nearest known base.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from operator import attrgetter
from typing import Any, ClassVar, Self


class Problem(Exception):
    """A failure that is reported to the caller; `detail` is written for the caller."""

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal-error"
    title: ClassVar[str] = "Internal error"
    detail: str
    extensions: Mapping[str, Any]

    def __init__(self, detail: str, **extensions: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extensions = extensions

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, problem_parts(self))

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers of this problem."""
        retry_after = self.extensions.get("retry_after_s")
        return {} if retry_after is None else {"Retry-After": str(max(1, math.ceil(retry_after)))}

    @property
    def param(self) -> str | None:
        """The invalid request field, dotted (`messages.0.content`), or None."""
        return self.extensions.get("param")


def problem_parts(
    problem: Problem,
) -> tuple[tuple[tuple[str, str], ...], tuple[Any, ...], dict[str, Any]]:
    """What `rebuild_problem` needs: the names of its class and bases, its arguments and state."""
    return _names(_problem_class(type(problem))), problem.args, dict(problem.__dict__)


def rebuild_problem(
    names: tuple[tuple[str, str], ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> Problem:
    """The problem of these parts, of the nearest class that this version knows."""
    return _rebuild(names, args, state)


def _problem_class(cls: type) -> type:
    """The Problem class behind Ray's dual class `RayTaskError(X)`, which is a new one each time."""
    return next(base for base in cls.__mro__ if base.__module__ != "ray.exceptions")


@cache
def _names(cls: type) -> tuple[tuple[str, str], ...]:
    """Module and name of the class and of its bases, up to Problem."""
    bases = (base for base in cls.__mro__ if issubclass(base, Problem))
    return tuple((base.__module__, base.__qualname__) for base in bases)


@cache
def _nearest(names: tuple[tuple[str, str], ...]) -> type[Problem]:
    for module, name in names:
        try:
            candidate = attrgetter(name)(import_module(module))
        except (ImportError, AttributeError):
            continue
        if isinstance(candidate, type) and issubclass(candidate, Problem):
            return candidate
    return Problem


def _rebuild(
    names: tuple[tuple[str, str], ...], args: tuple[Any, ...], state: Mapping[str, Any]
) -> Problem:
    cls = _nearest(names)
    problem = cls.__new__(cls, *args)
    problem.args = args
    problem.__dict__.update(state)
    return problem


class InvalidRequest(Problem):
    status, slug, title = 400, "invalid-request", "Invalid request"


class PromptTooLong(InvalidRequest):
    slug, title = "context-length-exceeded", "Prompt is too long for the model"

    def __init__(
        self, model: str, tokens: int, limit: int, reserved: int = 0, param: str = "messages"
    ) -> None:
        room = f", of which {reserved} are asked for as output" if reserved else ""
        super().__init__(
            f"The prompt has {tokens} tokens; model '{model}' takes {limit}{room}.",
            model=model,
            tokens=tokens,
            limit=limit,
            param=param,
        )

    @classmethod
    def by_size(cls, model: str, size: int, most: int, limit: int, param: str) -> Self:
        """For a text of more bytes than the longest tokens of a full context."""
        problem = cls.__new__(cls)
        InvalidRequest.__init__(
            problem,
            f"'{param}' has {size} bytes; model '{model}' takes {limit} tokens, which are at most "
            f"{most} bytes.",
            model=model,
            bytes=size,
            limit_bytes=most,
            limit=limit,
            param=param,
        )
        return problem

    @classmethod
    def by_provider(cls, model: str, param: str = "messages") -> Self:
        """Where a provider says so, which counts the tokens by itself."""
        problem = cls.__new__(cls)
        InvalidRequest.__init__(
            problem,
            f"The prompt and the output asked for are longer than model '{model}' takes.",
            model=model,
            param=param,
        )
        return problem


class ContentRefused(InvalidRequest):
    slug, title = "content-policy-violation", "The provider's content policy refuses this"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"The provider of model '{model}' refuses this content by its policy.", model=model
        )


class UnsupportedParameter(InvalidRequest):
    slug, title = "unsupported-parameter", "Parameter is not supported"

    def __init__(self, param: str, why: str) -> None:
        super().__init__(f"'{param}' is not supported: {why}", param=param)


class Unauthenticated(Problem):
    status, slug, title = 401, "unauthenticated", "Authentication is required"

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": 'Bearer realm="mobula"'}


class Forbidden(Problem):
    status, slug, title = 403, "forbidden", "The credential does not allow this"


class NotFound(Problem):
    status, slug, title = 404, "not-found", "Not found"


class UnknownModel(NotFound):
    slug, title = "unknown-model", "No such model"

    def __init__(self, model: str, known: Sequence[str] = ()) -> None:
        names = ", ".join(known) or "none"
        super().__init__(
            f"No model '{model[:100]}' is configured; models: {names}.",
            model=model[:100],
            param="model",
        )


class MethodNotAllowed(Problem):
    status, slug, title = 405, "method-not-allowed", "Method not allowed"


class RequestTimeout(Problem):
    status, slug, title = 408, "request-timeout", "The request body did not arrive in time"


class Conflict(Problem):
    status, slug, title = 409, "conflict", "Conflict"


class PreconditionFailed(Problem):
    """RFC 9110 section 15.5.13: what was to be changed is not what the caller has seen."""

    status, slug, title = 412, "precondition-failed", "It has changed meanwhile"


class PayloadTooLarge(Problem):
    status, slug, title = 413, "payload-too-large", "The request body is too large"

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(f"The body is over {limit_bytes} bytes.", limit_bytes=limit_bytes)


class UnsupportedMedia(Problem):
    status, slug, title = 415, "unsupported-media-type", "Content type is not supported"

    def __init__(self, got: str, accepted: Sequence[str]) -> None:
        super().__init__(
            f"Content type '{got[:100]}' is not accepted here; send {', '.join(accepted)}.",
            accepted=list(accepted),
        )


class UnsupportedEncoding(Problem):
    status, slug, title = 415, "unsupported-content-encoding", "Content coding is not supported"

    def __init__(self, got: str, accepted: Sequence[str]) -> None:
        super().__init__(
            f"Content-Encoding '{got[:100]}' is not decoded; send {', '.join(accepted)} or none.",
            param="Content-Encoding",
            accepted=list(accepted),
        )

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 12.5.3."""
        return {"Accept-Encoding": ", ".join(self.extensions["accepted"])}


class UntrustedHost(Problem):
    status, slug, title = 421, "untrusted-host", "This host name is not served here"


class Malformed(Problem):
    """`errors` lists faults: `pointer` (RFC 6901 into the body), `detail`, `type`; `more_errors`
    says how many there are beside those.
    """

    status, slug, title = 422, "malformed-payload", "The request does not match the schema"

    def __init__(self, errors: Sequence[Mapping[str, Any]], *, more: int = 0) -> None:
        first, others = errors[0], len(errors) - 1 + more
        others_text = f" ({others} more)" if others else ""
        pointer = str(first.get("pointer", ""))
        super().__init__(
            f"{pointer or 'body'}: {first['detail']}{others_text}",
            errors=[dict(error) for error in errors],
            more_errors=more or None,
            param=pointer.lstrip("/").replace("/", ".") or None,
        )

    @classmethod
    def at(cls, pointer: str, detail: str, kind: str) -> Self:
        return cls([{"pointer": pointer, "detail": detail, "type": kind}])


class IdempotencyKeyReused(Problem):
    status, slug, title = 422, "idempotency-key-reused", "The key stands for another request"


class PreconditionRequired(Problem):
    """RFC 6585 section 3."""

    status, slug, title = 428, "precondition-required", "A condition is needed"


class RateLimited(Problem):
    """`limit` names the limit that was hit, as in RateLimit-Policy."""

    status, slug, title = 429, "rate-limited", "Too many requests"

    def __init__(self, detail: str, retry_after_s: float, limit: str, **extensions: Any) -> None:
        super().__init__(
            detail,
            retry_after_s=retry_after_s,
            limit=limit,
            **{"violated-policies": [limit], **extensions},
        )

    @property
    def headers(self) -> dict[str, str]:
        headers = super().headers
        headers["RateLimit"] = f'"{self.extensions["limit"]}";r=0;t={headers["Retry-After"]}'
        return headers


class QuotaExceeded(RateLimited):
    slug, title = "quota-exceeded", "The budget is spent"


class InsufficientQuota(QuotaExceeded):
    """OpenAI's `insufficient_quota`. `retry_after_s` None: waiting does not help, as its clients
    are told by `x-should-retry`."""

    slug, title = "insufficient-quota", "The money that may be spent is spent"

    def __init__(self, detail: str, retry_after_s: float | None, limit: str) -> None:
        Problem.__init__(
            self,
            detail,
            retry_after_s=retry_after_s,
            limit=limit,
            **{"violated-policies": [limit]},
        )

    @property
    def headers(self) -> dict[str, str]:
        if self.extensions["retry_after_s"] is not None:
            return super().headers | {"x-should-retry": "false"}
        return {"RateLimit": f'"{self.extensions["limit"]}";r=0', "x-should-retry": "false"}


class ClientGone(Problem):
    status, slug, title = 499, "client-gone", "The client closed the connection"


class MethodNotImplemented(Problem):
    status, slug, title = 501, "method-not-implemented", "No route has this method"


class NoTokenizer(Problem):
    status, slug, title = 501, "no-tokenizer", "The model has no tokenizer here"

    def __init__(self, model: str) -> None:
        super().__init__(
            f"Model '{model}' is served by a provider, which gives no tokenizer.",
            model=model,
            param="model",
        )


class NotInstalled(Problem):
    """`install` says what would make it work."""

    status, slug, title = 501, "not-installed", "This is not installed here"

    def __init__(self, detail: str, install: str) -> None:
        super().__init__(f"{detail} {install}", install=install)


class ModelFailed(Problem):
    status, slug, title = 502, "model-failed", "The model failed"

    def __init__(self, model: str, detail: str = "The model could not complete this.") -> None:
        super().__init__(detail, model=model)


class Overloaded(Problem):
    status, slug, title = 503, "overloaded", "Too busy right now"

    def __init__(self, detail: str, retry_after_s: float = 1.0, **extensions: Any) -> None:
        super().__init__(detail, retry_after_s=retry_after_s, **extensions)


class Draining(Overloaded):
    slug, title = "draining", "This replica is shutting down"


class DeadlineExceeded(Problem):
    status, slug, title = 504, "deadline-exceeded", "The deadline passed"

    def __init__(self, stage: str, limit_s: float | None = None) -> None:
        limit = "" if limit_s is None else f" of {limit_s:g} s"
        super().__init__(f"The deadline{limit} passed in stage '{stage}'.", stage=stage)


class NotCached(Problem):
    """RFC 9111 section 5.2.1.7."""

    status, slug, title = 504, "not-cached", "No cached response"

    def __init__(self, why: str = "No cached response matches this request.") -> None:
        super().__init__(why)


def is_of_callers_limits(problem: Problem) -> bool:
    """Whether a limit of the caller's has refused, so that others may fare better: a rate, a
    budget, one that cannot be checked now, or one that lets no such request pass."""
    if isinstance(problem, InvalidRequest):
        return "capacity" in problem.extensions
    is_unknown = isinstance(problem, Overloaded) and "limit" in problem.extensions
    return is_unknown or isinstance(problem, RateLimited)


class GuardrailRefused(Problem):
    """A rule of a guardrail refuses a text. It names the rule, never what it found."""

    status, slug, title = 400, "guardrail", "Refused by a guardrail"

    def __init__(self, policy: str, rule: str, direction: str) -> None:
        super().__init__(
            f"The {direction} was refused by rule '{rule}' of guardrail '{policy}'.",
            policy=policy,
            rule=rule,
            direction=direction,
        )


class GuardrailUnavailable(Problem):
    """A text cannot be checked, so it is not let through."""

    status, slug, title = 503, "guardrail-unavailable", "Guardrail unavailable"


def unknown_policy(id: str) -> GuardrailUnavailable:
    """The problem of a plan that names a guardrail which is not configured."""
    return GuardrailUnavailable(
        f"The plan names guardrail '{id}', which is not configured.", policy=id
    )


def to_problem(error: BaseException) -> Problem:
    """The problem for any exception; unknown ones get a constant text."""
    if isinstance(error, Problem):
        return error
    return Problem("Something went wrong on our side; the request id finds it in the log.")
