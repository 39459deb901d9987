"""The arithmetic of leases: one bucket, one ask, one grant.

In: the state of a bucket, what a replica reports and wants, and the moment. Out: a Grant, and the
state changed. gcra.lua is the same arithmetic inside Redis; tests/contract/limiter/vectors.json
holds both to it. Knows no plans, no network and no clock.

The invariant, for rate buckets, with x the level and H what replicas may hold unspent:
x + sum(H) <= capacity at all times, and only time raises it, by `rate` a second. So what is
admitted in any interval (s, t] is at most capacity + rate * (t - s).
"""

import math
from dataclasses import dataclass, field

from deployments.contracts.limits import BucketKind, BucketSpec, LeaseGrant, LeaseRequest

SLOTS_LEASE = 3  # a lease of slots lasts this many lease times; so does learning after a loss
GRACE_S = 60.0  # how long an expired lease is remembered, so that late reports count once
IDLE_S = 900.0  # a budget that nobody asked for this long is dropped: the ledger knows it all
LEASED = 0.5  # the share of a capacity that replicas may hold beyond what is waited for
_DUST = 1e-6  # credits; what floating point may have lost of a whole one


@dataclass(slots=True)
class ReplicaLease:
    """What one replica has of a bucket: its last ask, and what came of it."""

    number: int = 0
    held: int = 0
    granted: int = 0
    adjusted: float = 0
    expires: float = 0.0


