"""Admission to one model: refuses what cannot be served in time, queues the rest fairly.

In: a request's tenant, priority, choices and deadline. Out: a `QueueTicket` whose slots its task
awaits, or a Problem with the time after which to retry.
"""

import asyncio
from bisect import bisect_left
from collections.abc import Iterator
from types import TracebackType
from typing import Self

from cluster.metrics.catalogue import generation
from cluster.metrics.metric import DURATION_S
from cluster.metrics.series import Reading, Sample
from cluster.runtime.clock import Clock
from cluster.runtime.problems import Draining, InvalidRequest, Overloaded, Problem, RateLimited
from cluster.tenants.caller import Priority
from cluster.tenants.units import CostWeights
from deployments.contracts.generation import GenerateRequest
from deployments.model.queueing.backlog import QueuedRequest, TenantQueue
from deployments.model.queueing.fair_queue import FairQueue
from deployments.model.queueing.latency_stats import LatencyStats
from deployments.model.queueing.shedding import Shedder

_SMOOTHING = 0.1
_FIRST_ESTIMATE_S = 1.0
_MAX_RETRY_S = 60.0
_TOLERANCE = 1.2
_COST = CostWeights()


class Admission:
    """A fair queue of at most `max_waiting` slots in front of `max_running`.

    While slots are free, a request costs a microsecond or two and no task switch. Otherwise it is
    refused if it cannot start before its deadline, if the shedder decides so (never while its
    tenant uses and awaits no more than its share of the running slots), or if the queue is full of
    requests of tenants with shorter backlogs. Where its own backlog is the shorter one, the newest
    request of the longest backlog makes room. A tenant over its share of the queue, with others
    present, gets 429 `fair-share`; any other 503.
    """

    def __init__(
        self,
        max_running: int,
        max_waiting: int,
        target_wait_s: float,
        clock: Clock,
        cache_tokens: int = 0,
    ) -> None:
        self.max_waiting = max_waiting
        self.closed = False
        self.shedder = Shedder(target_wait_s, clock)
        self.queue = FairQueue(max_running, clock, self._on_granted)
        self.latency = LatencyStats(clock)
        self.clock = clock
        self._cache_tokens = cache_tokens
        self._mean_s: float | None = None
        # By priority: counts of waits by DURATION_S and one beyond, and their sum.
        self._waits = {each: [0.0] * (len(DURATION_S) + 2) for each in Priority}

    @property
    def running(self) -> int:
        return self.queue.running

    @property
    def waiting(self) -> int:
        return self.queue.waiting

    def admit(self, request: GenerateRequest) -> "QueueTicket":
        """A ticket for the request's choices; some or all of its slots may have to be awaited.

        Enter it with `with`. Raises Draining after `close`, InvalidRequest where the choices could
        never be held, RateLimited (429, limit `fair-share`) and Overloaded (503).
        """
        now = self.clock.monotonic()
        self.latency.record_arrival(now)
        if self.closed:
            raise _draining()
        queue, caller, slots = self.queue, request.caller, request.n
        tenant = queue.tenant(caller.tenant, caller.weight)
        ticket = QueueTicket(self, tenant, request, now)
        if queue.waiting or queue.running + slots > queue.limit:
            self._check(ticket, request.patience_s, slots - (0 if queue.waiting else queue.free))
        queue.enter(ticket)
        return ticket

    def release(self, ticket: "QueueTicket") -> None:
        """The request has ended, in whatever way: every slot of its ticket is free again."""
        now = self.clock.monotonic()
        self.latency.tokens -= ticket.tokens
        if ticket.finished == ticket.slots:
            self.latency.record_response(ticket.since, now)
            later = ticket.output_tokens - ticket.first_tokens
            if ticket.streams and later > 0:
                seconds = (now - ticket.first_at) * ticket.slots / later
                self.latency.record_time_per_token(seconds)
        if ticket.granted:
            wait_s, waits = ticket.started - ticket.since, self._waits[ticket.priority]
            waits[bisect_left(DURATION_S, wait_s)] += 1
            waits[-1] += wait_s
            held_s = now - ticket.started
            mean_s = held_s if self._mean_s is None else self._mean_s
            self._mean_s = mean_s + _SMOOTHING * (held_s - mean_s)
        self.queue.leave(ticket)

    def close(self) -> None:
        """Refuse new requests and waiting ones."""
        self.closed = True
        for tenant in self.queue.backlogged():
            while tenant.waiting:
                self.queue.drop(tenant.backlog.first(), _draining())

    def load(self) -> dict[str, int | float]:
        """Slots in use and waited for, by priority; mean queue wait of the last half second."""
        return {
            "running": self.running,
            "queued": self.waiting,
            **{f"queued_{name}": slots for name, slots in self.queue.waiting_by.items()},
            "queue_wait_s": self.shedder.wait_s(queued=self.waiting > 0),
        }

    def report(self) -> dict[str, float]:
        """Prompt and output tokens of open requests and their maximum; arrivals, refused ones
        included, and latencies, over the last half minute."""
        tokens = {"tokens": self.latency.tokens, "tokens_capacity": self._cache_tokens}
        return tokens | self.latency.summary()

    def read_metrics(self, model: str) -> Iterator[Reading]:
        """Waits of requests that have ended, and their times."""
        waits: list[Sample] = [
            ((model, str(priority)), ([int(n) for n in cell[:-1]], cell[-1], {}))
            for priority, cell in self._waits.items()
            if any(cell)
        ]
        yield generation.QUEUE_WAIT, waits
        if self._cache_tokens:
            used = self.latency.tokens / self._cache_tokens
            yield generation.KV_USED, [((model,), used)]
        yield from self.latency.read_metrics(model)

    def _on_granted(self, entry: QueuedRequest) -> None:
        over_share = self._over_share(entry.tenant, 1)
        self.shedder.observe_wait(entry.priority, over_share, entry.started - entry.since)

    def _check(self, ticket: "QueueTicket", patience_s: float, more: int) -> None:
        """Raise the newcomer's refusal, or make room for `more` slots."""
        capacity = self.queue.limit + self.max_waiting
        if ticket.slots > capacity:
            raise InvalidRequest(
                f"n is {ticket.slots}; the model holds {capacity} at once.", param="n"
            )
        tenant = ticket.tenant
        ahead_s = tenant.backlog.ahead(ticket.priority) * self._per_slot_s()
        if self._mean_s is not None and ahead_s > patience_s:
            raise Overloaded(
                f"It would not start before its deadline: the queue alone takes {ahead_s:.1f} s.",
                retry_after_s=self._retry_after_s(tenant, more),
            )
        if self._sheds(ticket, more):
            raise self._refusal(tenant, more)
        self._make_room(ticket, more)

    def _sheds(self, ticket: "QueueTicket", more: int) -> bool:
        tenant, queue = ticket.tenant, self.queue
        slots = tenant.running + tenant.waiting + more
        if self._mean_s is None or slots <= self._share(tenant) * queue.limit:
            return False
        over_share, wait_s = self._over_share(tenant, more), self._wait_s(tenant, more)
        return self.shedder.sheds(ticket.priority, over_share, wait_s, queued=queue.waiting > 0)

    def _make_room(self, newcomer: "QueueTicket", more: int) -> None:
        """Drop the newest requests of longer backlogs until `more` slots fit."""
        lacking = self.queue.waiting + more - self.max_waiting
        while lacking > 0:
            victim = self._victim(newcomer, more)
            if victim is None:
                raise self._refusal(newcomer.tenant, more)
            lacking -= victim.waiting
            for_another = victim.tenant is not newcomer.tenant
            self.queue.drop(victim, self._refusal(victim.tenant, 0, for_another))

    def _victim(self, newcomer: "QueueTicket", more: int) -> QueuedRequest | None:
        """The newest entry of the longest backlog, or a less important one of the newcomer's own
        tenant if that has the longest."""
        tenant = newcomer.tenant
        own = (tenant.waiting + more) / tenant.weight
        others = self.queue.backlogged()
        longest = max(others, key=lambda t: t.waiting / t.weight, default=tenant)
        if longest is not tenant and longest.waiting / longest.weight > own:
            return longest.backlog.shed_candidate()
        return tenant.backlog.shed_candidate(below=newcomer.priority)

    def _refusal(self, tenant: TenantQueue, more: int, for_another: bool = False) -> Problem:
        retry_after_s = self._retry_after_s(tenant, more)
        if for_another or self._over_share(tenant, more):
            return RateLimited(
                f"This tenant waits for {tenant.waiting} slots of a busy model, "
                "which is more than its share.",
                retry_after_s,
                "fair-share",
            )
        return Overloaded(
            f"The model is busy: {self.waiting} of {self.max_waiting} queue slots are taken.",
            retry_after_s=retry_after_s,
        )

    def _share(self, tenant: TenantQueue) -> float:
        """Its part of the weights of all tenants with an open request, itself included."""
        return tenant.weight / (self.queue.shares + (0.0 if tenant.open else tenant.weight))

    def _over_share(self, tenant: TenantQueue, more: int) -> bool:
        """Whether, with other tenants present, its part of the queue is over its share by more
        than a fifth."""
        share, queued = self._share(tenant), self.queue.waiting + more
        return share < 1.0 and tenant.waiting + more > _TOLERANCE * share * queued

    def _wait_s(self, tenant: TenantQueue, more: int) -> float:
        """The wait of the last of `more` new slots, as the queue stands."""
        own = (tenant.waiting + more) / self._share(tenant)
        return min(own, self.queue.waiting + more) * self._per_slot_s()

    def _retry_after_s(self, tenant: TenantQueue, more: int) -> float:
        """Until the tenant's backlog is short enough not to be shed."""
        excess_s = self._wait_s(tenant, more) - self.shedder.target_wait_s
        return min(_MAX_RETRY_S, max(1.0, excess_s))

    def _per_slot_s(self) -> float:
        """Seconds between two slots that become free while all are taken."""
        mean_s = _FIRST_ESTIMATE_S if self._mean_s is None else self._mean_s
        return mean_s / self.queue.limit


