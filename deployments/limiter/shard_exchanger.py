"""The exchanges of this replica with one authority shard, one at a time for all tenants of it.

In: tenants that need credits now, soon, or have something to report. Out: grants in their buckets,
and decisions for the requests that waited. While one exchange is under way the next one gathers.
Between two, there are as many milliseconds as other replicas share the shard, so that the number
of exchanges an authority sees stays the same; what is not waited for joins the limiter's tick.
A tenant costs nothing until its next check, and none after it is idle.
"""

import asyncio
import heapq
import itertools
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from cluster.metrics.catalogue import limits as limit_metrics
from cluster.metrics.series import Histogram
from cluster.runtime.background import create_detached_task
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Overloaded
from cluster.tenants.units import Unit
from deployments.contracts.limits import (
    Authority,
    AuthorityUnavailable,
    BucketKind,
    ExchangeResult,
    LeaseRequest,
    TenantsMoved,
)
from deployments.limiter.degraded_mode import DegradedMode, ReplicaCount
from deployments.limiter.events import LimitEventEmitter
from deployments.limiter.leased_bucket import LeasedBucket
from deployments.limiter.pending_decisions import OPENING_S, PendingDecisions
from deployments.limiter.session import LeaseSession
from deployments.limiter.tenant_limits import TenantLimits

_LEDGER_S = 2.0  # a read of the ledger may take, and then is not repeated for
_MAX_TENANTS = 1000  # in one exchange, which bounds its size and its time at the authority
_HEARTBEAT = 0.6  # lease times after which a session is renewed though nothing is requested
_SOON = 0.02  # lease times for which requests for low credits gather
_PACE_S = 0.001  # between two exchanges, for each other replica; at most _MAX_PACE lease times
_MAX_PACE = 0.1
_TURN_S = 0.002

# By the ledger: tenant, unit, first day, last day, subject ("": the tenant itself).
BudgetUsage = Callable[[str, Unit, str, str, str], Awaitable[int]]
Batch = list[tuple[TenantLimits, list[LeasedBucket]]]


@dataclass(frozen=True)
class ExchangeTerms:
    """What all exchanges of one limiter have in common."""

    replica: str
    clock: Clock
    budget_usage: BudgetUsage
    events: LimitEventEmitter
    ttl_s: float
    patience_s: float
    forget: Callable[[TenantLimits], None]  # an idle tenant
    relocate: Callable[[], None]  # tenants have other owners
    request: Callable[[TenantLimits], None]  # another exchange, wherever the tenant is now
    schedule: Callable[[TenantLimits, float], None]
    replicas: ReplicaCount = field(default_factory=ReplicaCount)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    times: Histogram = field(default_factory=lambda: Histogram(limit_metrics.EXCHANGES))


