"""Refusals by the limits of a tenant, a team or a key."""

from typing import Any

from cluster.runtime.problems.base import Problem
from cluster.runtime.problems.requests import InvalidRequest
from cluster.runtime.problems.service import Overloaded


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


def is_of_callers_limits(problem: Problem) -> bool:
    """Whether a limit of the caller's has refused, so that others may fare better: a rate, a
    budget, one that cannot be checked now, or one that lets no such request pass."""
    if isinstance(problem, InvalidRequest):
        return "capacity" in problem.extensions
    is_unknown = isinstance(problem, Overloaded) and "limit" in problem.extensions
    return is_unknown or isinstance(problem, RateLimited)
