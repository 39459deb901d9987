"""The problems of callers that a limit refuses; each names the limit."""

import math

from cluster.runtime.problems import (
    InsufficientQuota,
    InvalidRequest,
    Overloaded,
    Problem,
    QuotaExceeded,
    RateLimited,
)
from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.limits import Limit

UNKNOWN_RETRY_S = 2.0  # of a budget: its ledger may be late


def limit_exceeded(limit: Limit, amount: int, retry_after_s: float) -> Problem:
    """The limit has no room for `amount` credits now."""
    if limit.unit is Unit.SPEND:
        return _spent(limit, retry_after_s if limit.window_s else None)
    if limit.spec.kind is BucketKind.BUDGET:
        return QuotaExceeded(
            f"The budget '{limit.name}' of {limit.quota} {limit.unit} does not cover the "
            f"{amount} that this request may take.",
            retry_after_s,
            limit.name,
        )
    if limit.spec.kind is BucketKind.SLOTS:
        return RateLimited(
            f"{limit.quota} requests may be open at once.", retry_after_s, limit.name
        )
    retry = math.ceil(retry_after_s * 10) / 10
    return RateLimited(
        f"The limit '{limit.name}' allows {limit.quota} {limit.unit} in {limit.window_s} s, "
        f"{limit.spec.capacity} at once; there is room for {amount} in {retry:g} s.",
        retry_after_s,
        limit.name,
    )


def exceeds_capacity(limit: Limit, amount: int) -> Problem:
    """`amount` could never pass, however long the wait."""
    if limit.unit is Unit.SPEND:
        return _spent(limit, None)
    return InvalidRequest(
        f"This request may take {amount} {limit.unit}; the limit '{limit.name}' lets at most "
        f"{limit.spec.capacity} pass at once, so it can never run.",
        limit=limit.name,
        amount=amount,
        capacity=limit.spec.capacity,
    )


def limit_unknown(limit: Limit, retry_after_s: float = UNKNOWN_RETRY_S) -> Problem:
    """Whether the limit has room is not known now, so nothing passes."""
    kind = "budget" if limit.spec.kind is BucketKind.BUDGET else "limit"
    return Overloaded(
        f"The {kind} '{limit.name}' cannot be checked right now.", retry_after_s, limit=limit.name
    )


def _spent(limit: Limit, retry_after_s: float | None) -> Problem:
    """`retry_after_s` None: waiting does not help."""
    return InsufficientQuota(
        f"The limit '{limit.name}' of {limit.quota} millionths of the currency is reached, or the "
        "rest does not cover what this request may cost.",
        retry_after_s,
        limit.name,
    )
