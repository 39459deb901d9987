"""A limit as it stands, for those who want to see it without spending.

In: a purse. Out: what is left of its limit, and when it is whole again.
"""

from dataclasses import dataclass

from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.headers import seconds_until_full
from deployments.limiter.leased_bucket import LeasedBucket


@dataclass(frozen=True, slots=True)
class LimitStatus:
    """`remaining` of `capacity` is what this replica knows to be left; None: nobody can say now.

    `reset_s` is in how many seconds a rate is full again, or a budget's period ends; 0 for slots.
    """

    name: str
    kind: BucketKind
    unit: Unit
    capacity: int
    remaining: int | None
    reset_s: int


def limit_view(purse: LeasedBucket, now: float, wall: float) -> LimitStatus:
    limit = purse.limit
    left = max(0, purse.remaining_global(now))
    answered = purse.known and purse.acked > 0
    return LimitStatus(
        limit.name,
        purse.kind,
        limit.unit,
        limit.spec.capacity,
        left if answered else None,
        seconds_until_full(purse, left, wall),
    )
