"""Deciding without the authority: what is admitted, and what it may cost in exactness.

Credits in hand are spent until their lease ends. Beyond them nothing is admitted for one lease
time and three exchanges that failed, so that a lost message or two, or a process that was stopped
and goes on, cost no exactness. After that:

    rate     a local bucket of rate r/N that starts empty and holds one request, N being the
             replicas last seen; what it admits is reported as debt at the next exchange
    slots    limit/N places, at least one, less those open here; of a wide limit a 64th of that at
             once, so that nobody far from it is refused because an answer is late
    budget   refused with Overloaded (503): a hard budget is never guessed; in shadow mode it
             passes, as a debt

Over-admission, for a rate limit (b, r) and an outage of T seconds: in every interval inside it at
most b + r*t plus one request for each replica (N was right). When the authority comes back with
its state, until the last replica has reported (one tick, about a fifth of a lease time, after
its first good exchange) the debt still unreported, at most r*T and at most b, may be admitted
twice. Back without state, rate buckets start empty and debited; slots and budgets are refused for
three lease times. After that every limit is exact again.
Slots: at most N above the limit where it is below N, and those open before the outage besides;
where only this replica is cut off, the 64th of its part besides.
"""

from deployments.contracts.limits import BucketKind
from deployments.limiter.errors import budget_unknown, limit_exceeded
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_state import Parts, Source, TenantLimits

_MISSES = 3
_AT_ONCE = 64  # the part of a replica's slots that it may give before it is sure of an outage


class LocalBucket:
    """r/N credits a second, up to the largest request met, from nothing."""

    __slots__ = ("at", "largest", "level")

    def __init__(self, since: float) -> None:
        self.level = 0.0
        self.at = since
        self.largest = 1

    def wait_s(self, amount: int, rate: float, now: float) -> float:
        """Seconds until `amount` may pass; 0 when it may now."""
        self.largest = max(self.largest, amount)
        self.level = min(self.largest, self.level + rate * max(0.0, now - self.at))
        self.at = max(self.at, now)
        return max(0.0, amount - self.level) / rate


class DegradedMode:
    """`since` is when the authority was lost, on the monotonic clock; None while it answers."""

    def __init__(self, announcer: LimitEventEmitter, ttl_s: float) -> None:
        self._announcer = announcer
        self._ttl_s = ttl_s
        self._buckets: dict[str, LocalBucket] = {}
        self.since: float | None = None
        self.misses = 0  # exchanges that failed or came late, one after the other
        self.replicas = 1

    def enter(self, now: float) -> None:
        if self.since is None:
            self.since = now
            self._announcer.authority("authority_down")

    def end(self) -> None:
        self.misses = 0
        if self.since is not None:
            self.since = None
            self._buckets.clear()
            self._announcer.authority("authority_up")

    def admit(self, account: TenantLimits, parts: Parts, source: Source, now: float) -> Parts:
        """Take all parts by the local rules, or raise the refusal of the first that lacks."""
        lacking = [part for part in parts if part[0].available(now) < part[1]]
        dropped = set()
        for purse, amount in lacking:
            retry_s = self._lacks_s(purse, amount, now)
            if retry_s <= 0:
                continue
            dropped.add(purse)
            if purse.kind is BucketKind.BUDGET:  # in shadow mode: nobody can say whether it is over
                continue
            self._announcer.hit(account.tenant, purse, source, now)
            if not purse.limit.shadow:
                raise limit_exceeded(purse.limit, amount, retry_s)
        unleased = {purse for purse, _ in lacking}
        taken = tuple(part for part in parts if part[0] not in dropped)
        for purse, amount in taken:
            if purse in unleased:
                self._spend(purse, amount)
            else:
                purse.consume(amount)
        return taken

    def _spend(self, purse: LeasedBucket, amount: int) -> None:
        purse.consume_over_lease(amount)
        if purse.kind is BucketKind.RATE:
            self._buckets[purse.limit.spec.key].level -= amount

    def _lacks_s(self, purse: LeasedBucket, amount: int, now: float) -> float:
        spec = purse.limit.spec
        if purse.kind is BucketKind.BUDGET:
            if not purse.limit.shadow:
                raise budget_unknown(purse.limit)
            return self._ttl_s
        begins = self._ttl_s + (now if self.since is None else self.since)
        sure = self.misses >= _MISSES
        if purse.kind is BucketKind.SLOTS:
            share = spec.capacity // self.replicas
            allowed = max(1, share) if sure and now >= begins else share // _AT_ONCE
            return 0.0 if purse.open < allowed else self._ttl_s
        if not sure:
            return self._ttl_s
        bucket = self._buckets.setdefault(spec.key, LocalBucket(begins))
        return bucket.wait_s(amount, spec.rate / self.replicas, now)
