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
from deployments.limiter.permit import LimiterPermit
from deployments.limiter.shard_exchanger import BudgetUsage
from deployments.limiter.status import LimitStatus, limit_status
from deployments.limiter.subject_limits import Debits, RequestSubjects, Source
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
    ) -> LimiterPermit:
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
    ) -> LimiterPermit | None:
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


def _without_probes(debits: Debits) -> Debits:
    """Give back the credits of spend limits, which only showed that something is left."""
    for bucket, amount in debits:
        if bucket.limit.unit is Unit.SPEND:
            bucket.release(amount, 0, bucket.resets)
    return tuple(debit for debit in debits if debit[0].limit.unit is not Unit.SPEND)
