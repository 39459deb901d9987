"""Exchanges with the authority, one at a time for each tenant, and life without it.

In: accounts with requests that wait. Out: their credits, or refusals. Every wait ends after one
exchange, or after `patience_s` without an answer; then nobody waits until one comes in time again.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable

from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded, Problem
from cluster.tenants.units import Unit
from deployments.contracts.limits import Authority, AuthorityUnavailable, BucketKind, ExchangeResult
from deployments.limiter.degraded_mode import DegradedMode
from deployments.limiter.errors import budget_unknown, exceeds_capacity, limit_exceeded
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.tenant_state import Parts, PendingAcquire, Source, TenantLimits

_ROUNDS = 4  # exchanges after which a request that others overtook is refused
_LEARNING_S = 0.01  # a budget refused for longer than this waits for the ledger, not for us

Spent = Callable[[str, Unit, str, str], Awaitable[int]]


class LeaseClient:
    """Carries asks of accounts and hands out what comes back, in the order of arrival."""

    def __init__(
        self,
        authority: Authority,
        replica: str,
        clock: Clock,
        spent: Spent,
        announcer: LimitEventEmitter,
        ttl_s: float,
        patience_s: float,
    ) -> None:
        self._authority = authority
        self._replica = replica
        self.clock = clock
        self._spent = spent
        self._announcer = announcer
        self._ttl_s = ttl_s
        self._patience_s = patience_s
        self._numbers = itertools.count(1)
        self._epochs: dict[int, str] = {}
        self.accounts: dict[str, TenantLimits] = {}
        self.outage = DegradedMode(announcer, ttl_s)
        self.exchanges = 0

    async def acquire(
        self, account: TenantLimits, parts: Parts, source: Source, now: float
    ) -> Parts:
        """The parts that were taken: all, but for limits in shadow mode that had no room."""
        if self.try_acquire(account, parts, now):
            return parts
        taken = await self._acquire(account, parts, source, now)
        if len(taken) < len(parts):
            taken = account.record_overdraft(parts, taken)
        self._look_after(account, taken, self.clock.monotonic())
        return taken

    def try_acquire(self, account: TenantLimits, parts: Parts, now: float) -> bool:
        """Spend credits in hand: all parts, or none and False."""
        taken = account.try_acquire(parts, now)
        if taken:
            self._look_after(account, parts, now)
        return taken

    def _look_after(self, account: TenantLimits, taken: Parts, now: float) -> None:
        """Tell of budgets that run out, and ask for more of what is low."""
        for purse, _ in taken:
            if purse.kind is BucketKind.BUDGET and purse.is_nearly_exhausted:
                self._announcer.budget(account.tenant, purse, now)
            if purse.holding <= purse.low and self.outage.since is None:
                self.start(account)

    async def _acquire(
        self, account: TenantLimits, parts: Parts, source: Source, now: float
    ) -> Parts:
        parts = self._passable(account, parts, source, now)
        if account.try_acquire(parts, now):
            return parts
        if self.outage.since is not None:
            account.probe = True
            return self.outage.admit(account, parts, source, now)
        waiter = PendingAcquire(parts, source, asyncio.get_running_loop().create_future())
        account.enqueue(waiter)
        self.start(account)
        try:
            return await waiter.future
        except asyncio.CancelledError:
            self._abandon(account, waiter)
            raise

    def start(self, account: TenantLimits) -> None:
        """Begin an exchange unless one is under way, which then is followed by another."""
        if account.task is None:
            account.task = create_detached_task(self._run(account))

    async def refresh(self, account: TenantLimits, purses: list[LeasedBucket]) -> None:
        """Ask what is left of limits, and take nothing; without the authority, ask nobody."""
        await self._quiet(account)
        await self._state_spent(account, {purse: 0.0 for purse in purses if not purse.known})
        account.looking.update(purses)
        for _ in range(_ROUNDS):
            if not account.looking or self.outage.since is not None:
                return
            self.start(account)
            await self._quiet(account)

    async def _quiet(self, account: TenantLimits) -> None:
        """Until the exchange under way has ended, or the patience."""
        if account.task is not None:
            await asyncio.wait({account.task}, timeout=self._patience_s)

    def probe(self) -> None:
        """While the authority is away: one exchange at a time, of anyone who needs it."""
        if any(account.task is not None for account in self.accounts.values()):
            return
        now = self.clock.monotonic()
        for account in self.accounts.values():
            if account.probe or account.due(now):
                account.probe = False
                self.start(account)
                return

    async def _run(self, account: TenantLimits) -> None:
        try:
            while await self._round(account) and account.waiters:
                pass
        finally:
            account.task = None
            for waiter in list(account.waiters):  # only after an error of our own
                account.dequeue(waiter)
                if not waiter.future.done():
                    waiter.future.set_exception(Overloaded("Limits cannot be checked right now."))

    async def _round(self, account: TenantLimits) -> bool:
        """One exchange; False when there was none."""
        sent_at = self.clock.monotonic()
        asks = account.asks(self._numbers, sent_at)
        if not asks:
            return False
        asked = [account.purses[ask.spec.key] for ask in asks]
        epoch = self._epochs.get(account.shard, "")
        timer = asyncio.get_running_loop().call_later(self._patience_s, self._overdue, account)
        self.exchanges += 1
        try:
            exchange = await self._authority.exchange(self._replica, epoch, self._ttl_s, asks)
        except AuthorityUnavailable:
            self.outage.misses += 1
            self._give_up(account)
            return False
        finally:
            timer.cancel()
        now = self.clock.monotonic()
        self._arrived(account, exchange, now - sent_at)
        account.spent.clear()
        unsure_of: dict[LeasedBucket, float] = {}
        for purse, grant in zip(asked, exchange.grants, strict=True):
            purse.apply_grant(grant, now)
            if not grant.known and purse.waiting:
                unsure_of[purse] = grant.retry_after_s
        await self._state_spent(account, unsure_of)
        self._resolve(account, set(asked), unsure_of)
        for purse in asked:
            if purse.kind is BucketKind.BUDGET:
                self._announcer.budget(account.tenant, purse, now)
        return True

    def _arrived(self, account: TenantLimits, exchange: ExchangeResult, took_s: float) -> None:
        known = self._epochs.get(account.shard, "")
        self._epochs[account.shard] = exchange.epoch
        if known and known != exchange.epoch:
            for other in self.accounts.values():
                if other.shard == account.shard:
                    for purse in other.purses.values():
                        purse.reset_leases()
        self.outage.replicas = max(1, exchange.replicas)
        if took_s <= self._patience_s:
            self.outage.end()
        else:
            self.outage.misses += 1

    async def _state_spent(
        self, account: TenantLimits, unsure_of: dict[LeasedBucket, float]
    ) -> None:
        """Fetch what the ledger knows of budgets that the authority has not opened yet."""
        for purse, retry_s in list(unsure_of.items()):
            limit = purse.limit
            if retry_s > _LEARNING_S:
                continue
            try:
                account.spent[limit.spec.key] = await self._spent(
                    account.tenant, limit.unit, limit.first_day, limit.last_day
                )
            except Exception:  # noqa: BLE001 - no figure, whatever the cause: refused
                unsure_of[purse] = 2.0

    def _resolve(
        self, account: TenantLimits, asked: set[LeasedBucket], unsure_of: dict[LeasedBucket, float]
    ) -> None:
        now = self.clock.monotonic()
        for waiter in list(account.waiters):
            lacking = [part for part in waiter.parts if part[0].available(now) < part[1]]
            try:
                keep = self._judge(account, waiter, lacking, asked, unsure_of, now)
            except Problem as problem:
                account.dequeue(waiter)
                if not waiter.future.done():
                    waiter.future.set_exception(problem)
            else:
                if keep is not None:
                    self._hand_over(account, waiter, keep)

    def _hand_over(self, account: TenantLimits, waiter: PendingAcquire, parts: Parts) -> None:
        account.dequeue(waiter)
        if not waiter.future.done():
            for purse, amount in parts:
                purse.consume(amount)
            waiter.future.set_result(parts)

    def _judge(
        self,
        account: TenantLimits,
        waiter: PendingAcquire,
        lacking: list[tuple[LeasedBucket, int]],
        asked: set[LeasedBucket],
        unsure_of: dict[LeasedBucket, float],
        now: float,
    ) -> Parts | None:
        """The parts to take now, or None to wait for the next round. Raises the refusal."""
        dropped = set()
        for purse, amount in lacking:
            room = purse.holding + purse.level
            if purse in unsure_of and unsure_of[purse] > _LEARNING_S:
                if not purse.limit.shadow:
                    raise budget_unknown(purse.limit, unsure_of[purse])
                dropped.add(purse)
                continue
            fresh = waiter.rounds == 0 or purse not in asked or purse in unsure_of
            changed = purse.asked != purse.limit.spec
            if (fresh or changed or amount <= room) and waiter.rounds < _ROUNDS:
                return None
            self._deny(account, waiter, purse, amount, now)
            dropped.add(purse)
        return tuple(part for part in waiter.parts if part[0] not in dropped)

    def _deny(
        self,
        account: TenantLimits,
        waiter: PendingAcquire,
        purse: LeasedBucket,
        amount: int,
        now: float,
    ) -> None:
        """Remember and tell that a limit has no room. Raises unless it is in shadow mode."""
        spec, room, retry_s = purse.limit.spec, purse.holding + purse.level, self._ttl_s
        if purse.kind is BucketKind.RATE:
            retry_s = max(purse.retry_s, (amount - room) / spec.rate, 0.001)
        elif purse.kind is BucketKind.BUDGET:
            retry_s = max(1.0, spec.until - self.clock.wall())
        purse.deny(amount, retry_s, now)
        self._announcer.hit(account.tenant, purse, waiter.source, now)
        if not purse.limit.shadow:
            raise limit_exceeded(purse.limit, amount, retry_s)

    def _passable(self, account: TenantLimits, parts: Parts, source: Source, now: float) -> Parts:
        """What is worth asking for: raises what is certain, drops what is only observed."""
        kept = []
        for part in parts:
            purse, amount = part
            over = amount > purse.limit.spec.capacity
            if not over and not purse.is_denied(amount, now) or purse.available(now) >= amount:
                kept.append(part)
            else:
                self._announcer.hit(account.tenant, purse, source, now)
                if not purse.limit.shadow:
                    if over:
                        raise exceeds_capacity(purse.limit, amount)
                    raise limit_exceeded(purse.limit, amount, max(0.001, purse.retry_at - now))
        return tuple(kept)

    def _overdue(self, account: TenantLimits) -> None:
        """The patience is over; one more turn of the loop, in case the answer is here."""
        task = account.task
        if task is not None:
            loop = asyncio.get_running_loop()
            loop.call_later(0.002, lambda: self._give_up(account) if account.task is task else 0)

    def _give_up(self, account: TenantLimits) -> None:
        """Nobody waits any longer; the late answer still counts when it comes."""
        now = self.clock.monotonic()
        self.outage.enter(now)
        for waiter in list(account.waiters):
            account.dequeue(waiter)
            if not waiter.future.done():
                try:
                    parts = self.outage.admit(account, waiter.parts, waiter.source, now)
                    waiter.future.set_result(parts)
                except Problem as problem:
                    waiter.future.set_exception(problem)

    def _abandon(self, account: TenantLimits, waiter: PendingAcquire) -> None:
        """The caller left: out of the line, or back with what it was just given."""
        if waiter in account.waiters:
            account.dequeue(waiter)
        elif not waiter.future.cancelled() and waiter.future.exception() is None:
            for purse, amount in waiter.future.result():
                purse.release(amount, 0, purse.voids)