class ShardExchanger:
    """`tenants` are those of this shard, by id."""

    def __init__(self, authority: Authority, terms: ExchangeTerms) -> None:
        self._authority = authority
        self._terms = terms
        self.session = LeaseSession()
        self.degraded = DegradedMode(terms.events, terms.ttl_s, terms.replicas)
        self.decisions = PendingDecisions(terms.clock, terms.events, self.degraded, terms.ttl_s)
        self.tenants: dict[str, TenantLimits] = {}
        self.exchanges = 0
        self._number = 0  # of the exchange under way
        self._next: dict[TenantLimits, None] = {}
        self._waiting: dict[TenantLimits, None] = {}  # with pending requests
        self._checks: list[tuple[float, int, TenantLimits]] = []
        self._orders = itertools.count()
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._done: asyncio.Event = asyncio.Event()
        self._sent_at = -math.inf
        self._pace_s = 0.0

    def request(self, tenant: TenantLimits) -> None:
        """Exchange for this tenant as soon as may be."""
        self._next[tenant] = None
        if tenant.pending:
            self._waiting[tenant] = None
        self._start()

    def request_soon(self, tenant: TenantLimits) -> None:
        """The same with the next exchange of others, or a little later."""
        self._next[tenant] = None
        if self._task is None and self._timer is None:
            delay_s = _SOON * self._terms.ttl_s
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._start)

    def mark(self, tenant: TenantLimits) -> None:
        """The next exchange, whatever begins it, is for this tenant too."""
        self._next[tenant] = None

    def release(self, tenant: TenantLimits) -> bool:
        """The tenant has another owner. Whether it needs an exchange."""
        self.tenants.pop(tenant.tenant, None)
        self._waiting.pop(tenant, None)
        tenant.check_at = math.inf
        was_next = tenant in self._next
        self._next.pop(tenant, None)
        return was_next or bool(tenant.pending)

    def schedule(self, tenant: TenantLimits, at: float) -> None:
        """Look at the tenant's buckets then, or before."""
        if at < tenant.check_at:
            tenant.check_at = at
            heapq.heappush(self._checks, (at, next(self._orders), tenant))

    def tick(self, now: float) -> None:
        """Begin what is due: reports, the session's renewal, a probe of a lost authority."""
        while self._checks and self._checks[0][0] <= now:
            at, _, tenant = heapq.heappop(self._checks)
            if tenant.check_at == at and self.tenants.get(tenant.tenant) is tenant:
                tenant.check_at = math.inf
                self._check(tenant, now)
        if self._next or self._is_stale(now) or self.degraded.since is not None:
            self._start()

    async def wait_for_exchange(self) -> None:
        """Until the exchange under way, or the next one, has ended; at most the patience."""
        done = self._done
        try:
            async with asyncio.timeout(self._terms.patience_s):
                await done.wait()
        except TimeoutError:
            pass

    async def finish(self) -> None:
        """Wait for the exchanges that are under way."""
        if self._task is not None:
            await asyncio.wait({self._task})

    def _check(self, tenant: TenantLimits, now: float) -> None:
        tenant.evict_idle_subjects(now)
        if tenant.pending or tenant in self._next:
            return
        if tenant.due(now):
            self._next[tenant] = None
        elif tenant.evict_idle():
            self._terms.forget(tenant)
        else:
            after_s = max(self._terms.ttl_s / 5, tenant.check_after_s())
            self.schedule(tenant, now + after_s)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None:
            self._task = create_detached_task(self._run())

    async def _run(self) -> None:
        """Exchange until no tenant needs it."""
        try:
            while await self._exchange() and self._next:
                pass
        except Exception:  # an error of our own
            self._fail_waiting()
            self._reschedule(self.tenants.values())
            raise
        finally:
            self._task = None

    def _fail_waiting(self) -> None:
        for tenant in self._waiting:
            for pending in list(tenant.pending):
                tenant.dequeue(pending)
                if not pending.future.done():
                    problem = Overloaded("Limits cannot be checked right now.")
                    pending.future.set_exception(problem)
        self._waiting.clear()

    async def _exchange(self) -> bool:
        """One exchange; False when it was not answered."""
        terms = self._terms
        wait_s = self._sent_at + self._pace_s - terms.clock.monotonic()
        if 0 < wait_s <= self._pace_s:
            await asyncio.sleep(wait_s)
        sent_at = terms.clock.monotonic()
        if sent_at >= self.session.expires:
            self._void_leases()
        batch, requests = self._gather(sent_at)
        if not (requests or self._is_stale(sent_at) or self.degraded.since is not None):
            return True
        self._sent_at = sent_at
        self.exchanges += 1
        self._number = number = self.exchanges
        timer = asyncio.get_running_loop().call_later(
            terms.patience_s, self._overdue, number, sent_at + terms.patience_s
        )
        outcome = "answered"
        try:
            result = await self._authority.exchange(
                terms.replica, self.session.epoch, terms.ttl_s, requests
            )
        except AuthorityUnavailable:
            outcome = "unavailable"
            self.degraded.misses += 1
            self._enter_degraded_mode()
            self._reschedule(tenant for tenant, _ in batch)
            return False
        except TenantsMoved:
            outcome = "moved"
            terms.relocate()
            for tenant, _ in batch:
                terms.request(tenant)
            return True
        finally:
            timer.cancel()
            terms.times.observe((outcome,), terms.clock.monotonic() - sent_at)
            self._number = 0
            self._done.set()
            self._done = asyncio.Event()
        self._accept(result, sent_at)
        self._apply(batch, result)
        return True

    def _is_stale(self, now: float) -> bool:
        """Whether the session is to be renewed though nothing is requested."""
        return bool(self.tenants) and now >= self._sent_at + _HEARTBEAT * self._terms.ttl_s

    def _gather(self, now: float) -> tuple[Batch, list[LeaseRequest]]:
        """The next tenants, the buckets that they report, and their lease requests."""
        terms = self._terms
        batch: Batch = []
        requests: list[LeaseRequest] = []
        for tenant in list(itertools.islice(self._next, _MAX_TENANTS)):
            del self._next[tenant]
            if some := tenant.lease_requests(terms.numbers, now):
                batch.append((tenant, [tenant.buckets[request.spec.key] for request in some]))
                requests += some
            else:  # what was low was returned meanwhile; its check may have passed by
                self.schedule(tenant, now + max(terms.ttl_s / 5, tenant.check_after_s()))
        return batch, requests

    def _accept(self, result: ExchangeResult, sent_at: float) -> None:
        """Note the authority's epoch, its replicas, and whether it answered in time."""
        terms, session = self._terms, self.session
        now = terms.clock.monotonic()
        has_forgotten = session.epoch not in ("", result.epoch)
        if not (result.continued or has_forgotten):
            self._void_leases()
        if has_forgotten:
            for tenant in self.tenants.values():
                if tenant.epoch not in ("", result.epoch):
                    for bucket in tenant.buckets.values():
                        bucket.reset_lease(now)
                    tenant.look_at_all()
                    self._next[tenant] = None
            self.degraded.keep_replicas(now)
        session.epoch = result.epoch
        session.renew(sent_at, terms.ttl_s)
        self.degraded.note_replicas(result.replicas, now)
        session.replicas = self.degraded.replicas
        longest_s = min(_MAX_PACE * terms.ttl_s, terms.patience_s / 4)
        self._pace_s = min(longest_s, _PACE_S * (result.replicas - 1))
        if now - sent_at <= terms.patience_s:
            self.degraded.end(now)
        else:
            self.degraded.misses += 1

    def _apply(self, batch: Batch, result: ExchangeResult) -> None:
        terms = self._terms
        now, grants = terms.clock.monotonic(), iter(result.grants)
        for tenant, buckets in batch:
            tenant.epoch = result.epoch
            answered: set[LeasedBucket] = set()
            unknown: dict[LeasedBucket, float] = {}  # budgets that are not open yet: retry after
            for bucket, grant in zip(buckets, grants, strict=False):
                if bucket.apply_grant(grant, now):
                    answered.add(bucket)
                if not grant.known and bucket.waiting:
                    unknown[bucket] = grant.retry_after_s
            opening = {bucket for bucket, retry_s in unknown.items() if retry_s <= OPENING_S}
            if opening:
                tenant.opening |= opening
                create_detached_task(self._open_budgets(tenant, opening))
            self._conclude(tenant, answered, unknown)
            for bucket in buckets:
                if bucket.kind is BucketKind.BUDGET:
                    terms.events.budget(tenant.tenant, bucket, now)

    async def _open_budgets(self, tenant: TenantLimits, opening: set[LeasedBucket]) -> None:
        """Ask the ledger. Requests for these budgets wait for it, and are in no exchange."""
        unknown = dict.fromkeys(opening, 0.0)
        try:
            await self.load_usage(tenant, unknown)
        finally:
            tenant.opening -= opening
        late = {bucket: retry_s for bucket, retry_s in unknown.items() if retry_s > OPENING_S}
        self._conclude(tenant, set(), late)

    async def load_usage(self, tenant: TenantLimits, unknown: dict[LeasedBucket, float]) -> None:
        """Read the ledger's figures for budgets that the authority has not opened yet."""
        for bucket, retry_s in list(unknown.items()):
            limit = bucket.limit
            if retry_s > OPENING_S:
                continue
            try:
                async with asyncio.timeout(_LEDGER_S):
                    tenant.spent[limit.spec.key] = await self._terms.budget_usage(
                        tenant.tenant, limit.unit, limit.first_day, limit.last_day, limit.subject
                    )
            except Exception:  # noqa: BLE001 - no figure, whatever the cause: refused
                unknown[bucket] = _LEDGER_S

    def _conclude(
        self,
        tenant: TenantLimits,
        reported: set[LeasedBucket],
        unknown: dict[LeasedBucket, float],
    ) -> None:
        """Decide what waits; go on with what still does."""
        self.decisions.resolve(tenant, reported, unknown)
        if tenant.pending:
            self._terms.request(tenant)
        else:
            self._waiting.pop(tenant, None)
            now = self._terms.clock.monotonic()
            self._terms.schedule(tenant, now + tenant.check_after_s())

    def _reschedule(self, tenants: Iterable[TenantLimits]) -> None:
        now = self._terms.clock.monotonic()
        for tenant in tenants:
            self._terms.schedule(tenant, now + tenant.check_after_s())

    def _void_leases(self) -> None:
        for tenant in self.tenants.values():
            for bucket in tenant.buckets.values():
                bucket.void_lease()
                if bucket.is_unreported:
                    self._next[tenant] = None
                    tenant.look_at_all()

    def _overdue(self, number: int, since: float) -> None:
        """The patience has run out. Wait one more turn of the loop, in case the result is here; if
        the loop has stood still, as long again, at most the patience."""
        late_s = self._terms.clock.monotonic() - since
        wait_s = min(max(_TURN_S, late_s), self._terms.patience_s)
        asyncio.get_running_loop().call_later(wait_s, self._give_up, number)

    def _give_up(self, number: int) -> None:
        if self._number == number:
            self._enter_degraded_mode()

    def _enter_degraded_mode(self) -> None:
        """No request waits any longer; a late result still counts when it comes."""
        now = self._terms.clock.monotonic()
        self.degraded.enter(now)
        for tenant in list(self._waiting):
            self.decisions.resolve_degraded(tenant, now)
        self._waiting.clear()
