"""How full the budgets of tenants are, for the scrape. In: a replica's limits. Out: samples."""

from collections.abc import Iterable
from heapq import nlargest

from cluster.metrics.catalogue.limits import FULLEST
from cluster.metrics.series import Sample
from cluster.runtime.clock import Clock
from deployments.contracts.limits import BucketKind
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_limits import TenantLimits

REPORTED_FROM = 0.5  # part of a budget that is used


def fullest_budgets(tenants: Iterable[TenantLimits], clock: Clock) -> list[Sample]:
    """The FULLEST budgets of the tenants themselves in the current periods, by tenant and limit:
    the part that is used or reserved, as far as this replica knows."""
    now, wall = clock.monotonic(), clock.wall()
    ratios: dict[tuple[str, str], float] = {}
    for limits in tenants:
        for bucket in limits.buckets.values():
            if _counts(bucket, wall):
                used = 1.0 - max(0, bucket.remaining_global(now)) / bucket.limit.spec.capacity
                if used >= REPORTED_FROM:
                    ratios[limits.tenant, bucket.limit.name] = used
    return list(nlargest(FULLEST, ratios.items(), key=lambda sample: sample[1]))


def _counts(bucket: LeasedBucket, wall: float) -> bool:
    limit = bucket.limit
    return (
        bucket.kind is BucketKind.BUDGET
        and bucket.known
        and not limit.subject
        and limit.spec.capacity > 0
        and limit.spec.until > wall
    )