@dataclass(slots=True)
class Bucket:
    """The state of one limit. `born` is the loss of state (None: none) that it has taken in.

    `level` of a budget that is not `known` yet only counts what was reported meanwhile.
    """

    level: float
    at: float
    capacity: int
    born: float | None
    known: bool = True
    leases: dict[str, ReplicaLease] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ExchangeContext:
    """One exchange's circumstances: seconds by the authority's clocks, and who asks.

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


def new_bucket(spec: BucketSpec, step: ExchangeContext) -> Bucket:
    """A bucket met for the first time: full, or as empty as a loss of state demands."""
    level = 0.0
    if spec.kind is BucketKind.RATE:
        level = float(spec.capacity)
        if step.born is not None:
            level = min(level, spec.rate * (step.now - step.born))
    known = spec.kind is not BucketKind.BUDGET
    return Bucket(level, step.now, spec.capacity, step.born, known)


def process_request(bucket: Bucket, ask: LeaseRequest, step: ExchangeContext) -> LeaseGrant:
    """Take the report and grant what there is. A late or repeated ask changes nothing."""
    lease = bucket.leases.get(step.replica)
    if lease is not None and ask.number <= lease.number:
        return LeaseGrant(ask.number, 0, _room(bucket, ask.spec))
    _forget(bucket, ask.spec, step)
    _pass_time(bucket, ask.spec, step)
    lease = bucket.leases.setdefault(step.replica, ReplicaLease())
    _report(bucket, lease, ask, step)
    _open_budget(bucket, ask.spec, step)
    return _grant(bucket, lease, ask, step)


def _forget(bucket: Bucket, spec: BucketSpec, step: ExchangeContext) -> None:
    """State was lost after this bucket was opened: it counts as empty at that moment."""
    if bucket.born == step.born:
        return
    bucket.born = step.born
    if spec.kind is BucketKind.RATE and step.born is not None:
        bucket.level = min(bucket.level, spec.rate * (step.now - step.born))
    if spec.kind is BucketKind.BUDGET:
        bucket.level, bucket.known = -float(_outstanding(bucket)), False


def _pass_time(bucket: Bucket, spec: BucketSpec, step: ExchangeContext) -> None:
    """Refill, and end leases at their moment: expired credits count as spent, slots come back.

    A clock that went back gives nothing and must not prolong leases.
    """
    if spec.kind is BucketKind.BUDGET and bucket.known:
        bucket.level += spec.capacity - bucket.capacity
    bucket.capacity = spec.capacity
    if step.now < bucket.at:
        bucket.at = step.now
        for lease in bucket.leases.values():
            lease.expires = min(lease.expires, step.now + _life(spec, step))
    over = [lease for lease in bucket.leases.values() if lease.expires <= step.now]
    for lease in sorted(over, key=lambda lease: lease.expires):
        _refill(bucket, spec, max(bucket.at, lease.expires))
        lease.held = lease.granted = 0
    _refill(bucket, spec, step.now)
    for replica in [r for r, le in bucket.leases.items() if le.expires + GRACE_S <= step.now]:
        del bucket.leases[replica]


def _refill(bucket: Bucket, spec: BucketSpec, now: float) -> None:
    if spec.kind is BucketKind.RATE:
        gained = bucket.level + spec.rate * (now - bucket.at)
        bucket.level = min(gained, spec.capacity - _outstanding(bucket))
    bucket.at = now


def _report(bucket: Bucket, lease: ReplicaLease, ask: LeaseRequest, step: ExchangeContext) -> None:
    """1. Undo a grant that never arrived.  2. Count what was spent.  3. Take what came back."""
    met = lease.number > 0
    if met and ask.acked < lease.number:
        lease.held -= lease.granted
        bucket.level += lease.granted - lease.adjusted

    slots = ask.spec.kind is BucketKind.SLOTS
    holding = ask.holding if step.current or slots else 0
    bucket.level += min(0, lease.held - holding)  # a lease that only the replica remembers
    lease.held = holding

    adjust: float = ask.adjust
    if adjust > 0:
        trusted = step.current and (met or ask.acked == 0)
        free = ask.spec.capacity - _outstanding(bucket) - bucket.level
        adjust = min(adjust, max(0.0, free)) if trusted else 0
    bucket.level += adjust
    lease.adjusted = adjust


def _open_budget(bucket: Bucket, spec: BucketSpec, step: ExchangeContext) -> None:
    if not bucket.known and spec.spent >= 0 and step.learning_s <= 0:
        bucket.level += spec.capacity - spec.spent
        bucket.known = True


def _grant(
    bucket: Bucket, lease: ReplicaLease, ask: LeaseRequest, step: ExchangeContext
) -> LeaseGrant:
    blocked = _blocked_s(bucket, ask.spec, step)
    room = 0 if blocked else _room(bucket, ask.spec)
    credits = 0
    if ask.need <= room:
        credits = min(room, max(ask.need, ask.waiting))
        spare = min(room - credits, _allowance(ask.spec, lease, room, step.replicas))
        credits += max(0, min(ask.want - credits, spare))
    bucket.level -= credits
    lease.number, lease.granted = ask.number, credits
    lease.held += credits
    lease.expires = step.now + _life(ask.spec, step)
    denied = ask.need > 0 and credits == 0
    retry = (blocked or _retry_s(bucket, ask, step)) if denied else 0.0
    elsewhere = _outstanding(bucket) - lease.held
    return LeaseGrant(ask.number, credits, max(0, room - credits), retry, bucket.known, elsewhere)


def _blocked_s(bucket: Bucket, spec: BucketSpec, step: ExchangeContext) -> float:
    """Seconds for which nothing may be granted because state was lost."""
    if spec.kind is BucketKind.RATE:
        return 0.0
    if not bucket.known:
        return max(0.001, step.learning_s)
    return max(0.0, step.learning_s)


def _allowance(spec: BucketSpec, lease: ReplicaLease, room: int, replicas: int) -> int:
    """Credits a replica may hold ahead of need. Below two each, every request asks for its own.

    What never refills, or only comes back when a request ends, is lent in ever smaller parts.
    """
    share = int(spec.capacity * LEASED / (replicas + 1))
    if share < 2:
        return 0
    if spec.kind is BucketKind.RATE:
        return share - lease.held
    return min(share, room // (4 * replicas))


def _retry_s(bucket: Bucket, ask: LeaseRequest, step: ExchangeContext) -> float:
    if ask.spec.kind is BucketKind.RATE:
        return (ask.need - bucket.level) / ask.spec.rate
    if ask.spec.kind is BucketKind.BUDGET and bucket.known:
        return max(1.0, ask.spec.until - step.wall)
    return step.ttl_s


def _room(bucket: Bucket, spec: BucketSpec) -> int:
    """Whole credits that could be granted now."""
    if spec.kind is BucketKind.SLOTS:
        return max(0, spec.capacity - _outstanding(bucket))
    return max(0, math.floor(bucket.level + _DUST))


def _life(spec: BucketSpec, step: ExchangeContext) -> float:
    return step.ttl_s * (SLOTS_LEASE if spec.kind is BucketKind.SLOTS else 1)


def _outstanding(bucket: Bucket) -> int:
    return sum(lease.held for lease in bucket.leases.values())


def bucket_ttl_s(bucket: Bucket, spec: BucketSpec, ttl_s: float) -> float:
    """Seconds after which, untouched, this bucket says nothing that a new one would not."""
    if spec.kind is BucketKind.RATE:
        return (bucket.capacity - bucket.level) / spec.rate + ttl_s + GRACE_S
    if spec.kind is BucketKind.BUDGET:
        return IDLE_S
    return SLOTS_LEASE * ttl_s + GRACE_S
