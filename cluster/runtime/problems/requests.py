"""Refusals for what the request is, asks for, or comes with."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from cluster.runtime.problems.base import Problem


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
