"""A limit as it stands, for those who want to see it without spending.

In: a purse. Out: what is left of its limit, and when it is whole again.
"""

from dataclasses import dataclass

from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind
from deployments.limiter.headers import whole_in_s
from deployments.limiter.purse import Purse


@dataclass(frozen=True, slots=True)
class LimitView:
    """`remaining` of `capacity` is what this replica knows to be left; None: nobody can say now.

    `reset_s` is in how many seconds a rate is full again, or a budget's period ends; 0 for slots.
    """

    name: str
    kind: BucketKind
    unit: Unit
    capacity: int
    remaining: int | None
    reset_s: int


def limit_view(purse: Purse, now: float, wall: float) -> LimitView:
    limit = purse.limit
    left = max(0, purse.left(now))
    answered = purse.known and purse.acked > 0
    return LimitView(
        limit.name,
        purse.kind,
        limit.unit,
        limit.spec.capacity,
        left if answered else None,
        whole_in_s(purse, left, wall),
    )
