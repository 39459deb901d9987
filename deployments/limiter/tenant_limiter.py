"""The tenant limiter of one ingress replica: decides in process, on credits leased ahead.

In: tenants with their plans, from one event loop. Out: permits, or problems that name the limit
that bound. Algorithm: GCRA's conformance (rate, burst) over leased whole credits, as
contracts/limits.py describes; degraded_mode.py states the rules without the authority.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from contextlib import suppress

from cluster.metrics.catalogue import limits as limit_metrics
from cluster.metrics.series import Reading
from cluster.runtime.clock import Clock
from cluster.runtime.problems import RateLimited
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.policy import CallerPolicies
from cluster.tenants.units import Unit, UsageAmounts, amount_of
from cluster.usage.price_book import PriceBook
from deployments.contracts.limits import Authority, AuthorityShards, BucketKind
from deployments.limiter.budget_readings import fullest_budgets
from deployments.limiter.events import LimitEvent, LimitEventEmitter
from deployments.limiter.lease_client import LeaseClient
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.shard_exchanger import BudgetUsage
from deployments.limiter.status import Headers, LimitStatus, limit_status, rate_limit_headers
from deployments.limiter.subject_limits import CountedBuckets, Debits, RequestSubjects, Source
from deployments.limiter.tenant_limits import TenantLimits


def _plain_name(_: str, end_user: str) -> str:
    return end_user


class TenantLimiter:
    """Implements `Limiter`, and owns the tenants' limits.

    `replica` names this process among all that share the authority, and is never reused.
    `budget_usage` gives a budget's use by the ledger (tenant, unit, first day, last day, and
    `key:<account>`, `team:<id>` or "" for the tenant's own); the ledger must be written at least
    every three lease times. `ttl_s` is the lease time; `patience_s` the longest that a request
    waits for the authority. `pseudonym_of` a tenant's end user is what its limits are known by,
    the same in all replicas. `book` has the prices that limits of spend count, those of the ledger.
    """

    def __init__(
        self,
        authority: Authority | AuthorityShards,
        replica: str,
        clock: Clock,
        budget_usage: BudgetUsage,
        observe: Callable[[LimitEvent], None],
        *,
        ttl_s: float = 1.0,
        patience_s: float = 0.04,
        pseudonym_of: Callable[[str, str], str] = _plain_name,
        book: PriceBook | None = None,
    ) -> None:
        self.clock = clock
        self.book = book or PriceBook()
        self._pseudonym_of = pseudonym_of
        self._ttl_s = ttl_s
        self._tenants: dict[str, TenantLimits] = {}
        self._events = LimitEventEmitter(observe, clock)
        self._leases = LeaseClient(
            authority, replica, clock, self._tenants, budget_usage, self._forget, self._events,
            ttl_s, patience_s,
        )  # fmt: skip
        self._ticker: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew leases and report in the background."""
        self._ticker = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Return all leases. Open permits may still be settled, which is not reported any more."""
        if self._ticker is not None:
            self._ticker.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticker
        await self._leases.return_all()
        self._events.flush(math.inf)

    async def admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
        operation: str = "",
    ) -> "LimiterPermit":
        """Consume one request credit and take a slot of the tenant, its team, the key and the end
        user, all or none. Suspends only without credits in hand. Raises RateLimited."""
        limits = self._tenants.get(tenant)
        if limits is None or limits.plan is not plan:
            limits = self._update_tenant(tenant, plan)
        now = self.clock.monotonic()
        if policies is None and (plan.end_user is None or not end_user):
            debits = limits.admission(request_class, now, operation)
            if debits:
                if limits.try_acquire(debits, now):  # as `acquire`, without a coroutine
                    self._leases.replenish(limits, debits, now)
                else:
                    source = (request_class, "")
                    debits = await self._leases.acquire(limits, debits, source, now)
            return LimiterPermit(self, limits, plan, request_class, debits)
        subjects = RequestSubjects(policies, self._end_user_id(tenant, plan, end_user))
        wall = self.clock.wall()
        debits = limits.admission_with(subjects, request_class, now, wall, operation)
        if debits:
            debits = await self.acquire(limits, debits, (request_class, ""), now)
        return LimiterPermit(self, limits, plan, request_class, _without_probes(debits), subjects)

    def try_admit(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        policies: CallerPolicies | None = None,
        end_user: str = "",
    ) -> "LimiterPermit | None":
        """The same on credits in hand; None, and nothing is consumed, where they do not suffice."""
        limits = self._tenants.get(tenant)
        if limits is None or limits.plan is not plan:
            limits = self._update_tenant(tenant, plan)
        now, subjects = self.clock.monotonic(), None
        if policies is None and (plan.end_user is None or not end_user):
            debits = limits.admission(request_class, now)
        else:
            subjects = RequestSubjects(policies, self._end_user_id(tenant, plan, end_user))
            try:
                debits = limits.admission_with(subjects, request_class, now, self.clock.wall())
            except RateLimited:
                return None
        if debits:
            if not limits.try_acquire(debits, now):
                return None
            self._leases.replenish(limits, debits, now)
        if subjects is not None:
            debits = _without_probes(debits)
        return LimiterPermit(self, limits, plan, request_class, debits, subjects)

    async def acquire(
        self, limits: TenantLimits, debits: Debits, source: Source, now: float
    ) -> Debits:
        """Consume all debits or none. What was consumed: less in shadow mode. Raises refusals."""
        if not limits.try_acquire(debits, now):
            return await self._leases.acquire(limits, debits, source, now)
        self._leases.replenish(limits, debits, now)
        return debits

    def refund_budget(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        model: str,
        amounts: UsageAmounts,
        policies: CallerPolicies | None = None,
    ) -> None:
        """Return to budgets what was settled as used and was not used after all. Rates, which have
        refilled meanwhile, stay as they are."""
        limits = self._update_tenant(tenant, plan)
        now, wall = self.clock.monotonic(), self.clock.wall()
        subjects = RequestSubjects(policies)
        for bucket, unit in limits.reservation_with(subjects, request_class, model, now, wall):
            unused = (
                self.book.charge_of(plan, model, amounts, requests=0)
                if unit is Unit.SPEND
                else amount_of(unit, amounts, plan.weights)
            )
            if bucket.kind is BucketKind.BUDGET and unused:
                bucket.consume(0)
                bucket.release(0, -unused, bucket.resets)
        self.report(limits)

    async def view(
        self, tenant: str, plan: Plan, policies: CallerPolicies | None = None
    ) -> list[LimitStatus]:
        """The status of every limit of the plan, and of the policies; asks the authority once and
        consumes nothing."""
        limits = self._update_tenant(tenant, plan)
        buckets = limits.all_buckets(policies, self.clock.monotonic(), self.clock.wall())
        await self._leases.refresh(limits, buckets)
        now, wall = self.clock.monotonic(), self.clock.wall()
        return [limit_status(bucket, now, wall) for bucket in buckets]

    def tick(self) -> None:
        """Start the exchanges that are due, report limits hit, forget idle tenants."""
        now = self.clock.monotonic()
        self._events.flush(now)
        self._leases.tick(now)

    def restore(self, limits: TenantLimits) -> TenantLimits:
        """The limits of a tenant that may have been forgotten, or have come back, since."""
        return self._tenants.get(limits.tenant) or self._update_tenant(limits.tenant, limits.plan)

    def report(self, limits: TenantLimits) -> None:
        """A reservation has returned or owes something: report it in time."""
        self._leases.report(limits)

    @property
    def tenants(self) -> int:
        """Tenants whose limits this replica holds now."""
        return len(self._tenants)

    @property
    def exchanges(self) -> int:
        """Calls of the authority so far."""
        return self._leases.exchanges

    @property
    def authority_is_up(self) -> bool:
        return self._leases.is_up

    def read_metrics(self) -> Iterator[Reading]:
        yield limit_metrics.REFUSALS, list(self._events.refusals.items())
        yield limit_metrics.AUTHORITY_UP, [((), int(self.authority_is_up))]
        yield from self._leases.times.read()
        yield limit_metrics.BUDGET_USED, fullest_budgets(self._tenants.values(), self.clock)

    def _update_tenant(self, tenant: str, plan: Plan) -> TenantLimits:
        limits = self._tenants.get(tenant)
        if limits is None:
            limits = self._tenants[tenant] = self._leases.open(tenant, plan)
        elif limits.plan is not plan:
            limits.update_plan(plan)
        return limits

    def _end_user_id(self, tenant: str, plan: Plan, end_user: str) -> str:
        """By which the end user's limits are known; names may be of people, so it tells none."""
        if plan.end_user is None or not end_user:
            return ""
        return f"user:{self._pseudonym_of(tenant, end_user)}"

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 5)
            self.tick()

    def _forget(self, limits: TenantLimits) -> None:
        if self._tenants.get(limits.tenant) is limits:
            del self._tenants[limits.tenant]
        self._leases.detach(limits)


