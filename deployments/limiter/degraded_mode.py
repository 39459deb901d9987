"""Decisions without the authority: what is admitted, and at what loss of exactness.

Credits in hand are consumed until their lease ends, three lease times after the last exchange.
Beyond them nothing is admitted for one lease time and three failed exchanges (503), so that a lost
message or two, or a process that was suspended, cost no exactness. After that:

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
twice. Back without state, rate buckets start empty and debited. For three lease times the
authority learns what is leased; meanwhile it grants no slots and no budget, and is not waited for:

    in hand  what was leased before the loss stays the replica's, of every kind, and is reported
    slots    the rules above go on: those of a certain outage after one, else the 64th
    budget   refused with Overloaded (503) beyond what is in hand

After that every limit is exact again.
Slots: at most N above the limit where it is below N, and those open before the outage besides;
where only this replica is cut off, or state is lost without an outage, the 64th of its part.
"""

from deployments.contracts.limits import SESSION, BucketKind
from deployments.limiter.errors import UNKNOWN_RETRY_S, limit_exceeded, limit_unknown
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.subject_limits import Debits, Source
from deployments.limiter.tenant_limits import TenantLimits

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


class ReplicaCount:
    """How many replicas share the authority's shards: the most that any of them has seen lately. A
    shard that has just begun has yet to see them all."""

    def __init__(self) -> None:
        self._seen: dict[int, int] = {}

    def note(self, shard: int, replicas: int) -> None:
        self._seen[shard] = replicas

    def forget(self, shard: int) -> None:
        self._seen.pop(shard, None)

    @property
    def most(self) -> int:
        return max(self._seen.values(), default=1)


class DegradedMode:
    """`since` is when the authority was lost, on the monotonic clock; None while it answers."""

    def __init__(self, events: LimitEventEmitter, ttl_s: float, count: ReplicaCount) -> None:
        self._events = events
        self._count = count
        self._ttl_s = ttl_s
        self._buckets: dict[str, LocalBucket] = {}
        self.since: float | None = None
        self.misses = 0  # exchanges that failed or came late, one after the other
        self._fewest, self._fewest_until = 1, 0.0  # replicas, while an authority learns
        self._outage_until = 0.0  # the rules of an outage hold for slots

    @property
    def replicas(self) -> int:
        return self._count.most

    def note_replicas(self, replicas: int, now: float) -> None:
        """As the authority counts them. One that has lost its state has yet to see them all."""
        fewest = self._fewest if now < self._fewest_until else 1
        self._count.note(id(self), max(fewest, replicas))

    def keep_replicas(self, now: float) -> None:
        """The authority has lost its state."""
        self._fewest, self._fewest_until = self.replicas, now + SESSION * self._ttl_s

    def may_open(self, bucket: LeasedBucket, now: float) -> bool:
        """Whether a slot may be taken though the authority has forgotten which are."""
        is_learning = bucket.kind is BucketKind.SLOTS and now < bucket.learning_until
        return is_learning and bucket.open < self._allowed_slots(bucket, now < self._outage_until)

    def _allowed_slots(self, bucket: LeasedBucket, is_certain: bool) -> int:
        share = bucket.limit.spec.capacity // self.replicas
        return max(1, share) if is_certain else share // _EARLY_SLOTS

    def enter(self, now: float) -> None:
        if self.since is None:
            self.since = now
            self._events.authority("authority_down")

    def end(self, now: float) -> None:
        if self._is_certain(now):
            self._outage_until = now + (SESSION + 1) * self._ttl_s
        self.misses = 0
        if self.since is not None:
            self.since = None
            self._buckets.clear()
            self._events.authority("authority_up")

    def retire(self, now: float) -> None:
        """The shard has no tenants any more."""
        self.end(now)
        self._count.forget(id(self))

    def admit(self, tenant: TenantLimits, debits: Debits, source: Source, now: float) -> Debits:
        """Consume all debits by the local rules, or raise the first refusal."""
        uncovered = [(b, amount) for b, amount in debits if b.available(now) < amount]
        dropped = set()
        for bucket, amount in uncovered:
            retry_s = self._wait_s(bucket, amount, now)
            if retry_s > 0:
                dropped.add(bucket)
                self._refuse(tenant, bucket, amount, retry_s, source, now)
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

    def _refuse(
        self,
        tenant: TenantLimits,
        bucket: LeasedBucket,
        amount: int,
        retry_s: float,
        source: Source,
        now: float,
    ) -> None:
        """Raises unless the limit is in shadow mode. The local rules are a limit (429) that may be
        hit in a certain outage; before it, and for a budget, nothing is known (503)."""
        is_known = bucket.kind is not BucketKind.BUDGET and self._is_certain(now)
        if is_known:
            self._events.hit(tenant.tenant, bucket, source, now)
        if not bucket.limit.shadow:
            if is_known:
                raise limit_exceeded(bucket.limit, amount, retry_s)
            raise limit_unknown(bucket.limit, retry_s)

    def _wait_s(self, bucket: LeasedBucket, amount: int, now: float) -> float:
        """Seconds to wait by the local rules; 0 where `amount` may pass."""
        spec = bucket.limit.spec
        if bucket.kind is BucketKind.BUDGET:
            return UNKNOWN_RETRY_S
        if bucket.kind is BucketKind.SLOTS:
            allowed = self._allowed_slots(bucket, self._is_certain(now))
            return 0.0 if bucket.open < allowed else self._ttl_s
        if self.misses < _MIN_MISSES:
            return self._ttl_s
        begins = self._ttl_s + (now if self.since is None else self.since)
        local = self._buckets.setdefault(spec.key, LocalBucket(begins))
        return local.wait_s(amount, spec.rate / self.replicas, now)

    def _is_certain(self, now: float) -> bool:
        """Whether this is an outage, and not a lost message or a process that was suspended."""
        has_lasted = self.since is not None and now >= self.since + self._ttl_s
        return has_lasted and self.misses >= _MIN_MISSES
