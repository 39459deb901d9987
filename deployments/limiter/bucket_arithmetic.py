"""The arithmetic of leases: one bucket, one lease request, one grant.

In: the state of a bucket, a replica's report and request, and the time. Out: a LeaseGrant, and the
new state. gcra.lua is the same arithmetic inside Redis; tests/contract/limiter/vectors.json
holds both to it. Knows no plans, no network and no clock.

The invariant, for rate buckets, with x the level and H what replicas may hold unspent:
x + sum(H) <= capacity at all times, and only time raises it, by `rate` a second. So what is
admitted in any interval (s, t] is at most capacity + rate * (t - s).

A lease holds while its replica's session does, which every exchange of that replica renews, so an
unused lease costs nothing. After a loss of state x begins at 0. Leases from before it are at most
the share LEASED of the capacity; until all have been reported or have ended ("learning"), x is at
most the rest, so the invariant holds for them too. They are part of the capacity, not of what has
refilled since the loss, so reporting them lowers x only to what the invariant leaves.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from deployments.contracts.limits import SESSION, BucketKind, BucketSpec, LeaseGrant, LeaseRequest

GRACE_S = 60.0  # for which a lease that has ended is remembered, so that late reports count once
IDLE_S = 900.0  # after which an unused budget is dropped, and any bucket that is leased
LEASED = 0.5  # the share of a capacity that replicas may hold beyond what requests wait for
_EPSILON = 1e-6  # credits; the rounding error of a whole one


@dataclass(slots=True)
class ReplicaLease:
    """One replica's share of a bucket: its last request (at `at`), the grant, and the beginning of
    the session in which both happened."""

    number: int = 0
    held: int = 0
    granted: int = 0
    adjusted: float = 0
    session: float = 0.0
    at: float = 0.0


@dataclass(slots=True)
class ReplicaSession:
    """When a replica's session began, and its last exchange."""

    start: float
    seen: float


