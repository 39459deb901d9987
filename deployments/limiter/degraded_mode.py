"""Decisions without the authority: what is admitted, and at what loss of exactness.

Credits in hand are consumed until their lease ends. Beyond them nothing is admitted for one lease
time and three failed exchanges, so that a lost message or two, or a process that was suspended,
cost no exactness. After that:

    rate     a local bucket of rate r/N that starts empty and holds one request, N being the
             replicas last seen; what it admits is reported as overdraft at the next exchange
    slots    limit/N slots, at least one, less those open here; of a wide limit a 64th of that at
             once, so that a tenant far below it is not refused because of one late exchange
    budget   refused with Overloaded (503): a hard budget is never guessed; in shadow mode it
             passes, as an overdraft

Over-admission, for a rate limit (b, r) and an outage of T seconds: in every interval inside it at
most b + r*t plus one request for each replica (N was right). When the authority comes back with
its state, until the last replica has reported (one tick, about a fifth of a lease time, after
its first good exchange) the overdraft still unreported, at most r*T and at most b, may be admitted
twice. Back without state, rate buckets start empty and debited; slots and budgets are refused for
three lease times. After that every limit is exact again.
Slots: at most N above the limit where it is below N, and those open before the outage besides;
where only this replica is cut off, the 64th of its part besides.
"""

from deployments.contracts.limits import BucketKind
from deployments.limiter.errors import budget_unknown, limit_exceeded
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_limits import Debits, Source, TenantLimits

_MIN_MISSES = 3
_EARLY_SLOTS = 64  # the part of a replica's slots that it may give before an outage is certain


class LocalBucket:
    """r/N credits a second, up to the largest request so far. It starts empty."""

    __slots__ = ("largest", "level", "level_at")

    def __init__(self, since: float) -> None:
        self.level = 0.0
        self.level_at = since
        self.largest = 1

    def wait_s(self, amount: int, rate: float, now: float) -> float:
        """Seconds until `amount` may pass; 0 when it may now."""
        self.largest = max(self.largest, amount)
        self.level = min(self.largest, self.level + rate * max(0.0, now - self.level_at))
        self.level_at = max(self.level_at, now)
        return max(0.0, amount - self.level) / rate


class DegradedMode:
    """`since` is when the authority was lost, on the monotonic clock; None while it answers."""

    def __init__(self, events: LimitEventEmitter, ttl_s: float) -> None:
        self._events = events
        self._ttl_s = ttl_s
        self._buckets: dict[str, LocalBucket] = {}
        self.since: float | None = None
        self.misses = 0  # exchanges that failed or came late, one after the other
        self.replicas = 1

    def enter(self, now: float) -> None:
        if self.since is None:
            self.since = now
            self._events.authority("authority_down")

    def end(self) -> None:
        self.misses = 0
        if self.since is not None:
            self.since = None
            self._buckets.clear()
            self._events.authority("authority_up")

    def admit(self, tenant: TenantLimits, debits: Debits, source: Source, now: float) -> Debits:
        """Consume all debits by the local rules, or raise the first refusal."""
        uncovered = [(b, amount) for b, amount in debits if b.available(now) < amount]
        dropped = set()
        for bucket, amount in uncovered:
            retry_s = self._wait_s(bucket, amount, now)
            if retry_s <= 0:
                continue
            dropped.add(bucket)
            if bucket.kind is BucketKind.BUDGET:  # in shadow mode: its level is unknown
                continue
            self._events.hit(tenant.tenant, bucket, source, now)
            if not bucket.limit.shadow:
                raise limit_exceeded(bucket.limit, amount, retry_s)
        unleased = {bucket for bucket, _ in uncovered}
        consumed = tuple(debit for debit in debits if debit[0] not in dropped)
        for bucket, amount in consumed:
            if bucket not in unleased:
                bucket.consume(amount)
                continue
            bucket.consume_over_lease(amount)
            if bucket.kind is BucketKind.RATE:
                self._buckets[bucket.limit.spec.key].level -= amount
        return consumed

    def _wait_s(self, bucket: LeasedBucket, amount: int, now: float) -> float:
        spec = bucket.limit.spec
        if bucket.kind is BucketKind.BUDGET:
            if not bucket.limit.shadow:
                raise budget_unknown(bucket.limit)
            return self._ttl_s
        begins = self._ttl_s + (now if self.since is None else self.since)
        is_certain = self.misses >= _MIN_MISSES
        if bucket.kind is BucketKind.SLOTS:
            share = spec.capacity // self.replicas
            allowed = max(1, share) if is_certain and now >= begins else share // _EARLY_SLOTS
            return 0.0 if bucket.open < allowed else self._ttl_s
        if not is_certain:
            return self._ttl_s
        local = self._buckets.setdefault(spec.key, LocalBucket(begins))
        return local.wait_s(amount, spec.rate / self.replicas, now)