class LimiterReservation:
    """Amounts reserved for one model call, until `settle` states what it used."""

    __slots__ = ("_debits", "_limiter", "_limits", "_model", "_plan", "_resets", "_settled")

    def __init__(
        self,
        limiter: TenantLimiter | None,
        limits: TenantLimits | None,
        plan: Plan | None,
        debits: Debits,
        model: str = "",
    ) -> None:
        """`plan` is that of the request, by which the ledger charges the model as well."""
        self._limiter = limiter
        self._limits = limits
        self._plan = plan
        self._model = model
        self._debits = debits
        self._resets = [bucket.resets for bucket, _ in debits]
        self._settled = limits is None

    def settle(self, actual: UsageAmounts, *, requests: int = 1) -> None:
        """Refund what was not used, owe what was used beyond; only the first call counts."""
        limits, limiter, plan = self._limits, self._limiter, self._plan
        if self._settled or limits is None or limiter is None or plan is None:
            return
        self._settled = True
        weights, is_unreported = plan.weights, False
        by_unit: dict[Unit, int] = {}
        for (bucket, reserved), resets in zip(self._debits, self._resets, strict=True):
            unit = bucket.limit.unit
            used = by_unit.get(unit)
            if used is None:
                used = by_unit[unit] = (
                    limiter.book.charge_of(plan, self._model, actual, requests)
                    if unit is Unit.SPEND
                    else amount_of(unit, actual, weights, requests)
                )
            bucket.release(reserved, used, resets)
            if bucket.adjust:
                is_unreported = True
        if is_unreported:
            limiter.report(limits)

    def settle_at_reserved(self) -> None:
        """Settle at the reserved amounts, where the actual ones are unknown."""
        if not self._settled:
            self._settled = True
            for (bucket, reserved), resets in zip(self._debits, self._resets, strict=True):
                bucket.release(reserved, reserved, resets)


