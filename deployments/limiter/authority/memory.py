"""The authority with its buckets in this process's memory.

In: exchanges, from this process or through the Limiter deployment. Out: grants. One exchange runs
without suspending, so it is atomic. Expired buckets are swept a few at a time.
"""

import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence

from cluster.runtime.clock import Clock
from deployments.contracts.limits import ExchangeResult, LeaseGrant, LeaseRequest
from deployments.limiter.bucket_arithmetic import (
    Bucket,
    ExchangeContext,
    bucket_ttl_s,
    new_bucket,
    process_request,
)

ACTIVE_FOR = 8  # lease times after which a silent replica no longer counts


def _new_epoch() -> str:
    return uuid.uuid4().hex


class MemoryAuthority:
    """Exact while it lives; its end is a loss of state, which replicas notice by the epoch."""

    def __init__(self, clock: Clock, new_epoch: Callable[[], str] = _new_epoch) -> None:
        self._clock = clock
        self._new_epoch = new_epoch
        self._epoch = ""
        self._born: float | None = None
        self._seen: dict[str, float] = {}
        self._buckets: OrderedDict[str, tuple[Bucket, float]] = OrderedDict()

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py. Never raises AuthorityUnavailable."""
        now = self._clock.monotonic()
        self._register(replica, epoch, now, ttl_s)
        current = epoch in ("", self._epoch)
        context = ExchangeContext(
            replica, now, self._clock.wall(), ttl_s, len(self._seen), current, self._born
        )
        grants = tuple(self._process(request, context) for request in requests)
        self._sweep(now, 2 * len(requests))
        return ExchangeResult(self._epoch, len(self._seen), grants)

    @property
    def buckets(self) -> int:
        """How many buckets there are now."""
        return len(self._buckets)

    def _register(self, replica: str, epoch: str, now: float, ttl_s: float) -> None:
        self._seen[replica] = now
        for name in [n for n, seen_at in self._seen.items() if seen_at < now - ACTIVE_FOR * ttl_s]:
            del self._seen[name]
        if not self._epoch:
            self._epoch = self._new_epoch()
            self._born = now if epoch else None
        elif epoch not in ("", self._epoch) and self._born is None:
            self._born = now

    def _process(self, request: LeaseRequest, context: ExchangeContext) -> LeaseGrant:
        key = request.spec.key
        bucket = (
            self._buckets[key][0] if key in self._buckets else new_bucket(request.spec, context)
        )
        grant = process_request(bucket, request, context)
        self._buckets[key] = (
            bucket,
            context.now + bucket_ttl_s(bucket, request.spec, context.ttl_s),
        )
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
