"""Limits as they stand: as response headers, and for the caller's status page.

In: the buckets that a request passed. Out: raw header pairs in the shapes of
draft-ietf-httpapi-ratelimit-headers-10 and of OpenAI's x-ratelimit-*, with whole numbers, or a
LimitStatus. Consumes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.limits import Limit

Headers = list[tuple[bytes, bytes]]
_FAMILIES = tuple(
    (
        unit,
        b"x-ratelimit-limit-" + family,
        b"x-ratelimit-remaining-" + family,
        b"x-ratelimit-reset-" + family,
    )
    for unit, family in ((Unit.REQUESTS, b"requests"), (Unit.TOKENS, b"tokens"))
)


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """`remaining` of `capacity`, as far as this replica knows; None: unknown for now.

    `reset_s` is in how many seconds a rate is full again, or a budget's period ends; 0 for slots
    and for what is never full again. `subject` is whose limit it is: "" for the tenant's,
    `key:<account>` or `team:<id>`. Money is in micro-currency.
    """

    name: str
    kind: BucketKind
    unit: Unit
    capacity: int
    remaining: int | None
    reset_s: int
    subject: str = ""


def limit_status(bucket: LeasedBucket, now: float, wall: float) -> LimitStatus:
    limit = bucket.limit
    remaining = max(0, bucket.remaining_global(now))
    is_known = bucket.known and bucket.acked > 0
    return LimitStatus(
        limit.name,
        bucket.kind,
        limit.unit,
        limit.spec.capacity // limit.scale,
        remaining // limit.scale if is_known else None,
        seconds_until_full(bucket, remaining, wall),
        limit.subject,
    )


def rate_limit_headers(buckets: Sequence[LeasedBucket], now: float, wall: float) -> Headers:
    """All limits that applied; for each x-ratelimit family, the one with the least remaining."""
    if not buckets:
        return []
    policies: list[bytes] = []
    values: list[bytes] = []
    least: dict[Unit, tuple[int, int, Limit]] = {}  # remaining, seconds until full
    slots = BucketKind.SLOTS
    for bucket in buckets:
        limit, remaining = bucket.limit, bucket.remaining(now)
        policies.append(limit.policy)
        if bucket.kind is slots:
            values.append(b"%b;r=%d" % (limit.quoted, remaining))
            continue
        reset_s = seconds_until_full(bucket, remaining, wall)
        remaining //= limit.scale
        values.append(b"%b;r=%d;t=%d" % (limit.quoted, remaining, reset_s))
        lowest = least.get(limit.unit)
        if lowest is None or remaining < lowest[0]:
            least[limit.unit] = remaining, reset_s, limit
    headers = [(b"ratelimit-policy", b", ".join(policies)), (b"ratelimit", b", ".join(values))]
    for unit, limit_name, remaining_name, reset_name in _FAMILIES:
        lowest = least.get(unit)
        if lowest is not None:
            remaining, reset_s, limit = lowest
            headers += (
                (limit_name, b"%d" % limit.quota),
                (remaining_name, b"%d" % remaining),
                (reset_name, b"%ds" % reset_s),
            )
    return headers


def seconds_until_full(bucket: LeasedBucket, remaining: int, wall: float) -> int:
    """Seconds until a limit is full again, if nothing more is consumed; 0 for slots."""
    spec = bucket.limit.spec
    if bucket.kind is BucketKind.BUDGET:
        left_s = int(spec.until - wall) if bucket.limit.window_s else 0
        return left_s if left_s > 0 else 0
    return -int((remaining - spec.capacity) // spec.rate) if spec.rate else 0