_NOTHING_RESERVED = LimiterReservation(
    None, None, None, ()
)  # of plans without limits on model calls


class LimiterPermit:
    """An admitted request. Holds a slot until it is closed."""

    __slots__ = (
        "_buckets",
        "_class",
        "_debits",
        "_limiter",
        "_limits",
        "_open",
        "_plan",
        "_reservations",
        "_subjects",
    )

    def __init__(
        self,
        limiter: TenantLimiter,
        limits: TenantLimits,
        plan: Plan,
        request_class: RequestClass,
        debits: Debits,
        subjects: RequestSubjects | None = None,
    ) -> None:
        """`plan` is that of the request, by which the ledger counts it; the limits are those of the
        tenant's plan as it is now. `subjects`: whose limits apply beside the tenant's."""
        self._limiter = limiter
        self._limits = limits
        self._plan = plan
        self._subjects = subjects
        self._class = request_class
        self._debits = debits
        self._buckets: list[LeasedBucket] = [bucket for bucket, _ in debits]
        self._reservations: list[LimiterReservation] = []
        self._open = True
        limits.permits += 1

    async def reserve(
        self, model: str, amounts: UsageAmounts, *, lasting: bool = False
    ) -> LimiterReservation:
        """Reserve `amounts` of one call of `model` in every limit that applies, all or nothing.
        A lasting reservation is not ended by `close`, and may be made after it: work that was begun
        for a request that has left goes on for others.

        Raises RateLimited, QuotaExceeded, InvalidRequest (more than could ever pass) or Overloaded
        (a budget that cannot be checked now); each names the limit.
        """
        limiter = self._limiter
        if not self._open:  # without an open permit the tenant may have been forgotten
            self._limits = limiter.restore(self._limits)
        limits, clock = self._limits, limiter.clock
        now, plan = clock.monotonic(), self._plan
        if self._subjects is None:
            buckets = limits.reservation(self._class, model, now, clock.wall())
        else:
            subjects, wall = self._subjects, clock.wall()
            buckets = limits.reservation_with(subjects, self._class, model, now, wall)
        if not buckets:
            return _NOTHING_RESERVED
        debits = _debits(buckets, amounts, plan, model, limiter.book)
        known = self._buckets
        known += [bucket for bucket, _ in buckets if bucket not in known]
        if debits:
            debits = await limiter.acquire(limits, debits, (self._class, model), now)
        reservation = LimiterReservation(limiter, limits, plan, debits, model)
        if not lasting:
            self._reservations.append(reservation)
        return reservation

    def charge_cache_hit(self, model: str) -> None:
        """Count as spent what the plan charges for a request for `model` that the cache has
        answered."""
        limiter, subjects = self._limiter, self._subjects
        if subjects is None:
            return
        charge = limiter.book.charge_of(self._plan, model, UsageAmounts(), requests=0, cache_hits=1)
        if not charge:
            return
        if not self._open:
            self._limits = limiter.restore(self._limits)
        now, wall = limiter.clock.monotonic(), limiter.clock.wall()
        for bucket, unit in self._limits.reservation_with(subjects, self._class, "", now, wall):
            if unit is Unit.SPEND:
                bucket.charge(charge)
        limiter.report(self._limits)

    def headers(self) -> Headers:
        """The limits that applied so far, as of now."""
        if not self._buckets:
            return []
        clock = self._limiter.clock
        return rate_limit_headers(self._buckets, clock.monotonic(), clock.wall())

    def close(self) -> None:
        """Free the slot; reservations that are not settled count as used. May be repeated."""
        if not self._open:
            return
        self._open = False
        self._limits.permits -= 1
        for reservation in self._reservations:
            reservation.settle_at_reserved()
        for bucket, amount in self._debits:
            used = 0 if bucket.kind is BucketKind.SLOTS else amount
            bucket.release(amount, used, bucket.resets)
        if self._limits.is_full:
            self._limiter.report(self._limits)


def _debits(
    buckets: CountedBuckets, amounts: UsageAmounts, plan: Plan, model: str, book: PriceBook
) -> Debits:
    """The most that one call of `model` may use of each limit, where it is something."""
    by_unit: dict[Unit, int] = {}  # several limits count the same
    debits = []
    for bucket, unit in buckets:
        amount = by_unit.get(unit)
        if amount is None:
            amount = by_unit[unit] = (
                book.most_of(plan, model, amounts)
                if unit is Unit.SPEND
                else amount_of(unit, amounts, plan.weights, requests=1)
            )
        if amount:
            debits.append((bucket, amount))
    return tuple(debits)


def _without_probes(debits: Debits) -> Debits:
    """Give back the credits of spend limits, which only showed that something is left."""
    for bucket, amount in debits:
        if bucket.limit.unit is Unit.SPEND:
            bucket.release(amount, 0, bucket.resets)
    return tuple(debit for debit in debits if debit[0].limit.unit is not Unit.SPEND)
