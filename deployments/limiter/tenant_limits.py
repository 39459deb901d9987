"""One tenant in this replica: the leased buckets of its limits, and requests that wait for credits.

In: limits of a plan, grants. Out: all-or-nothing acquisitions, and the lease requests of the next
exchange. Knows nothing of the network; `lease_client.py` sends the requests.
"""

import asyncio
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from deployments.contracts.limits import BucketKind, LeaseRequest
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.limits import (
    Limit,
    admission_limits,
    all_limits,
    next_utc_midnight,
    operation_limit,
    reservation_limits,
    tenant_subject,
)
from deployments.limiter.session import LeaseSession
from deployments.limiter.subject_limits import (
    CountedBuckets,
    Debits,
    RequestSubjects,
    Source,
    TenantSubjects,
)

_OPEN = 5.0  # lease times between looks at a tenant that has open permits only
_EVICT = 5.0  # lease times between looks for idle subjects
_FEW = 64  # buckets that every exchange looks at; of more, those that it concerns
_SCAN = 0.2  # lease times between looks at all of many buckets


@dataclass(eq=False, slots=True)
class PendingAcquire:
    """A request that waits. `exchanges` is how many exchanges have requested its credits."""

    debits: Debits
    source: Source
    future: asyncio.Future[Debits]
    exchanges: int = 0


