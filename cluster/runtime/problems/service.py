"""Failures of what a request needs: models, replicas, time."""

from typing import Any

from cluster.runtime.problems.base import Problem


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


class GuardrailUnavailable(Problem):
    """A text cannot be checked, so it is not let through."""

    status, slug, title = 503, "guardrail-unavailable", "Guardrail unavailable"


def unknown_policy(id: str) -> GuardrailUnavailable:
    """The problem of a plan that names a guardrail which is not configured."""
    return GuardrailUnavailable(
        f"The plan names guardrail '{id}', which is not configured.", policy=id
    )