@dataclass(slots=True)
class Bucket:
    """The state of one limit. `born` is the last loss of state (-inf: none) that it has applied.

    `level` of a budget that is not `known` yet only counts what was reported since.
    """

    level: float
    at: float
    capacity: int
    born: float
    known: bool = True
    leases: dict[str, ReplicaLease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """One exchange: seconds by the authority's clocks, the requesting replica, the sessions of the
    last minute and more, and the number of replicas that are active now.

    `current`: the replica's leases are of the authority's epoch. `born`: when state was lost;
    `opened`: the same, for buckets that are not known.
    """

    replica: str
    now: float
    wall: float
    ttl_s: float
    sessions: Mapping[str, ReplicaSession]
    replicas: int
    current: bool = True
    born: float = -math.inf
    opened: float = -math.inf

    def lease_ends(self, replica: str, lease: ReplicaLease) -> float:
        """When the lease ends; -inf where its session has ended before another, or long ago."""
        session = self.sessions.get(replica)
        if session is None or session.start != lease.session:
            return -math.inf
        return session.seen + SESSION * self.ttl_s

    def learning_s(self, bucket: Bucket) -> float:
        """Seconds until every lease that the lost state knew of has ended."""
        return max(0.0, bucket.born + SESSION * self.ttl_s - self.now)


def new_bucket(spec: BucketSpec, context: ExchangeContext) -> Bucket:
    """The first state of a bucket: full, or as empty as a loss of state demands."""
    level, born = 0.0, max(context.born, context.opened)
    if spec.kind is BucketKind.RATE:
        level = min(float(spec.capacity), spec.rate * (context.now - born))
    known = spec.kind is not BucketKind.BUDGET
    return Bucket(level, context.now, spec.capacity, born, known)


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
    if bucket.born >= context.born:
        return
    bucket.born = context.born
    if spec.kind is BucketKind.RATE:
        bucket.level = min(bucket.level, spec.rate * (context.now - context.born))
    if spec.kind is BucketKind.BUDGET:
        bucket.level, bucket.known = -float(_outstanding(bucket)), False


def _advance_time(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> None:
    """Refill, and end leases: credits of a rate count as consumed, slots are free again.

    A budget does not refill: what its replica holds stays apart until a report, however late, says
    what became of it, and counts as consumed if none comes within GRACE_S. A clock that went back
    refills nothing.
    """
    if spec.kind is BucketKind.BUDGET and bucket.known:
        bucket.level += spec.capacity - bucket.capacity
    bucket.capacity = spec.capacity
    bucket.at = min(bucket.at, context.now)
    ended = [
        (ends if ends > -math.inf else context.now, replica)
        for replica, lease in bucket.leases.items()
        if (ends := context.lease_ends(replica, lease)) <= context.now
    ]
    for ends, replica in sorted(ended):
        _refill(bucket, spec, context, max(bucket.at, ends))
        lease = bucket.leases[replica]
        if spec.kind is not BucketKind.BUDGET:
            lease.held = lease.granted = 0
        if ends + GRACE_S <= context.now or replica not in context.sessions:
            del bucket.leases[replica]
    _refill(bucket, spec, context, context.now)


def _refill(bucket: Bucket, spec: BucketSpec, context: ExchangeContext, now: float) -> None:
    if spec.kind is BucketKind.RATE:
        most = spec.capacity - _outstanding(bucket)
        if context.learning_s(bucket):
            most = min(most, int(spec.capacity * (1 - LEASED)))
        bucket.level = min(bucket.level + spec.rate * (now - bucket.at), most)
    bucket.at = now


def _apply_report(
    bucket: Bucket, lease: ReplicaLease, request: LeaseRequest, context: ExchangeContext
) -> None:
    """1. Undo a grant that never arrived.  2. Count consumption.  3. Take returned credits."""
    is_known = lease.number > 0
    if is_known and request.acked < lease.number:
        lease.held -= lease.granted
        bucket.level += lease.granted - lease.adjusted

    is_slots = request.spec.kind is BucketKind.SLOTS
    holding = request.holding if context.current or is_slots else 0
    unknown, lease.held = max(0, holding - lease.held), holding  # only the replica knows it
    if request.spec.kind is BucketKind.RATE and context.learning_s(bucket):
        bucket.level = min(bucket.level, request.spec.capacity - _outstanding(bucket))
    else:
        bucket.level -= unknown

    adjust: float = request.adjust
    if adjust > 0:
        is_trusted = context.current and (is_known or request.acked == 0)
        free = request.spec.capacity - _outstanding(bucket) - bucket.level
        adjust = min(adjust, max(0.0, free)) if is_trusted else 0
    bucket.level += adjust
    lease.adjusted = adjust


def _open_budget(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> None:
    if not bucket.known and spec.spent >= 0 and not context.learning_s(bucket):
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
    lease.session, lease.at = context.sessions[context.replica].start, context.now
    is_denied = request.need > 0 and credits == 0
    retry_s = (blocked_s or _retry_s(bucket, request, context)) if is_denied else 0.0
    elsewhere = _outstanding(bucket) - lease.held
    level, learning_s = max(0, room - credits), context.learning_s(bucket)
    return LeaseGrant(request.number, credits, level, retry_s, bucket.known, elsewhere, learning_s)


def _blocked_s(bucket: Bucket, spec: BucketSpec, context: ExchangeContext) -> float:
    """Seconds for which nothing may be granted because state was lost."""
    if spec.kind is BucketKind.RATE:
        return 0.0
    learning_s = context.learning_s(bucket)
    return learning_s if bucket.known else max(0.001, learning_s)


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


def _outstanding(bucket: Bucket) -> int:
    return sum(lease.held for lease in bucket.leases.values())


def bucket_ttl_s(bucket: Bucket, spec: BucketSpec, ttl_s: float) -> float:
    """Seconds after which, unused, this bucket equals a new one; leased ones are used within."""
    if spec.kind is BucketKind.BUDGET or _outstanding(bucket):
        return IDLE_S
    if spec.kind is BucketKind.RATE:
        return (bucket.capacity - bucket.level) / spec.rate + ttl_s + GRACE_S
    return SESSION * ttl_s + GRACE_S