@dataclass(eq=False, slots=True)
class TenantLimits:
    """Buckets by key. Those of one request class, or model, are looked up once a day.

    `session` is that with the tenant's shard. `to_refresh` are the buckets that the next exchange
    must report, `spent` the ledger's figures for it, by bucket key; `opening` are budgets for which
    the ledger is asked, and no exchange meanwhile. `permits` counts open permits, which may still
    reserve. `check_at` is when the limits are looked at next (monotonic seconds); `is_full`: that
    may be late, because all slots were taken. `epoch` is the authority's that answered last ("" for
    none of this shard).
    """

    tenant: str
    plan: Plan
    ttl_s: float
    session: LeaseSession
    buckets: dict[str, LeasedBucket] = field(default_factory=dict)
    pending: list[PendingAcquire] = field(default_factory=list)
    spent: dict[str, int] = field(default_factory=dict)
    to_refresh: set[LeasedBucket] = field(default_factory=set)
    opening: set[LeasedBucket] = field(default_factory=set)
    permits: int = 0
    check_at: float = math.inf
    is_full: bool = False
    epoch: str = ""
    subjects: TenantSubjects = field(init=False)
    _admission: dict[RequestClass, Debits] = field(default_factory=dict)
    _operations: dict[str, Debits] = field(default_factory=dict)
    _reservation: dict[Source, CountedBuckets] = field(default_factory=dict)
    _day_ends: float = 0.0
    _scan_at: float = 0.0
    _evict_at: float = 0.0

    def __post_init__(self) -> None:
        self.subjects = TenantSubjects(self.tenant, self.buckets, self._bucket)

    def move(self, session: LeaseSession, now: float) -> None:
        """Another shard owns the tenant, and knows its leases as of the last report."""
        has_ended = now >= self.session.expires or now >= session.expires
        self.session, self.epoch = session, ""
        self.look_at_all()
        for bucket in self.buckets.values():
            if has_ended:
                bucket.void_lease()
            bucket.session, bucket.is_unreported = session, True

    def update_plan(self, plan: Plan) -> None:
        """Apply the plan of the latest request."""
        self.plan = plan
        self._forget_limits()

    def admission(self, request_class: RequestClass, now: float, operation: str = "") -> Debits:
        """One credit of each limit that admits a request, for this operation if it is limited."""
        debits = self._admission.get(request_class)
        if debits is None:
            limits = admission_limits(tenant_subject(self.tenant), self.plan, request_class)
            debits = tuple((self._bucket(limit, now), 1) for limit in limits)
            self._admission[request_class] = debits
        if self.plan.operations_rates:
            debits += self._of_operation(operation, now)
        return debits

    def reservation(
        self, request_class: RequestClass, model: str, now: float, wall: float
    ) -> CountedBuckets:
        """The limits of one model call, and the unit that each counts."""
        if wall >= self._day_ends:
            self._reservation.clear()
            self._day_ends = next_utc_midnight(wall)
        key = (request_class, model)
        buckets = self._reservation.get(key)
        if buckets is None:
            subject = tenant_subject(self.tenant)
            limits = reservation_limits(subject, self.plan, request_class, model, wall)
            buckets = tuple((self._bucket(limit, now), limit.unit) for limit in limits)
            self._reservation[key] = buckets
        return buckets

    def _of_operation(self, operation: str, now: float) -> Debits:
        debits = self._operations.get(operation)
        if debits is None:
            rate = self.plan.operations_rates.get(operation)
            if rate is None:
                return ()
            limit = operation_limit(tenant_subject(self.tenant), operation, rate)
            debits = self._operations[operation] = ((self._bucket(limit, now), 1),)
        return debits

    def admission_with(
        self,
        subjects: RequestSubjects,
        request_class: RequestClass,
        now: float,
        wall: float,
        operation: str = "",
    ) -> Debits:
        """The same with those of the request's other subjects. Raises RateLimited."""
        rates = self.plan.end_user
        others = self.subjects.admission(request_class, subjects, rates, now, wall)
        return self.admission(request_class, now, operation) + others

    def reservation_with(
        self,
        subjects: RequestSubjects,
        request_class: RequestClass,
        model: str,
        now: float,
        wall: float,
    ) -> CountedBuckets:
        """The same with those of the request's other subjects. Raises RateLimited."""
        source, rates = (request_class, model), self.plan.end_user
        others = self.subjects.reservation(source, subjects, rates, now, wall)
        return self.reservation(request_class, model, now, wall) + others

    def all_buckets(
        self, policies: CallerPolicies | None, now: float, wall: float
    ) -> list[LeasedBucket]:
        """The buckets of all limits of the plan, and of these policies."""
        limits = all_limits(tenant_subject(self.tenant), self.plan, wall)
        own = [self._bucket(limit, now) for limit in limits]
        return own + self.subjects.all_buckets(policies, now, wall)

    def try_acquire(self, debits: Debits, now: float) -> bool:
        """Consume all debits or none. What pending requests for a bucket wait for is set aside: of
        a tenant with many keys, one that waits for credits of its own holds up no other."""
        for bucket, amount in debits:
            if bucket.holding - bucket.claimed < amount or now >= bucket.session.expires:
                return False
        LeasedBucket.consume_all(debits)
        return True

    @staticmethod
    def record_overdraft(debits: Debits, consumed: Debits) -> Debits:
        """Record what budgets in shadow mode let pass without credits. The debits to settle.

        Rates and slots in shadow mode only count the requests that they would have refused.
        """
        overdrawn = tuple(
            debit
            for debit in debits
            if debit[0].kind is BucketKind.BUDGET and debit not in consumed
        )
        for bucket, amount in overdrawn:
            bucket.consume_over_lease(amount)
        return consumed + overdrawn

    def enqueue(self, pending: PendingAcquire) -> None:
        self.pending.append(pending)
        for bucket, amount in pending.debits:
            bucket.waiting += 1
            bucket.claimed += amount

    def dequeue(self, pending: PendingAcquire) -> None:
        self.pending.remove(pending)
        for bucket, amount in pending.debits:
            bucket.waiting -= 1
            bucket.claimed -= amount

    def lease_requests(self, numbers: Iterator[int], now: float) -> list[LeaseRequest]:
        """A report and a request for every bucket that has either."""
        first: dict[LeasedBucket, int] = {}
        total: dict[LeasedBucket, int] = {}
        for pending in self.pending:
            if self.opening and any(bucket in self.opening for bucket, _ in pending.debits):
                continue
            pending.exchanges += 1
            for bucket, amount in pending.debits:
                first.setdefault(bucket, amount)
                total[bucket] = total.get(bucket, 0) + amount
        buckets = [
            bucket
            for bucket in self._candidates(total, now)
            if bucket not in self.opening
            and (
                bucket in total
                or bucket in self.to_refresh
                or bucket.holding <= bucket.low
                or bucket.due(now)
            )
        ]
        self.to_refresh &= self.opening
        spent, opening = self.spent, {bucket.limit.spec.key for bucket in self.opening}
        self.spent = {key: used for key, used in spent.items() if key in opening}
        return [
            bucket.build_request(
                next(numbers),
                first.get(bucket, 0),
                total.get(bucket, 0),
                now,
                spent.get(bucket.limit.spec.key, -1),
            )
            for bucket in buckets
        ]

    def _candidates(self, requested: Iterable[LeasedBucket], now: float) -> Iterable[LeasedBucket]:
        """The buckets that an exchange looks at. A tenant may have thousands of end users."""
        if len(self.buckets) > _FEW and now < self._scan_at:
            found = dict.fromkeys((*requested, *self.to_refresh))
            return [each for each in found if self.buckets.get(each.limit.spec.key) is each]
        self._scan_at = now + _SCAN * self.ttl_s
        return self.buckets.values()

    def look_at_all(self) -> None:
        """All buckets have something to report: the next exchange looks at every one."""
        self._scan_at = 0.0

    def note_low(self, bucket: LeasedBucket) -> None:
        """The next exchange is to look at it, whether it looks at all buckets or not."""
        if len(self.buckets) > _FEW:
            self.to_refresh.add(bucket)

    def due(self, now: float) -> bool:
        """Whether a bucket has something to renew or to report."""
        return any(bucket.due(now) for bucket in self.buckets.values())

    def check_after_s(self) -> float:
        """Seconds until something may be due, or the tenant can be forgotten."""
        slots = (b for b in self.buckets.values() if b.kind is BucketKind.SLOTS)
        self.is_full = any(bucket.is_full for bucket in slots)
        if len(self.buckets) > _FEW:
            return _SCAN * self.ttl_s
        after_s = min((b.check_after_s() for b in self.buckets.values()), default=math.inf)
        if math.isfinite(after_s):
            return after_s
        return _OPEN * self.ttl_s if self.permits else 0.0

    def evict_idle_subjects(self, now: float) -> None:
        """Forget keys, teams and end users without state, also of a tenant that is never idle."""
        if len(self.subjects) and now >= self._evict_at:
            self._evict_at = now + _EVICT * self.ttl_s
            for key in self.subjects.evict_idle():
                del self.buckets[key]

    def evict_idle(self) -> bool:
        """Forget buckets without state; True when the tenant itself may be forgotten."""
        idle = [key for key, bucket in self.buckets.items() if bucket.forgettable]
        if len(idle) < len(self.buckets) and not any(self._is_past(key) for key in idle):
            return False
        for key in idle:
            del self.buckets[key]
        self._forget_limits()
        return not (self.buckets or self.pending or self.permits)

    def _forget_limits(self) -> None:
        self._admission.clear()
        self._operations.clear()
        self._reservation.clear()
        self.subjects.forget_lookups()

    def _is_past(self, key: str) -> bool:
        """Whether the bucket is of a period in which nothing is reserved any more."""
        bucket = self.buckets[key]
        return bucket.kind is BucketKind.BUDGET and bucket.limit.spec.until < self._day_ends

    def _bucket(self, limit: Limit, now: float) -> LeasedBucket:
        bucket = self.buckets.get(limit.spec.key)
        if bucket is None:
            bucket = self.buckets[limit.spec.key] = LeasedBucket(
                limit, now, self.ttl_s, self.session
            )
        bucket.update_limit(limit)
        return bucket
