"""What becomes of requests that waited for an exchange: credits, another exchange, or a refusal.

In: a tenant whose buckets have just been granted credits. Out: results and problems in the futures
of its pending requests, in the order of arrival.
"""

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Problem
from deployments.contracts.limits import BucketKind
from deployments.limiter.degraded_mode import DegradedMode
from deployments.limiter.errors import limit_exceeded, limit_unknown
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.subject_limits import Debits
from deployments.limiter.tenant_limits import PendingAcquire, TenantLimits

MAX_EXCHANGES = 4  # after which a request that waits is refused
OPENING_S = 0.01  # a budget refused for longer than this waits for the ledger, not for us
_RETRY_S = 1.0  # of a request that no exchange decided


class PendingDecisions:
    """Decides for the tenants of one authority shard."""

    def __init__(
        self, clock: Clock, events: LimitEventEmitter, degraded: DegradedMode, ttl_s: float
    ) -> None:
        self._clock = clock
        self._events = events
        self._degraded = degraded
        self._ttl_s = ttl_s

    def resolve(
        self,
        tenant: TenantLimits,
        reported: set[LeasedBucket],
        unknown: dict[LeasedBucket, float],
    ) -> None:
        """Hand the granted credits to pending requests, or refuse them. `reported`: buckets whose
        request was answered; `unknown`: budgets that are not open yet, with the seconds to wait.
        What no exchange has decided is refused as unknown (503), not as used up (429)."""
        now = self._clock.monotonic()
        for pending in list(tenant.pending):
            try:
                debits = self._decide(tenant, pending, reported, unknown, now)
            except Problem as problem:
                tenant.dequeue(pending)
                if not pending.future.done():
                    pending.future.set_exception(problem)
                continue
            if debits is None:
                continue
            tenant.dequeue(pending)
            if not pending.future.done():
                for bucket, amount in debits:
                    if bucket.available(now) >= amount:
                        bucket.consume(amount)
                    else:
                        bucket.consume_over_lease(amount)
                pending.future.set_result(debits)

    def resolve_degraded(self, tenant: TenantLimits, now: float) -> None:
        """The authority is lost: decide all pending requests by the local rules."""
        for pending in list(tenant.pending):
            tenant.dequeue(pending)
            if pending.future.done():
                continue
            try:
                debits = self._degraded.admit(tenant, pending.debits, pending.source, now)
                pending.future.set_result(debits)
            except Problem as problem:
                pending.future.set_exception(problem)

    def _decide(
        self,
        tenant: TenantLimits,
        pending: PendingAcquire,
        reported: set[LeasedBucket],
        unknown: dict[LeasedBucket, float],
        now: float,
    ) -> Debits | None:
        """The debits to consume now, or None to wait for the next exchange. Raises the refusal."""
        dropped = set()
        for bucket, amount in pending.debits:
            if bucket.available(now) >= amount:
                continue
            is_open = unknown.get(bucket, 0.0) <= OPENING_S
            is_new = pending.exchanges == 0 or bucket not in reported or bucket in unknown
            has_changed = bucket.requested_spec != bucket.limit.spec
            has_room = amount <= bucket.holding + bucket.level
            is_undecided = is_new or has_changed or has_room
            if is_open and is_undecided and pending.exchanges < MAX_EXCHANGES:
                return None
            if is_open and self._degraded.may_open(bucket, now):
                continue
            dropped.add(bucket)
            if not is_undecided:
                self._deny(tenant, pending, bucket, amount, now)
            elif not bucket.limit.shadow:
                raise limit_unknown(bucket.limit, unknown.get(bucket) or _RETRY_S)
        return tuple(debit for debit in pending.debits if debit[0] not in dropped)

    def _deny(
        self,
        tenant: TenantLimits,
        pending: PendingAcquire,
        bucket: LeasedBucket,
        amount: int,
        now: float,
    ) -> None:
        """Remember and report that a limit has no room. Raises unless it is in shadow mode."""
        spec, room, retry_s = bucket.limit.spec, bucket.holding + bucket.level, self._ttl_s
        if bucket.kind is BucketKind.RATE:
            retry_s = max(bucket.retry_s, (amount - room) / spec.rate, 0.001)
        elif bucket.kind is BucketKind.BUDGET:
            retry_s = max(1.0, spec.until - self._clock.wall())
        bucket.deny(amount, retry_s, now)
        self._events.hit(tenant.tenant, bucket, pending.source, now)
        if not bucket.limit.shadow:
            raise limit_exceeded(bucket.limit, amount, retry_s)
