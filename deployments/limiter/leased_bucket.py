"""One limit in this replica: leased credits, and changes that are not reported yet.

In: consumption, refunds, grants. Out: lease requests. Knows nothing of other limits, pending
requests or the network. Times are seconds on this process's monotonic clock.
"""

import math
from dataclasses import replace

from deployments.contracts.limits import BucketKind, LeaseGrant, LeaseRequest
from deployments.limiter.bucket_arithmetic import SLOTS_LEASE
from deployments.limiter.limits import Limit

_MARGIN = 0.95  # a lease ends here before it ends at the authority, however the clocks drift
_DENIAL_S = 0.5  # a denial holds at most this long, and until its credit must be there,
_DENIAL_REFILL = 0.24  # or, where that is sooner, while this part of the capacity refills:
_DOUBT, _GROWTH = 0.125, 1.4  # the first denial for a part of that, each next for more
_AHEAD = 1.0  # lease times of demand to hold
_RENEW, _RENEW_SLOTS = 0.6, 0.33  # the part of a lease's lifetime after which it is renewed
_LOW = 0.1  # the share of the demand below which more is leased ahead


class LeasedBucket:
    """Consuming is a comparison and a subtraction; everything else happens between requests."""

    def __init__(self, limit: Limit, now: float, ttl_s: float) -> None:
        self.limit = limit
        self.kind = limit.spec.kind
        self.ttl_s = ttl_s
        self.lifetime_s = ttl_s * (SLOTS_LEASE if self.kind is BucketKind.SLOTS else 1)
        self._renew = _RENEW_SLOTS if self.kind is BucketKind.SLOTS else _RENEW
        self.holding = 0  # credits to consume; free slots
        self.open = 0  # slots taken; of a budget: reserved and not settled
        self.adjust = 0  # returned (+) or overdrawn (-) since the last grant that arrived
        self.waiting = 0  # pending requests
        self.low = -1  # request more at or below this; -1: nothing can be held ahead
        self.expires = now
        self.number = self.acked = 0
        self.is_idle = True  # the authority holds no lease of this replica
        self.resets = 0  # losses of the authority's state so far
        self.level, self.level_at = limit.spec.capacity, now
        self.elsewhere = 0  # held by other replicas at that time
        self.known = self.kind is not BucketKind.BUDGET  # whether the authority knows the level
        self.requested_spec = limit.spec  # as the last request stated it
        self.denied, self.denied_until, self.retry_at = 0, 0.0, 0.0
        self.retry_s = 0.0  # as the authority last stated it
        self._demand_at = now
        self.unsettled = 0  # debits that may still be settled
        self._demand = 0.0
        self._consumed = 0
        self._reported = 0
        self._wanted = 0
        self._doubt = _DOUBT
        self._leased = 0  # credits, or slots, that the authority knows of
        self._sent_at = now

    def update_limit(self, limit: Limit) -> None:
        """Apply the plan's current terms: a denial under other terms is forgotten."""
        old, self.limit = self.limit.spec, limit
        if limit.spec != old:
            self.denied = 0
            if self.kind is BucketKind.BUDGET:
                self.level += limit.spec.capacity - old.capacity

    def available(self, now: float) -> int:
        """Credits to consume now; an expired lease is void. A budget's credits, which time does not
        refill, are returned."""
        if now >= self.expires:
            if self.kind is BucketKind.BUDGET:
                self.adjust += self.holding
            self.holding = 0
        return self.holding

    def consume(self, amount: int) -> None:
        self.holding -= amount
        self._consumed += amount
        self.unsettled += 1
        if self.kind is not BucketKind.RATE:
            self.open += amount

    def consume_over_lease(self, amount: int) -> None:
        """Admit without credits in degraded mode: an overdraft to be reported."""
        self.unsettled += 1
        if self.kind is not BucketKind.RATE:
            self.open += amount
        if self.kind is not BucketKind.SLOTS:
            self.adjust -= amount

    def release(self, reserved: int, used: int, resets: int) -> None:
        """End a reservation. One from before a loss of state is not credited twice."""
        self.unsettled -= 1
        if self.kind is BucketKind.SLOTS:
            self.open -= reserved
            self.holding = min(self.holding + reserved, max(0, self._leased - self.open))
            self.denied = 0
            return
        if self.kind is BucketKind.BUDGET:
            self.open -= reserved
        unused = reserved - used
        if unused < 0:
            overdraft = min(self.holding, -unused)
            self.holding -= overdraft
            unused += overdraft
        elif self.kind is BucketKind.RATE and resets != self.resets:
            return
        self.adjust += unused
        if unused > 0:
            self.denied = 0

    def is_denied(self, amount: int, now: float) -> bool:
        """Whether a recent denial covers this amount."""
        return 0 < self.denied <= amount and now < self.denied_until

    def deny(self, amount: int, retry_s: float, now: float) -> None:
        spec = self.limit.spec
        denial_s = _DENIAL_S
        if self.kind is BucketKind.RATE:
            longest = min(_DENIAL_S, _DENIAL_REFILL * spec.capacity / spec.rate)
            calm = now - self.denied_until > 2 * longest
            self._doubt = _DOUBT if calm else min(1.0, _GROWTH * self._doubt)
            denial_s = max(min(retry_s, _DENIAL_S), self._doubt * longest)
        self.denied, self.denied_until = amount, now + denial_s
        self.retry_at = now + retry_s

    def _note_scarcity(self, grant: LeaseGrant, now: float) -> None:
        """The authority granted its last credit: do not request each new one as it comes."""
        short = 0 < grant.credits < self._wanted
        if self.kind is BucketKind.RATE and short and grant.level == 0:
            self.deny(1, 1 / self.limit.spec.rate, now)

    def due(self, now: float) -> bool:
        """Whether there is something to renew, to report or to end."""
        if self.number != self.acked:
            return True
        if self.adjust and now >= self._sent_at + self.ttl_s / 2:
            return True
        if self.holding or (self.open and self.kind is BucketKind.SLOTS):
            return now >= self._sent_at + self.lifetime_s * self._renew
        if self.open:
            return now >= self._sent_at + self.ttl_s
        return not self.is_idle and now >= self._sent_at + _RENEW * self.ttl_s

    @property
    def forgettable(self) -> bool:
        """Nothing held, owed or uncertain: a new bucket would be equal."""
        return self.is_idle and not (
            self.holding or self.open or self.adjust or self.waiting or self.unsettled
        )

    def build_request(
        self, number: int, need: int, waiting: int, now: float, spent: int = -1
    ) -> LeaseRequest:
        """Report and request. Credits beyond the demand are returned with it."""
        held = self.available(now)
        target = self._target(now)
        excess = 0 if need else held - target
        if excess > target and self.number == self.acked:
            self.holding -= excess
            held -= excess
            if self.kind is not BucketKind.SLOTS:
                self.adjust += excess
        lacking = max(0, waiting - held)
        self._wanted = max(lacking, lacking + target - max(0, held - waiting))
        taken = self.open if self.kind is BucketKind.SLOTS else 0
        self.number, self._reported, self._sent_at = number, self.adjust, now
        self.requested_spec = self.limit.spec
        self._leased = held + taken
        self.is_idle = False
        return LeaseRequest(
            self.limit.spec if spent < 0 else replace(self.limit.spec, spent=spent),
            number,
            self.acked,
            holding=held + taken,
            adjust=self.adjust,
            need=max(0, need - held),
            waiting=lacking,
            want=self._wanted,
        )

    def apply_grant(self, grant: LeaseGrant, now: float) -> None:
        """Take a grant; one that a later request has overtaken is ignored."""
        if grant.number != self.number:
            return
        self.available(now)
        self.acked = grant.number
        self.adjust -= self._reported
        self.holding += grant.credits
        self._leased += grant.credits
        self.is_idle = self._reported == self._leased == 0
        self._reported = 0
        self.expires = self._sent_at + self.lifetime_s * _MARGIN
        self.level, self.level_at = grant.level, now
        if self.kind is BucketKind.BUDGET:
            self.level += self.limit.spec.capacity - self.requested_spec.capacity
        self.elsewhere, self.known = grant.elsewhere, grant.known
        self.retry_s = grant.retry_after_s
        ahead = self.holding - self.waiting
        self.low = int(ahead * _LOW) if ahead > 1 and grant.level else -1
        self._note_scarcity(grant, now)

    def reset_leases(self) -> None:
        """The authority lost its state: leases are void, overdrafts and reservations are not."""
        self.holding = 0
        self.acked = 0
        self.resets += 1
        self.known = self.kind is not BucketKind.BUDGET
        self.low = -1
        self.denied = 0
        overdraft = min(0, self.adjust - self._reported)
        self._reported = min(0, self._reported)
        self.adjust = self._reported + (-self.open if self.kind is BucketKind.BUDGET else overdraft)

    def release_all(self) -> None:
        """Expect no more demand, so that the next request returns everything."""
        self._demand, self._consumed = 0.0, 0
        self.low = self.holding

    def remaining(self, now: float) -> int:
        """Roughly what the tenant has left, in all replicas."""
        spec = self.limit.spec
        level = self.level + spec.rate * (now - self.level_at) + self.holding
        return max(0, min(spec.capacity, int(level)))

    @property
    def is_nearly_exhausted(self) -> bool:
        """Whether a fifth or less of a budget may be left."""
        remaining = self.level + self.elsewhere + self.adjust + self.holding
        return 5 * remaining <= self.limit.spec.capacity

    def remaining_global(self, now: float) -> int:
        """Neither consumed nor reserved by any replica, as far as is known; below 0: overdrawn."""
        spec = self.limit.spec
        available = self.available(now)
        level = self.level + spec.rate * (now - self.level_at)
        if self.kind is not BucketKind.SLOTS:
            level += self.elsewhere + self.adjust
        return min(spec.capacity, math.floor(level) + available)

    def _target(self, now: float) -> int:
        """Credits to hold: the demand, averaged over a lease time, until the renewal."""
        elapsed = now - self._demand_at
        if elapsed > 0:
            fade = math.exp(-elapsed / self.ttl_s)
            self._demand = self._demand * fade + (1 - fade) * self._consumed / elapsed
            self._consumed, self._demand_at = 0, now
        return int(self._demand * self.ttl_s * _AHEAD + 0.5)