class QueueTicket(QueuedRequest):
    """A request's slots in the queue, for the task that runs it. Leave its `with` to free them.

    Each choice awaits its own slot, so that the choices of one request need not start together and
    no slot is held back for them; `finish_choice` frees the slot of a choice that has ended.
    """

    __slots__ = (
        "_admission", "_claimed", "_waiters", "first_at", "first_tokens", "output_tokens",
        "streams", "tokens",
    )  # fmt: skip

    def __init__(
        self, admission: Admission, tenant: TenantQueue, request: GenerateRequest, since: float
    ) -> None:
        super().__init__(tenant, request.priority, request.n, since, request.timeout_s)
        self.tokens = 0  # prompt and output so far
        self.output_tokens = 0
        self.first_tokens = 0  # of the first batch
        self.first_at = 0.0  # when that came; 0: none has
        self.streams = False  # whether the time of the first token is to be recorded
        self._admission = admission
        self._claimed = 0
        self._waiters: list[asyncio.Future[None]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admission.release(self)

    async def acquire_slot(self) -> None:
        """Wait until one more choice may run; at once if a slot is free.

        Raises Overloaded, RateLimited, Draining or DeadlineExceeded where the queue dropped it.
        """
        self._claimed += 1
        number = self._claimed
        while self.granted < number:
            if self.refusal is not None:
                raise self.refusal
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter

    def changed(self) -> None:
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    def charge_prompt_tokens(self, tokens: int) -> None:
        """The prompt's length is known."""
        admission = self._admission
        self.tokens += tokens
        admission.latency.tokens += tokens
        admission.queue.charge(self, tokens * _COST.input_tokens)

    def charge_output_tokens(self, tokens: int) -> None:
        """A choice grew by `tokens`."""
        admission = self._admission
        if self.first_at == 0.0:
            self.first_at, self.first_tokens = admission.clock.monotonic(), tokens
            if self.streams:
                admission.latency.record_first_token(self.since, self.first_at)
        self.tokens += tokens
        self.output_tokens += tokens
        admission.latency.tokens += tokens
        admission.queue.charge(self, tokens * _COST.output_tokens)

    def finish_choice(self) -> None:
        """One choice has ended."""
        self._admission.queue.finish(self)


def _draining() -> Draining:
    return Draining("This replica is shutting down; another one will answer.")
