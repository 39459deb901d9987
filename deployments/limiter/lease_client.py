"""Exchanges with the authority, one at a time for each tenant, and the decisions that await them.

In: tenants with requests that wait. Out: their credits, or refusals. Every wait ends after a few
exchanges, or after `patience_s` without an answer; from then on no request waits until an exchange
is in time again (degraded mode). A budget that opens waits for the ledger besides.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded, Problem
from cluster.tenants.units import Unit
from deployments.contracts.limits import Authority, AuthorityUnavailable, BucketKind, ExchangeResult
from deployments.limiter.degraded_mode import DegradedMode
from deployments.limiter.errors import budget_unknown, exceeds_capacity, limit_exceeded
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_limits import Debits, PendingAcquire, Source, TenantLimits

_MAX_EXCHANGES = 4  # after which a request that others overtook is refused
_LEDGER_S = 2.0  # a read of the ledger may take, and then is not repeated for
_OPENING_S = 0.01  # a budget refused for longer than this waits for the ledger, not for us

BudgetUsage = Callable[[str, Unit, str, str], Awaitable[int]]


class LeaseClient:
    """Sends tenants' lease requests and hands out what is granted, in the order of arrival.

    `tenants` is read only; the limiter owns it.
    """

    def __init__(
        self,
        authority: Authority,
        replica: str,
        clock: Clock,
        tenants: Mapping[str, TenantLimits],
        budget_usage: BudgetUsage,
        events: LimitEventEmitter,
        ttl_s: float,
        patience_s: float,
    ) -> None:
        self._authority = authority
        self._replica = replica
        self._clock = clock
        self._tenants = tenants
        self._budget_usage = budget_usage
        self._events = events
        self._ttl_s = ttl_s
        self._patience_s = patience_s
        self._numbers = itertools.count(1)
        self._epochs: dict[int, str] = {}
        self.degraded = DegradedMode(events, ttl_s)
        self.exchanges = 0

    async def acquire(
        self, tenant: TenantLimits, debits: Debits, source: Source, now: float
    ) -> Debits:
        """Acquire what the credits in hand do not cover. The debits that were consumed: all, except
        for limits in shadow mode that had no room. Raises the refusal."""
        passable = self._check_refusals(tenant, debits, source, now)
        if tenant.try_acquire(passable, now):
            consumed = passable
        elif self.degraded.since is not None:
            consumed = self.degraded.admit(tenant, passable, source, now)
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
            if bucket.holding <= bucket.low and self.degraded.since is None:
                self.start(tenant)

    def start(self, tenant: TenantLimits) -> None:
        """Begin an exchange unless one is under way, which then is followed by another."""
        if tenant.exchange is None:
            tenant.exchange = create_detached_task(self._run(tenant))

    async def refresh(self, tenant: TenantLimits, buckets: list[LeasedBucket]) -> None:
        """Ask for the levels of buckets without acquiring; a no-op without the authority."""
        await self._wait_for_exchange(tenant)
        await self._load_usage(tenant, {bucket: 0.0 for bucket in buckets if not bucket.known})
        tenant.to_refresh.update(buckets)
        for _ in range(_MAX_EXCHANGES):
            if not tenant.to_refresh or self.degraded.since is not None:
                return
            self.start(tenant)
            await self._wait_for_exchange(tenant)

    def probe(self) -> None:
        """In degraded mode: one exchange at a time, of a tenant that needs one or else of any, so
        that it ends although no tenant has anything to report."""
        tenants = [tenant for tenant in self._tenants.values() if tenant.buckets]
        if not tenants or any(tenant.exchange is not None for tenant in tenants):
            return
        now = self._clock.monotonic()
        probed = next((tenant for tenant in tenants if tenant.due(now)), tenants[0])
        probed.to_refresh.update(probed.buckets.values())
        self.start(probed)

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
        self.start(tenant)
        try:
            return await pending.future
        except asyncio.CancelledError:
            if pending in tenant.pending:
                tenant.dequeue(pending)
            elif not pending.future.cancelled() and pending.future.exception() is None:
                for bucket, amount in pending.future.result():
                    bucket.release(amount, 0, bucket.resets)
            raise

    async def _wait_for_exchange(self, tenant: TenantLimits) -> None:
        if tenant.exchange is not None:
            await asyncio.wait({tenant.exchange}, timeout=self._patience_s)

    async def _run(self, tenant: TenantLimits) -> None:
        """Exchange until no request waits."""
        try:
            while await self._exchange(tenant) and tenant.pending:
                pass
        finally:
            tenant.exchange = None
            for pending in list(tenant.pending):  # only after an error of our own
                tenant.dequeue(pending)
                if not pending.future.done():
                    pending.future.set_exception(Overloaded("Limits cannot be checked right now."))

    async def _exchange(self, tenant: TenantLimits) -> bool:
        """One exchange; False when there was none."""
        sent_at = self._clock.monotonic()
        requests = tenant.lease_requests(self._numbers, sent_at)
        if not requests:
            return False
        buckets = [tenant.buckets[request.spec.key] for request in requests]
        epoch = self._epochs.get(tenant.shard, "")
        timer = asyncio.get_running_loop().call_later(self._patience_s, self._overdue, tenant)
        self.exchanges += 1
        try:
            result = await self._authority.exchange(self._replica, epoch, self._ttl_s, requests)
        except AuthorityUnavailable:
            self.degraded.misses += 1
            self._enter_degraded_mode(tenant)
            return False
        finally:
            timer.cancel()
        now = self._clock.monotonic()
        self._accept(tenant, result, now - sent_at)
        tenant.spent.clear()
        unknown: dict[LeasedBucket, float] = {}  # budgets that are not open yet: retry after
        for bucket, grant in zip(buckets, result.grants, strict=True):
            bucket.apply_grant(grant, now)
            if not grant.known and bucket.waiting:
                unknown[bucket] = grant.retry_after_s
        await self._load_usage(tenant, unknown)
        self._resolve(tenant, set(buckets), unknown)
        for bucket in buckets:
            if bucket.kind is BucketKind.BUDGET:
                self._events.budget(tenant.tenant, bucket, now)
        return True

    def _accept(self, tenant: TenantLimits, result: ExchangeResult, seconds: float) -> None:
        """Note the authority's epoch, its replicas, and whether it answered in time."""
        epoch = self._epochs.get(tenant.shard, "")
        self._epochs[tenant.shard] = result.epoch
        if epoch and epoch != result.epoch:
            for other in self._tenants.values():
                if other.shard == tenant.shard:
                    for bucket in other.buckets.values():
                        bucket.reset_leases()
        self.degraded.replicas = max(1, result.replicas)
        if seconds <= self._patience_s:
            self.degraded.end()
        else:
            self.degraded.misses += 1

    async def _load_usage(self, tenant: TenantLimits, unknown: dict[LeasedBucket, float]) -> None:
        """Read the ledger's figures for budgets that the authority has not opened yet."""
        for bucket, retry_s in list(unknown.items()):
            limit = bucket.limit
            if retry_s > _OPENING_S:
                continue
            try:
                async with asyncio.timeout(_LEDGER_S):
                    tenant.spent[limit.spec.key] = await self._budget_usage(
                        tenant.tenant, limit.unit, limit.first_day, limit.last_day
                    )
            except Exception:  # noqa: BLE001 - no figure, whatever the cause: refused
                unknown[bucket] = _LEDGER_S

    def _resolve(
        self,
        tenant: TenantLimits,
        reported: set[LeasedBucket],
        unknown: dict[LeasedBucket, float],
    ) -> None:
        """Hand the granted credits to pending requests, or refuse them."""
        now = self._clock.monotonic()
        for pending in list(tenant.pending):
            try:
                debits = self._decide(tenant, pending, reported, unknown, now)
            except Problem as problem:
                tenant.dequeue(pending)
                if not pending.future.done():
                    pending.future.set_exception(problem)
                continue
            if debits is None:
                continue
            tenant.dequeue(pending)
            if not pending.future.done():
                for bucket, amount in debits:
                    bucket.consume(amount)
                pending.future.set_result(debits)

    def _decide(
        self,
        tenant: TenantLimits,
        pending: PendingAcquire,
        reported: set[LeasedBucket],
        unknown: dict[LeasedBucket, float],
        now: float,
    ) -> Debits | None:
        """The debits to consume now, or None to wait for the next exchange. Raises the refusal."""
        dropped = set()
        for bucket, amount in pending.debits:
            if bucket.available(now) >= amount:
                continue
            if unknown.get(bucket, 0.0) > _OPENING_S:
                if not bucket.limit.shadow:
                    raise budget_unknown(bucket.limit, unknown[bucket])
                dropped.add(bucket)
                continue
            is_new = pending.exchanges == 0 or bucket not in reported or bucket in unknown
            has_changed = bucket.requested_spec != bucket.limit.spec
            has_room = amount <= bucket.holding + bucket.level
            if (is_new or has_changed or has_room) and pending.exchanges < _MAX_EXCHANGES:
                return None
            self._deny(tenant, pending, bucket, amount, now)
            dropped.add(bucket)
        return tuple(debit for debit in pending.debits if debit[0] not in dropped)

    def _deny(
        self,
        tenant: TenantLimits,
        pending: PendingAcquire,
        bucket: LeasedBucket,
        amount: int,
        now: float,
    ) -> None:
        """Remember and report that a limit has no room. Raises unless it is in shadow mode."""
        spec, room, retry_s = bucket.limit.spec, bucket.holding + bucket.level, self._ttl_s
        if bucket.kind is BucketKind.RATE:
            retry_s = max(bucket.retry_s, (amount - room) / spec.rate, 0.001)
        elif bucket.kind is BucketKind.BUDGET:
            retry_s = max(1.0, spec.until - self._clock.wall())
        bucket.deny(amount, retry_s, now)
        self._events.hit(tenant.tenant, bucket, pending.source, now)
        if not bucket.limit.shadow:
            raise limit_exceeded(bucket.limit, amount, retry_s)

    def _overdue(self, tenant: TenantLimits) -> None:
        """The patience has run out; wait one more turn of the loop, in case the result is here."""
        exchange = tenant.exchange
        if exchange is not None:
            asyncio.get_running_loop().call_later(0.002, self._give_up, tenant, exchange)

    def _give_up(self, tenant: TenantLimits, exchange: asyncio.Task[None]) -> None:
        if tenant.exchange is exchange:
            self._enter_degraded_mode(tenant)

    def _enter_degraded_mode(self, tenant: TenantLimits) -> None:
        """No request waits any longer; a late result still counts when it comes."""
        now = self._clock.monotonic()
        self.degraded.enter(now)
        for pending in list(tenant.pending):
            tenant.dequeue(pending)
            if not pending.future.done():
                try:
                    debits = self.degraded.admit(tenant, pending.debits, pending.source, now)
                    pending.future.set_result(debits)
                except Problem as problem:
                    pending.future.set_exception(problem)
