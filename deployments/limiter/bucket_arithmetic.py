"""The arithmetic of leases: one bucket, one lease request, one grant.

In: the state of a bucket, a replica's report and request, and the time. Out: a LeaseGrant, and the
new state. gcra.lua is the same arithmetic inside Redis; tests/contract/limiter/vectors.json
holds both to it. Knows no plans, no network and no clock.

The invariant, for rate buckets, with x the level and H what replicas may hold unspent:
x + sum(H) <= capacity at all times, and only time raises it, by `rate` a second. So what is
admitted in any interval (s, t] is at most capacity + rate * (t - s).
"""

import math
from dataclasses import dataclass, field

from deployments.contracts.limits import BucketKind, BucketSpec, LeaseGrant, LeaseRequest

SLOTS_LEASE = 3  # a lease of slots lasts this many lease times; so does learning after a loss
GRACE_S = 60.0  # for which an expired lease is remembered, so that late reports count once
IDLE_S = 900.0  # after which an unused budget is dropped: the ledger has its figure
LEASED = 0.5  # the share of a capacity that replicas may hold beyond what requests wait for
_EPSILON = 1e-6  # credits; the rounding error of a whole one


@dataclass(slots=True)
class ReplicaLease:
    """One replica's share of a bucket: its last request, and the grant."""

    number: int = 0
    held: int = 0
    granted: int = 0
    adjusted: float = 0
    expires: float = 0.0


