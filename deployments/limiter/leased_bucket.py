"""One limit in this replica: leased credits, and changes that are not reported yet.

In: consumption, refunds, grants. Out: lease requests. Knows nothing of other limits, pending
requests or the network. Times are seconds on this process's monotonic clock.

While the authority has half of the capacity or more ("ample"), the bucket leases for several lease
times ahead and a quarter of its share at least, keeps what is refunded, and says nothing until its
credits are low or nobody has used them for a minute. Nearer to the limit, credits in the wrong
place would be missed: it leases for one lease time and reports and returns within half of one.
Slots come back by themselves, so what a replica has free beyond half of its share (beyond none,
where the share is below four) is returned within a lease time or two, used meanwhile or not.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

from deployments.contracts.limits import SESSION, BucketKind, LeaseGrant, LeaseRequest
from deployments.limiter.bucket_arithmetic import LEASED
from deployments.limiter.limits import Limit
from deployments.limiter.session import LeaseSession

_DENIAL_S = 0.5  # a denial holds at most this long, and until its credit must be there,
_DENIAL_REFILL = 0.24  # or, where that is sooner, while this part of the capacity refills:
_DOUBT, _GROWTH = 0.125, 1.4  # the first denial for a part of that, each next for more
_AHEAD, _AHEAD_AMPLE = 1.0, 8.0  # lease times of demand to hold
_REPORT = 0.6  # lease times after which a bucket that is not ample is reported
_FEWEST = 0.25  # the part of its share that an ample bucket holds whatever the demand
_QUIET = 1.5  # lease times without use after which a budget's use is reported, for others to see
_PAUSE, _IDLE = 5.0, 60.0  # lease times without use after which one returns more, or all
_REMIND_S = 300.0  # after which a bucket that is held or open is reported in any case
_LOW = 0.1  # the share of the demand below which more is leased ahead


class LeasedBucket:
    """Consuming is a comparison and a subtraction; everything else happens between requests."""

    def __init__(self, limit: Limit, now: float, ttl_s: float, session: LeaseSession) -> None:
        self.limit = limit
        self.kind = limit.spec.kind
        self.ttl_s = ttl_s
        self.session = session
        self.holding = 0  # credits to consume; free slots
        self.open = 0  # slots taken; of a budget: reserved and not settled
        self.adjust = 0  # returned (+) or overdrawn (-) since the last grant that arrived
        self.waiting = 0  # pending requests
        self.claimed = 0  # credits that they wait for
        self.low = -1  # request more at or below this; -1: nothing can be held ahead
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
        self._leased = 0  # what the authority counts as held by this replica; slots: open ones too
        self._sent_at = now
        self._used_at, self._used = now, 0  # when a use was noticed last, and the uses until then
        self._uses = 0
        self.is_ample = False
        self._share = 0  # what each replica may hold ahead of demand
        self.is_unreported = False  # the authority counts something else as held
        self.learning_until = 0.0  # until then the authority has forgotten what was leased

    def update_limit(self, limit: Limit) -> None:
        """Apply the plan's current terms: a denial under other terms is forgotten."""
        old, self.limit = self.limit.spec, limit
        if limit.spec != old:
            self.denied = 0
            if self.kind is BucketKind.BUDGET:
                self.level += limit.spec.capacity - old.capacity

    def available(self, now: float) -> int:
        """Credits to consume now; a lease whose session has ended is void."""
        return self.holding if now < self.session.expires else 0

    def consume(self, amount: int) -> None:
        self.consume_all(((self, amount),))

    @staticmethod
    def consume_all(debits: "Iterable[tuple[LeasedBucket, int]]") -> None:
        """An amount of each. In one loop: a call for each is half of an acquisition."""
        rate = BucketKind.RATE
        for bucket, amount in debits:
            bucket.holding -= amount
            bucket._consumed += amount
            bucket._uses += 1
            bucket.unsettled += 1
            if bucket.kind is not rate:
                bucket.open += amount

    def consume_over_lease(self, amount: int) -> None:
        """Admit without credits in degraded mode: an overdraft to be reported."""
        self.unsettled += 1
        self.is_unreported = True
        if self.kind is not BucketKind.RATE:
            self.open += amount
        if self.kind is not BucketKind.SLOTS:
            self.adjust -= amount

    def charge(self, amount: int) -> None:
        """Consume what was used without a reservation: credits in hand first, the rest is owed."""
        covered = min(self.holding, amount)
        self.holding -= covered
        self.adjust -= amount - covered
        self._consumed += amount
        self._uses += 1

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
        if unused > 0:
            self.denied = 0
            if self.is_ample:  # as if it had not been consumed: the authority was not told
                most = self._leased if self._leased < self._share else self._share
                room = most - self.holding
                if room > 0:
                    unspent = unused if unused < room else room
                    self.holding += unspent
                    unused -= unspent
        self.adjust += unused

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
        """Whether there is something to report, to return or to end."""
        if self.number != self.acked or self.is_unreported:
            return True
        if self._uses != self._used:
            self._used_at, self._used = now, self._uses
        since = now - self._sent_at
        if self.adjust and since >= self.ttl_s / 2:
            return True
        if since >= _REMIND_S:
            return not self.is_idle or self.open > 0
        if self._may_rest:
            unused_s = min(now - self._used_at, since)
            if self.kind is BucketKind.BUDGET and self.holding < self._leased:
                return unused_s >= _QUIET * self.ttl_s
            is_paused = unused_s >= _PAUSE * self.ttl_s and self.holding > 2 * self._fewest
            return is_paused or unused_s >= _IDLE * self.ttl_s
        if self.is_full:
            return False
        return not self.is_idle and since >= _REPORT * self.ttl_s

    def check_after_s(self) -> float:
        """Seconds until `due` may change; infinite for a bucket that is forgettable."""
        if self.is_unreported or self.number != self.acked:
            return self.ttl_s / 5
        if self.adjust:
            return self.ttl_s / 2
        if self._may_rest:
            return (_QUIET if self.kind is BucketKind.BUDGET else _PAUSE) * self.ttl_s
        if self.is_full:
            return _REMIND_S
        return math.inf if self.forgettable else _REPORT * self.ttl_s

    @property
    def is_full(self) -> bool:
        """All is taken: nothing to report before some of it comes back."""
        return self.open > 0 and not self.holding

    @property
    def _may_rest(self) -> bool:
        """Whether what is in hand may stay without a report."""
        is_much = self.kind is BucketKind.SLOTS and self.holding > 2 * self._fewest
        return self.is_ample and self.holding > 0 and not is_much

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
        self.is_unreported = False
        held = self.available(now)
        target = self._target(now, is_burst=waiting > need)
        excess = 0 if need or now < self.learning_until else held - target
        retained = 0 if self.kind is BucketKind.SLOTS else target  # beyond it, for fewer returns
        if excess > retained and self.number == self.acked:
            self.holding -= excess
            held -= excess
            if self.kind is not BucketKind.SLOTS:
                self.adjust += excess
        lacking = max(0, waiting - held)
        self._wanted = max(lacking, target - max(0, held - waiting))
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

    def apply_grant(self, grant: LeaseGrant, now: float) -> bool:
        """Take a grant. False for one of another request, or of none: it is ignored."""
        if grant.number != self.number:
            return False
        spec = self.limit.spec
        self.acked = grant.number
        self.adjust -= self._reported
        self.holding += grant.credits
        self._leased += grant.credits
        self.is_idle = self._reported == self._leased == 0
        self._reported = 0
        self.level, self.level_at = grant.level, now
        if self.kind is BucketKind.BUDGET:
            self.level += spec.capacity - self.requested_spec.capacity
        self._share = int(spec.capacity * LEASED / (self.session.replicas + 1))
        self.is_ample = grant.known and 2 * grant.level >= spec.capacity
        self.elsewhere, self.known = grant.elsewhere, grant.known
        self.retry_s = grant.retry_after_s
        self.learning_until = now + grant.learning_s
        ahead = self.holding - self.waiting
        self.low = int(ahead * _LOW) if ahead > 1 and grant.level else -1
        self._note_scarcity(grant, now)
        return True

    def void_lease(self) -> None:
        """The session ended: what was held of a rate counts as consumed, slots are free. A budget's
        credits, which time does not refill, are returned."""
        self.is_unreported = self.is_unreported or bool(self._leased or self.open)
        if self.kind is BucketKind.BUDGET:
            self.adjust += self.holding
        self.holding = self._leased = 0
        self.low = -1

    def reset_lease(self, now: float) -> None:
        """The authority lost its state. What is in hand stays this replica's, and is reported like
        overdrafts and reservations; returns of what was consumed before are not."""
        self.is_unreported = True
        self.learning_until = now + SESSION * self.ttl_s
        self.acked = 0
        self.resets += 1
        self.known = self.kind is not BucketKind.BUDGET
        self.is_ample = False
        self.low = -1
        self.denied = 0
        overdraft = min(0, self.adjust - self._reported)
        self._reported = min(0, self._reported)
        self.adjust = self._reported + (-self.open if self.kind is BucketKind.BUDGET else overdraft)

    def release_all(self) -> None:
        """Expect no more demand, so that the next request returns everything."""
        self._demand, self._consumed, self.is_ample = 0.0, 0, False
        self.low = self.holding

    def remaining(self, now: float) -> int:
        """Roughly what the tenant has left, in all replicas."""
        spec = self.limit.spec
        level = int(self.level + spec.rate * (now - self.level_at) + self.holding)
        if level >= spec.capacity:
            return spec.capacity
        return level if level > 0 else 0

    @property
    def is_nearly_exhausted(self) -> bool:
        """Whether a fifth or less of a budget may be left."""
        remaining = self.level + self.elsewhere + self.adjust + self.holding
        return 5 * remaining <= self.limit.spec.capacity

    def remaining_global(self, now: float) -> int:
        """Neither consumed nor reserved by any replica, as far as is known; below 0: overdrawn."""
        spec = self.limit.spec
        level = self.level + spec.rate * (now - self.level_at)
        if self.kind is not BucketKind.SLOTS:
            level += self.elsewhere + self.adjust
        return min(spec.capacity, math.floor(level) + self.available(now))

    def _target(self, now: float, *, is_burst: bool) -> int:
        """Credits to hold: the demand, averaged over a lease time, for some lease times."""
        elapsed = now - self._demand_at
        if elapsed > 0:
            fade = math.exp(-elapsed / self.ttl_s)
            self._demand = self._demand * fade + (1 - fade) * self._consumed / elapsed
            self._consumed, self._demand_at = 0, now
        per_lease = self._demand * self.ttl_s
        if self.kind is BucketKind.SLOTS:
            per_lease = min(per_lease, 2 * self._fewest)
        if not self.is_ample or is_burst:
            return int(per_lease * _AHEAD + 0.5)
        is_idle = self._uses == self._used and now - self._used_at >= _IDLE * self.ttl_s
        fewest = self._fewest if self._uses and not is_idle else 0
        leases = _AHEAD if self.kind is BucketKind.SLOTS else _AHEAD_AMPLE
        return max(int(per_lease * leases + 0.5), fewest)

    @property
    def _fewest(self) -> int:
        return int(self._share * _FEWEST)
