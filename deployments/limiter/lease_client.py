"""Decisions that need more than the credits in hand, for all tenants of this replica.

In: acquisitions without credits, tenants with low ones. Out: credits, or refusals, through the
exchanger of the tenant's authority shard. Every wait ends after a few exchanges, or after
`patience_s` without an answer; from then on no request of that shard waits until an exchange is in
time again (degraded mode).
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping

from cluster.metrics.series import Histogram
from cluster.runtime.clock import Clock
from cluster.tenants.plan import Plan
from deployments.contracts.limits import Authority, AuthorityShards, BucketKind
from deployments.limiter.errors import exceeds_capacity, limit_exceeded
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.pending_decisions import MAX_EXCHANGES
from deployments.limiter.session import LeaseSession
from deployments.limiter.shard_exchanger import BudgetUsage, ExchangeTerms, ShardExchanger
from deployments.limiter.subject_limits import Debits, Source
from deployments.limiter.tenant_limits import PendingAcquire, TenantLimits


class LeaseClient:
    """Sends tenants' lease requests and hands out what is granted, in the order of arrival.

    `authority` is one for all tenants, or AuthorityShards.
    """

    def __init__(
        self,
        authority: Authority | AuthorityShards,
        replica: str,
        clock: Clock,
        tenants: Mapping[str, TenantLimits],
        budget_usage: BudgetUsage,
        forget: Callable[[TenantLimits], None],
        events: LimitEventEmitter,
        ttl_s: float,
        patience_s: float,
    ) -> None:
        """`tenants` is read only; the limiter owns it, and forgets those that are idle."""
        self._authority = authority
        self._clock = clock
        self._tenants = tenants
        self._events = events
        self._terms = ExchangeTerms(
            replica, clock, budget_usage, events, ttl_s, patience_s,
            forget, self._relocate, self._request, self._schedule,
        )  # fmt: skip
        self._shards: dict[int, tuple[Authority, ShardExchanger]] = {}
        self._by_session: dict[LeaseSession, ShardExchanger] = {}

    @property
    def times(self) -> Histogram:
        """Of all exchanges."""
        return self._terms.times

    def open(self, tenant: str, plan: Plan) -> TenantLimits:
        """The limits of a tenant that is new here."""
        exchanger = self._locate(tenant)
        limits = TenantLimits(tenant, plan, self._terms.ttl_s, exchanger.session)
        self.attach(limits)
        return limits

    def attach(self, limits: TenantLimits) -> None:
        """Renew the tenant's leases and look at it from now on."""
        exchanger = self._exchanger(limits)
        exchanger.tenants[limits.tenant] = limits
        exchanger.schedule(limits, self._clock.monotonic() + self._terms.ttl_s)

    def detach(self, limits: TenantLimits) -> None:
        """The tenant was forgotten."""
        self._exchanger(limits).release(limits)

    async def acquire(
        self, tenant: TenantLimits, debits: Debits, source: Source, now: float
    ) -> Debits:
        """Acquire what the credits in hand do not cover. The debits that were consumed: all, except
        for limits in shadow mode that had no room. Raises the refusal."""
        passable = self._check_refusals(tenant, debits, source, now)
        if tenant.try_acquire(passable, now):
            consumed = passable
        elif (exchanger := self._exchanger(tenant)).degraded.since is not None:
            consumed = exchanger.degraded.admit(tenant, passable, source, now)
            exchanger.mark(tenant)
        else:
            consumed = await self._wait(tenant, passable, source)
        if len(consumed) < len(debits):
            consumed = tenant.record_overdraft(debits, consumed)
        self.replenish(tenant, consumed, self._clock.monotonic())
        return consumed

    def replenish(self, tenant: TenantLimits, consumed: Debits, now: float) -> None:
        """After an acquisition: report nearly spent budgets, and request more of what is low."""
        for bucket, _ in consumed:
            if bucket.kind is BucketKind.BUDGET and bucket.is_nearly_exhausted:
                self._events.budget(tenant.tenant, bucket, now)
            if bucket.holding <= bucket.low:
                tenant.note_low(bucket)
                exchanger = self._exchanger(tenant)
                if exchanger.degraded.since is None:
                    exchanger.request_soon(tenant)

    def report(self, tenant: TenantLimits) -> None:
        """Something was returned or overdrawn: to be reported within half a lease time."""
        self._schedule(tenant, self._clock.monotonic() + self._terms.ttl_s / 2)

    async def refresh(self, tenant: TenantLimits, buckets: list[LeasedBucket]) -> None:
        """Ask for the levels of buckets without acquiring; a no-op without the authority."""
        unopened = {bucket: 0.0 for bucket in buckets if not bucket.known}
        await self._exchanger(tenant).load_usage(tenant, unopened)
        before = {bucket: bucket.acked for bucket in buckets}
        for _ in range(MAX_EXCHANGES):
            unanswered = {bucket for bucket, acked in before.items() if bucket.acked == acked}
            exchanger = self._exchanger(tenant)
            if not unanswered or exchanger.degraded.since is not None:
                return
            tenant.to_refresh.update(unanswered)
            exchanger.request(tenant)
            await exchanger.wait_for_exchange()

    def tick(self, now: float) -> None:
        """Begin what is due in every shard."""
        for exchanger in list(self._by_session.values()):
            exchanger.tick(now)

    async def return_all(self) -> None:
        """Return all leases."""
        await self._finish()
        for tenant in list(self._tenants.values()):
            for bucket in tenant.buckets.values():
                bucket.release_all()
            tenant.look_at_all()
            if tenant.buckets:
                self._request(tenant)
        await self._finish()

    @property
    def exchanges(self) -> int:
        """Calls of authorities so far."""
        return sum(exchanger.exchanges for exchanger in self._by_session.values())

    @property
    def is_up(self) -> bool:
        """Whether every authority answers."""
        return all(each.degraded.since is None for each in self._by_session.values())

    def _locate(self, tenant: str) -> ShardExchanger:
        authority = self._authority
        if isinstance(authority, AuthorityShards):
            authority = authority.locate(tenant)
        shard = self._shards.get(id(authority))
        if shard is None:
            exchanger = ShardExchanger(authority, self._terms)
            shard = self._shards[id(authority)] = authority, exchanger
            self._by_session[exchanger.session] = exchanger
        return shard[1]

    def _exchanger(self, tenant: TenantLimits) -> ShardExchanger:
        return self._by_session.get(tenant.session) or self._locate(tenant.tenant)

    def _request(self, tenant: TenantLimits) -> None:
        self._exchanger(tenant).request(tenant)

    def _schedule(self, tenant: TenantLimits, at: float) -> None:
        self._exchanger(tenant).schedule(tenant, at)

    def _relocate(self) -> None:
        """Move tenants to the exchangers of their owners, with their leases."""
        now = self._clock.monotonic()
        for tenant in list(self._tenants.values()):
            before, after = self._exchanger(tenant), self._locate(tenant.tenant)
            if before is after:
                continue
            is_needed = before.release(tenant)
            if after.exchanges == 0:
                after.session.expires = max(after.session.expires, before.session.expires)
            tenant.move(after.session, now)
            after.tenants[tenant.tenant] = tenant
            after.schedule(tenant, now + self._terms.ttl_s / 5)
            if is_needed:
                after.request(tenant)
        for key, (_, exchanger) in list(self._shards.items()):
            if not exchanger.tenants:
                exchanger.degraded.retire(now)
                del self._shards[key], self._by_session[exchanger.session]

    async def _finish(self) -> None:
        running: Iterable[ShardExchanger] = list(self._by_session.values())
        await asyncio.gather(*(exchanger.finish() for exchanger in running))

    def _check_refusals(
        self, tenant: TenantLimits, debits: Debits, source: Source, now: float
    ) -> Debits:
        """Raises refusals that are certain without an exchange. The debits that may pass: those of
        limits in shadow mode are dropped instead."""
        passable = []
        for debit in debits:
            bucket, amount = debit
            too_large = amount > bucket.limit.spec.capacity
            denied = too_large or bucket.is_denied(amount, now)
            if not denied or bucket.available(now) >= amount:
                passable.append(debit)
                continue
            self._events.hit(tenant.tenant, bucket, source, now)
            if bucket.limit.shadow:
                continue
            if too_large:
                raise exceeds_capacity(bucket.limit, amount)
            raise limit_exceeded(bucket.limit, amount, max(0.001, bucket.retry_at - now))
        return tuple(passable)

    async def _wait(self, tenant: TenantLimits, debits: Debits, source: Source) -> Debits:
        pending = PendingAcquire(debits, source, asyncio.get_running_loop().create_future())
        tenant.enqueue(pending)
        self._request(tenant)
        try:
            return await pending.future
        except asyncio.CancelledError:
            if pending in tenant.pending:
                tenant.dequeue(pending)
            elif not pending.future.cancelled() and pending.future.exception() is None:
                for bucket, amount in pending.future.result():
                    bucket.release(amount, 0, bucket.resets)
            raise