@dataclass(slots=True)
class Bucket:
    """The state of one limit. `born` is the last loss of state (None: none) that it has applied.

    `level` of a budget that is not `known` yet only counts what was reported since.
    """

    level: float
    at: float
    capacity: int
    born: float | None
    known: bool = True
    leases: dict[str, ReplicaLease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """One exchange: seconds by the authority's clocks, and the requesting replica.

    `current`: the replica's leases are of the authority's epoch. `born`: when state was lost.
    """

    replica: str
    now: float
    wall: float
    ttl_s: float
    replicas: int
    current: bool = True
    born: float | None = None

    @property
    def learning_s(self) -> float:
        """Seconds until every lease that the lost state knew of has expired."""
        return 0.0 if self.born is None else self.born + SLOTS_LEASE * self.ttl_s - self.now


def new_bucket(spec: BucketSpec, context: ExchangeContext) -> Bucket:
    """The first state of a bucket: full, or as empty as a loss of state demands."""
    level = 0.0
    if spec.kind is BucketKind.RATE:
        level = float(spec.capacity)
        if context.born is not None:
            level = min(level, spec.rate * (context.now - context.born))
    known = spec.kind is not BucketKind.BUDGET
    return Bucket(level, context.now, spec.capacity, context.born, known)


def process_request(bucket: Bucket, request: LeaseRequest, context: ExchangeContext) -> LeaseGrant:
    """Apply the report and grant credits. A late or repeated request changes nothing."""
    lease = bucket.leases.get(context.replica)
    if lease is not None and request.number <= lease.number:
        return LeaseGrant(request.number, 0, _room(bucket, request.spec))
    _apply_state_loss(bucket, request.spec, context)
    _advance_time(bucket, request.spec, context)
    lease = bucket.leases.setdefault(context.replica, ReplicaLease())
    _apply_report(bucket, lease, request, context)
    _open_budget(bucket, request.spec, context)
    return _grant(bucket, lease, request, context)


def _apply_state_loss(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> None:
    """Where state was lost after this bucket was opened, it counts as empty at that moment."""
    if bucket.born == context.born:
        return
    bucket.born = context.born
    if spec.kind is BucketKind.RATE and context.born is not None:
        bucket.level = min(bucket.level, spec.rate * (context.now - context.born))
    if spec.kind is BucketKind.BUDGET:
        bucket.level, bucket.known = -float(_outstanding(bucket)), False


def _advance_time(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> None:
    """Refill, and expire leases: expired credits of a rate count as consumed, slots are free again.

    A budget does not refill: what its replica holds stays apart until a report, however late, says
    what became of it, and counts as consumed if none comes within GRACE_S. A clock that went back
    refills nothing and must not prolong leases.
    """
    if spec.kind is BucketKind.BUDGET and bucket.known:
        bucket.level += spec.capacity - bucket.capacity
    bucket.capacity = spec.capacity
    if context.now < bucket.at:
        bucket.at = context.now
        for lease in bucket.leases.values():
            lease.expires = min(lease.expires, context.now + _lifetime_s(spec, context))
    if spec.kind is not BucketKind.BUDGET:
        expired = [lease for lease in bucket.leases.values() if lease.expires <= context.now]
        for lease in sorted(expired, key=lambda lease: lease.expires):
            _refill(bucket, spec, max(bucket.at, lease.expires))
            lease.held = lease.granted = 0
    _refill(bucket, spec, context.now)
    for replica in [r for r, le in bucket.leases.items() if le.expires + GRACE_S <= context.now]:
        del bucket.leases[replica]


def _refill(bucket: Bucket, spec: BucketSpec, now: float) -> None:
    if spec.kind is BucketKind.RATE:
        gained = bucket.level + spec.rate * (now - bucket.at)
        bucket.level = min(gained, spec.capacity - _outstanding(bucket))
    bucket.at = now


def _apply_report(
    bucket: Bucket, lease: ReplicaLease, request: LeaseRequest, context: ExchangeContext
) -> None:
    """1. Undo a grant that never arrived.  2. Count consumption.  3. Take returned credits."""
    is_known = lease.number > 0
    if is_known and request.acked < lease.number:
        lease.held -= lease.granted
        bucket.level += lease.granted - lease.adjusted

    slots = request.spec.kind is BucketKind.SLOTS
    holding = request.holding if context.current or slots else 0
    bucket.level += min(0, lease.held - holding)  # a lease that only the replica knows
    lease.held = holding

    adjust: float = request.adjust
    if adjust > 0:
        is_trusted = context.current and (is_known or request.acked == 0)
        free = request.spec.capacity - _outstanding(bucket) - bucket.level
        adjust = min(adjust, max(0.0, free)) if is_trusted else 0
    bucket.level += adjust
    lease.adjusted = adjust


def _open_budget(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> None:
    if not bucket.known and spec.spent >= 0 and context.learning_s <= 0:
        bucket.level += spec.capacity - spec.spent
        bucket.known = True


def _grant(
    bucket: Bucket, lease: ReplicaLease, request: LeaseRequest, context: ExchangeContext
) -> LeaseGrant:
    blocked_s = _blocked_s(bucket, request.spec, context)
    room = 0 if blocked_s else _room(bucket, request.spec)
    credits = 0
    if request.need <= room:
        credits = min(room, max(request.need, request.waiting))
        spare = min(room - credits, _allowance(request.spec, lease, room, context.replicas))
        credits += max(0, min(request.want - credits, spare))
    bucket.level -= credits
    lease.number, lease.granted = request.number, credits
    lease.held += credits
    lease.expires = context.now + _lifetime_s(request.spec, context)
    is_denied = request.need > 0 and credits == 0
    retry_s = (blocked_s or _retry_s(bucket, request, context)) if is_denied else 0.0
    elsewhere = _outstanding(bucket) - lease.held
    return LeaseGrant(
        request.number, credits, max(0, room - credits), retry_s, bucket.known, elsewhere
    )


def _blocked_s(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> float:
    """Seconds for which nothing may be granted because state was lost."""
    if spec.kind is BucketKind.RATE:
        return 0.0
    if not bucket.known:
        return max(0.001, context.learning_s)
    return max(0.0, context.learning_s)


def _allowance(spec: BucketSpec, lease: ReplicaLease, room: int, replicas: int) -> int:
    """Credits a replica may hold ahead of demand. Below two each, every request leases its own.

    What never refills, or only when a request ends, is leased in ever smaller parts.
    """
    share = int(spec.capacity * LEASED / (replicas + 1))
    if share < 2:
        return 0
    if spec.kind is BucketKind.RATE:
        return share - lease.held
    return min(share, room // (4 * replicas))


def _retry_s(bucket: Bucket, request: LeaseRequest, context: ExchangeContext) -> float:
    if request.spec.kind is BucketKind.RATE:
        return (request.need - bucket.level) / request.spec.rate
    if request.spec.kind is BucketKind.BUDGET and bucket.known:
        return max(1.0, request.spec.until - context.wall)
    return context.ttl_s


def _room(bucket: Bucket, spec: BucketSpec) -> int:
    """Whole credits that could be granted now."""
    if spec.kind is BucketKind.SLOTS:
        return max(0, spec.capacity - _outstanding(bucket))
    return max(0, math.floor(bucket.level + _EPSILON))


def _lifetime_s(spec: BucketSpec, context: ExchangeContext) -> float:
    return context.ttl_s * (SLOTS_LEASE if spec.kind is BucketKind.SLOTS else 1)


def _outstanding(bucket: Bucket) -> int:
    return sum(lease.held for lease in bucket.leases.values())


def bucket_ttl_s(bucket: Bucket, spec: BucketSpec, ttl_s: float) -> float:
    """Seconds after which, unused, this bucket equals a new one."""
    if spec.kind is BucketKind.RATE:
        return (bucket.capacity - bucket.level) / spec.rate + ttl_s + GRACE_S
    if spec.kind is BucketKind.BUDGET:
        return IDLE_S
    return SLOTS_LEASE * ttl_s + GRACE_S
