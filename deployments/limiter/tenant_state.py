"""One tenant in this replica: its purses, and the requests that wait for credits.

In: limits of a plan, grants. Out: all-or-nothing takings, and the asks of the next exchange.
Knows nothing of the network; `rounds.py` carries the asks.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind, LeaseRequest
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.limits import (
    Limit,
    admission_limits,
    all_limits,
    next_utc_midnight,
    reservation_limits,
    tenant_shard,
)

Part = tuple[LeasedBucket, int]  # credits of one limit
Parts = tuple[Part, ...]
Source = tuple[RequestClass, str]  # who asks: a request's class, and the model it calls or ""


@dataclass(eq=False, slots=True)
class PendingAcquire:
    """A request in line. `rounds` is how many exchanges have asked for it."""

    parts: Parts
    source: Source
    future: asyncio.Future[Parts]
    rounds: int = 0


@dataclass(eq=False, slots=True)
class TenantLimits:
    """Purses by bucket key. Those of one request class, or model, are looked up once a day."""

    tenant: str
    plan: Plan
    ttl_s: float
    shard: int = 0
    purses: dict[str, LeasedBucket] = field(default_factory=dict)
    waiters: list[PendingAcquire] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    spent: dict[str, int] = field(default_factory=dict)
    probe: bool = False
    looking: set[LeasedBucket] = field(default_factory=set)  # to be asked for in the next exchange
    permits: int = 0  # open ones, which may still reserve
    _admission: dict[RequestClass, Parts] = field(default_factory=dict)
    _reservation: dict[tuple[RequestClass, str], tuple[tuple[LeasedBucket, Unit], ...]] = field(
        default_factory=dict
    )
    _day_ends: float = 0.0

    def __post_init__(self) -> None:
        self.shard = tenant_shard(self.tenant)

    def follow(self, plan: Plan) -> None:
        """The plan may have changed since the last request."""
        if plan is not self.plan:
            self.plan = plan
            self.forget_limits()

    def forget_limits(self) -> None:
        self._admission.clear()
        self._reservation.clear()

    def admission(self, request_class: RequestClass, now: float) -> Parts:
        """One credit of each limit that a request passes first."""
        parts = self._admission.get(request_class)
        if parts is None:
            limits = admission_limits(self.tenant, self.plan, request_class)
            parts = tuple((self._purse(limit, now), 1) for limit in limits)
            self._admission[request_class] = parts
        return parts

    def reservation(
        self, request_class: RequestClass, model: str, now: float, wall: float
    ) -> tuple[tuple[LeasedBucket, Unit], ...]:
        """The limits of one model call, and the unit that each counts."""
        if wall >= self._day_ends:
            self._reservation.clear()
            self._day_ends = next_utc_midnight(wall)
        key = (request_class, model)
        found = self._reservation.get(key)
        if found is None:
            limits = reservation_limits(self.tenant, self.plan, request_class, model, wall)
            found = tuple((self._purse(limit, now), limit.unit) for limit in limits)
            self._reservation[key] = found
        return found

    def every(self, now: float, wall: float) -> list[LeasedBucket]:
        """The purses of all limits of the plan."""
        return [self._purse(limit, now) for limit in all_limits(self.tenant, self.plan, wall)]

    def try_acquire(self, parts: Parts, now: float) -> bool:
        """Spend all parts or none. Whoever waits for a limit goes first."""
        for purse, amount in parts:
            if purse.waiting or now >= purse.expires or purse.holding < amount:
                return False
        for purse, amount in parts:
            purse.consume(amount)
        return True

    @staticmethod
    def record_overdraft(parts: Parts, taken: Parts) -> Parts:
        """Count what budgets in shadow mode let pass without room. The parts that may be settled.

        Rates and slots only count what they would have let pass.
        """
        owed = tuple(
            part for part in parts if part[0].kind is BucketKind.BUDGET and part not in taken
        )
        for purse, amount in owed:
            purse.consume_over_lease(amount)
        return taken + owed

    def enqueue(self, waiter: PendingAcquire) -> None:
        self.waiters.append(waiter)
        for purse, _ in waiter.parts:
            purse.waiting += 1

    def dequeue(self, waiter: PendingAcquire) -> None:
        self.waiters.remove(waiter)
        for purse, _ in waiter.parts:
            purse.waiting -= 1

    def asks(self, numbers: Iterator[int], now: float) -> list[LeaseRequest]:
        """Reports and wishes of every purse that has any."""
        first: dict[LeasedBucket, int] = {}
        total: dict[LeasedBucket, int] = {}
        for waiter in self.waiters:
            waiter.rounds += 1
            for purse, amount in waiter.parts:
                first.setdefault(purse, amount)
                total[purse] = total.get(purse, 0) + amount
        asking = [
            purse
            for purse in self.purses.values()
            if purse in total
            or purse in self.looking
            or purse.holding <= purse.low
            or purse.due(now)
        ]
        self.looking.clear()
        spent = self.spent
        return [
            purse.build_request(
                next(numbers),
                first.get(purse, 0),
                total.get(purse, 0),
                now,
                spent.get(purse.limit.spec.key, -1),
            )
            for purse in asking
        ]

    def due(self, now: float) -> bool:
        return any(purse.due(now) for purse in self.purses.values())

    def evict_idle(self) -> bool:
        """Forget purses that say nothing; True when the whole account may go."""
        gone = [key for key, purse in self.purses.items() if purse.forgettable]
        if len(gone) < len(self.purses) and not any(self._past(key) for key in gone):
            return False
        for key in gone:
            del self.purses[key]
        self.forget_limits()
        return not (self.purses or self.waiters or self.permits)

    def _past(self, key: str) -> bool:
        """Whether the bucket is of a period that nothing is reserved in any more."""
        purse = self.purses[key]
        return purse.kind is BucketKind.BUDGET and purse.limit.spec.until < self._day_ends

    def _purse(self, limit: Limit, now: float) -> LeasedBucket:
        purse = self.purses.get(limit.spec.key)
        if purse is None:
            purse = self.purses[limit.spec.key] = LeasedBucket(limit, now, self.ttl_s)
        purse.update_limit(limit)
        return purse
