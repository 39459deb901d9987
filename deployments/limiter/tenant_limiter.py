"""The tenant limiter of one ingress replica: decides in process, by credits leased ahead.

In: tenants with their plans, from one event loop. Out: Permits, or problems that name the limit
that bound. Algorithm: GCRA's conformance (rate, burst) over leased whole credits, as
contracts/limits.py describes; outage.py says what holds while the authority is away.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

from cluster.runtime.clock import Clock
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts, amount_of
from deployments.contracts.limits import Authority, BucketKind
from deployments.limiter.events import LimitEvent, LimitEventEmitter
from deployments.limiter.lease_client import LeaseClient, Spent
from deployments.limiter.permit import LimiterPermit
from deployments.limiter.status import LimitStatus, limit_view
from deployments.limiter.tenant_state import TenantLimits


class TenantLimiter:
    """`replica` names this process among all that share the authority, and is never reused.

    `spent` gives a budget's use by the ledger (tenant, unit, first day, last day); the ledger must
    be written at least every three lease times. `ttl_s` is the lease time; `patience_s` the
    longest that a request waits for the authority.
    """

    def __init__(
        self,
        authority: Authority,
        replica: str,
        clock: Clock,
        spent: Spent,
        observe: Callable[[LimitEvent], None],
        *,
        ttl_s: float = 1.0,
        patience_s: float = 0.04,
    ) -> None:
        self._announcer = announcer = LimitEventEmitter(observe, clock)
        self._clock = clock
        self._ttl_s = ttl_s
        self._rounds = LeaseClient(authority, replica, clock, spent, announcer, ttl_s, patience_s)
        self._accounts = self._rounds.accounts
        self._ticking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to renew leases and report in the background."""
        self._ticking = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Return everything held. Open permits may still be settled, but nobody is told."""
        if self._ticking is not None:
            self._ticking.cancel()
            with suppress(asyncio.CancelledError):
                await self._ticking
        accounts = list(self._accounts.values())
        await self._finish(accounts)
        for account in accounts:
            for purse in account.purses.values():
                purse.release_all()
            self._rounds.start(account)
        await self._finish(accounts)
        self._announcer.flush(math.inf)

    async def admit(self, tenant: str, plan: Plan, request_class: RequestClass) -> LimiterPermit:
        """Spend one request credit and take a slot, both or neither. Suspends only without
        credits in hand. Raises RateLimited."""
        account = self._account(tenant, plan)
        now = self._clock.monotonic()
        parts = account.admission(request_class, now)
        taken = await self._rounds.acquire(account, parts, (request_class, ""), now)
        return LimiterPermit(self._rounds, account, request_class, taken)

    def try_admit(
        self, tenant: str, plan: Plan, request_class: RequestClass
    ) -> LimiterPermit | None:
        """The same out of credits in hand; None, and nothing is spent, where they do not do."""
        account = self._account(tenant, plan)
        now = self._clock.monotonic()
        parts = account.admission(request_class, now)
        if not self._rounds.try_acquire(account, parts, now):
            return None
        return LimiterPermit(self._rounds, account, request_class, parts)

    def refund_budget(
        self,
        tenant: str,
        plan: Plan,
        request_class: RequestClass,
        model: str,
        amounts: UsageAmounts,
    ) -> None:
        """Give budgets back what was settled as used and was not used after all. Rates, which have
        refilled meanwhile, are left alone."""
        account = self._account(tenant, plan)
        now, wall = self._clock.monotonic(), self._clock.wall()
        for purse, unit in account.reservation(request_class, model, now, wall):
            unused = amount_of(unit, amounts, plan.weights)
            if purse.kind is BucketKind.BUDGET and unused:
                purse.consume(0)
                purse.release(0, -unused, purse.voids)

    async def view(self, tenant: str, plan: Plan) -> list[LimitStatus]:
        """Every limit of the plan as it stands; asks the authority once and spends nothing."""
        account = self._account(tenant, plan)
        purses = account.every(self._clock.monotonic(), self._clock.wall())
        await self._rounds.refresh(account, purses)
        now, wall = self._clock.monotonic(), self._clock.wall()
        return [limit_view(purse, now, wall) for purse in purses]

    def tick(self) -> None:
        """Start the exchanges that are due, tell of limits hit, forget tenants that say nothing."""
        now = self._clock.monotonic()
        self._announcer.flush(now)
        if self._rounds.outage.since is not None:
            self._rounds.probe()
            return
        for account in list(self._accounts.values()):
            if account.task is not None or account.waiters:
                continue
            if account.due(now):
                self._rounds.start(account)
            elif account.evict_idle():
                del self._accounts[account.tenant]

    @property
    def accounts(self) -> int:
        """Tenants that this replica remembers now."""
        return len(self._accounts)

    @property
    def exchanges(self) -> int:
        """Calls of the authority so far."""
        return self._rounds.exchanges

    @property
    def authority_is_up(self) -> bool:
        return self._rounds.outage.since is None

    def _account(self, tenant: str, plan: Plan) -> TenantLimits:
        account = self._accounts.get(tenant)
        if account is None:
            account = self._accounts[tenant] = TenantLimits(tenant, plan, self._ttl_s)
        elif account.plan is not plan:
            account.follow(plan)
        return account

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._ttl_s / 5)
            self.tick()

    async def _finish(self, accounts: list[TenantLimits]) -> None:
        running = [account.task for account in accounts if account.task is not None]
        if running:
            await asyncio.wait(running)
