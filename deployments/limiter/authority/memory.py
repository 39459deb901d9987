"""The authority with its buckets in this process's memory.

In: exchanges, from this process or through the Limiter deployment. Out: grants. One exchange runs
without suspending, so it is atomic. Expired buckets are swept a few at a time.
"""

import math
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence

from cluster.runtime.clock import Clock
from deployments.contracts.limits import SESSION, ExchangeResult, LeaseGrant, LeaseRequest
from deployments.limiter.authority.hand_over import MovedBucket, MovedLease
from deployments.limiter.bucket_arithmetic import (
    GRACE_S,
    Bucket,
    ExchangeContext,
    ReplicaLease,
    ReplicaSession,
    bucket_ttl_s,
    new_bucket,
    process_request,
)
from deployments.limiter.layout import ShardLayout

ACTIVE_FOR = 8  # lease times after which a silent replica no longer counts


def _new_epoch() -> str:
    return uuid.uuid4().hex


class MemoryAuthority:
    """Exact while it lives; its end is a loss of state, which replicas notice by the epoch."""

    def __init__(self, clock: Clock, new_epoch: Callable[[], str] = _new_epoch) -> None:
        self._clock = clock
        self._new_epoch = new_epoch
        self._epoch = ""
        self._born = -math.inf
        self._opened = -math.inf
        self._sessions: dict[str, ReplicaSession] = {}
        self._replicas = 0  # that are active
        self._swept_at = -math.inf
        self._ttl_s = 1.0
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py. Never raises AuthorityUnavailable."""
        now, self._ttl_s = self._clock.monotonic(), ttl_s
        continued = self._renew(replica, epoch, now, ttl_s)
        context = ExchangeContext(
            replica,
            now,
            self._clock.wall(),
            ttl_s,
            self._sessions,
            self._replicas,
            current=epoch in ("", self._epoch),
            born=self._born,
            opened=self._opened,
        )
        grants = tuple(self._process(request, context) for request in requests)
        self._sweep(now, 2 * len(requests))
        return ExchangeResult(self._epoch, self._replicas, grants, continued)

    @property
    def buckets(self) -> int:
        """How many buckets there are now."""
        return len(self._buckets)

    def lose(self) -> None:
        """From now on, buckets that are not known here count as lost, not as new."""
        self._opened = self._clock.monotonic()

    def take(self, layout: ShardLayout, index: int) -> dict[int, tuple[MovedBucket, ...]]:
        """Remove the buckets of tenants that `layout` gives to others than `index`; by owner."""
        now, owners, moved = self._clock.monotonic(), dict[str, int](), dict[int, list[str]]()
        for key in self._buckets:
            tenant = key.split("|", 1)[0]
            if tenant not in owners:
                owners[tenant] = layout.owner(tenant)
            if owners[tenant] != index:
                moved.setdefault(owners[tenant], []).append(key)
        return {
            owner: tuple(self._pack(key, *self._buckets.pop(key), now) for key in keys)
            for owner, keys in moved.items()
        }

    def put(self, moved: Sequence[MovedBucket]) -> None:
        """Go on with buckets of another authority, and with the sessions of their leases."""
        now = self._clock.monotonic()
        for each in moved:
            self._buckets[each.key] = (self._unpack(each, now), now + each.lasts_s)

    def _pack(self, key: str, bucket: Bucket, until: float, now: float) -> MovedBucket:
        leases = {}
        for replica, lease in bucket.leases.items():
            session = self._sessions.get(replica)
            is_open = session is not None and session.start == lease.session
            seen_ago_s = now - session.seen if session is not None and is_open else None
            leases[replica] = MovedLease(
                lease.number, lease.held, lease.granted, lease.adjusted, now - lease.at, seen_ago_s
            )
        return MovedBucket(
            key, bucket.level, now - bucket.at, bucket.capacity, now - bucket.born, bucket.known,
            until - now, leases,
        )  # fmt: skip

    def _unpack(self, moved: MovedBucket, now: float) -> Bucket:
        leases = {}
        for replica, lease in moved.leases.items():
            start = -math.inf  # of no session
            if lease.seen_ago_s is not None:
                start = self._join(replica, now - lease.seen_ago_s)
            leases[replica] = ReplicaLease(
                lease.number, lease.held, lease.granted, lease.adjusted, start, now - lease.ago_s
            )
        return Bucket(
            moved.level, now - moved.ago_s, moved.capacity, now - moved.born_ago_s, moved.known,
            leases,
        )  # fmt: skip

    def _join(self, replica: str, seen: float) -> float:
        """The beginning of the replica's session here, which lasts at least as the one there."""
        session, now = self._sessions.get(replica), self._clock.monotonic()
        if session is None or now >= session.seen + SESSION * self._ttl_s:
            session = self._sessions[replica] = ReplicaSession(seen, seen)
        session.seen = max(session.seen, seen)
        return session.start

    def _renew(self, replica: str, epoch: str, now: float, ttl_s: float) -> bool:
        """Renew the replica's session, or begin another (False); notice a loss by the epoch."""
        session = self._sessions.get(replica)
        continued = session is not None and now < session.seen + SESSION * ttl_s
        if session is not None and continued:
            session.seen = now
        else:
            self._sessions[replica] = ReplicaSession(now, now)
        if not continued or now >= self._swept_at + ttl_s:
            self._swept_at, active = now, now - ACTIVE_FOR * ttl_s
            oldest = active - GRACE_S
            self._sessions = {n: each for n, each in self._sessions.items() if each.seen >= oldest}
            self._replicas = sum(each.seen >= active for each in self._sessions.values())
        if not self._epoch:
            self._epoch = self._new_epoch()
            self._born = now if epoch else -math.inf
        elif epoch not in ("", self._epoch) and self._born == -math.inf:
            self._born = now
        return continued

    def _process(self, request: LeaseRequest, context: ExchangeContext) -> LeaseGrant:
        key, spec = request.spec.key, request.spec
        known = self._buckets.get(key)
        bucket = known[0] if known else new_bucket(spec, context)
        grant = process_request(bucket, request, context)
        until = context.now + bucket_ttl_s(bucket, spec, context.ttl_s)
        self._buckets[key] = (bucket, until)
        self._buckets.move_to_end(key)
        return grant

    def _sweep(self, now: float, count: int) -> None:
        """Check the `count` buckets that were checked longest ago; drop those that have expired."""
        for _ in range(min(count, len(self._buckets))):
            key, (_, until) = next(iter(self._buckets.items()))
            if until <= now:
                del self._buckets[key]
            else:
                self._buckets.move_to_end(key)
