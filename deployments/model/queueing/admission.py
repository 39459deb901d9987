"""Who may use one model: refuses what cannot be served in time, queues the rest fairly.

In: a request's tenant, priority, choices and deadline. Out: a `QueueTicket` to await turns on, or a
Problem with the time after which to come back.
"""

from cluster.runtime.clock import Clock
from cluster.runtime.problems import Draining, InvalidRequest, Overloaded, Problem, RateLimited
from deployments.contracts.generation import GenerateRequest
from deployments.model.queueing.backlog import QueuedRequest, TenantQueue
from deployments.model.queueing.fair_queue import FairQueue
from deployments.model.queueing.latency_stats import LatencyStats
from deployments.model.queueing.shedding import Shedder
from deployments.model.queueing.ticket import QueueTicket

_SMOOTHING = 0.1
_FIRST_GUESS_S = 1.0
_LONGEST_RETRY_S = 60.0
_TOLERANCE = 1.2


class Admission:
    """A fair queue of at most `max_waiting` places in front of `max_running`.

    While places are free, a request costs a microsecond or two and no task switch. Otherwise
    it is refused if it cannot start before its deadline, if the shedder says so (never while its
    tenant holds and awaits no more than its share of the running places), or if the queue is
    full of requests of tenants with shorter backlogs. Where its own backlog is the
    shorter one, the newest request of the longest backlog makes room. A tenant over its share
    of the queue, with others present, is told 429 `fair-share`; anybody else 503.
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
        self.queue = FairQueue(max_running, clock, self._granted)
        self._clock = clock
        self._recent = LatencyStats(clock)
        self._cache_tokens = cache_tokens
        self._mean_s: float | None = None

    @property
    def running(self) -> int:
        return self.queue.running

    @property
    def waiting(self) -> int:
        return self.queue.waiting

    def admit(self, request: GenerateRequest) -> QueueTicket:
        """Places for the request's choices, some or all of them still to be waited for.

        Enter it with `with`. Raises Draining after `close`, InvalidRequest where the choices could
        never be held, RateLimited (429, limit `fair-share`) and Overloaded (503).
        """
        self._recent.arrived()
        if self.closed:
            raise _draining()
        queue, caller, n = self.queue, request.caller, request.n
        tenant = queue.tenant(caller.tenant, caller.weight)
        now = self._clock.monotonic()
        place = QueueTicket(
            queue, self._recent, self._left, tenant, request.priority, n, now, request.timeout_s
        )
        if queue.waiting or queue.running + n > queue.limit:
            self._check(place, request.patience_s, n - (0 if queue.waiting else queue.free))
        queue.enter(place)
        return place

    def close(self) -> None:
        """Refuse new requests and those that wait."""
        self.closed = True
        for tenant in self.queue.backlogged():
            while tenant.waiting:
                self.queue.drop(tenant.backlog.first(), _draining())

    def load(self) -> dict[str, int | float]:
        """Places in use and waited for, by priority; mean queue wait of the last half second."""
        return {
            "running": self.running,
            "queued": self.waiting,
            **{f"queued_{name}": places for name, places in self.queue.waiting_by.items()},
            "queue_wait_s": self.shedder.wait_s(queued=self.waiting > 0),
        }

    def report(self) -> dict[str, float]:
        """Tokens read and written for open requests and how many are held at most; arrivals,
        refused ones too, and how fast answers came, over the last half minute."""
        tokens = {"tokens": self._recent.tokens, "tokens_capacity": self._cache_tokens}
        return tokens | self._recent.figures()

    def _left(self, place: QueueTicket) -> None:
        self._recent.tokens -= place.tokens
        if place.finished == place.places:
            self._recent.whole(place.since)
        if place.granted:
            held_s = self._clock.monotonic() - place.started
            mean_s = held_s if self._mean_s is None else self._mean_s
            self._mean_s = mean_s + _SMOOTHING * (held_s - mean_s)
        self.queue.leave(place)

    def _granted(self, entry: QueuedRequest) -> None:
        over = self._over_share(entry.tenant, 1)
        self.shedder.observe_wait(entry.priority, over, entry.started - entry.since)

    def _check(self, place: QueueTicket, patience_s: float, more: int) -> None:
        """Raise what the newcomer is refused with, or see that there is room for `more`."""
        capacity = self.queue.limit + self.max_waiting
        if place.places > capacity:
            raise InvalidRequest(
                f"n is {place.places}; the model holds {capacity} at once.", param="n"
            )
        tenant = place.tenant
        ahead_s = tenant.backlog.ahead(place.priority) * self._per_place_s()
        if self._mean_s is not None and ahead_s > patience_s:
            raise Overloaded(
                f"It would not start before its deadline: the queue alone takes {ahead_s:.1f} s.",
                retry_after_s=self._retry_after_s(tenant, more),
            )
        if self._sheds(place, more):
            raise self._refusal(tenant, more)
        self._make_room(place, more)

    def _sheds(self, place: QueueTicket, more: int) -> bool:
        tenant, queue = place.tenant, self.queue
        places = tenant.running + tenant.waiting + more
        if self._mean_s is None or places <= self._share(tenant) * queue.limit:
            return False
        over, wait_s = self._over_share(tenant, more), self._wait_s(tenant, more)
        return self.shedder.sheds(place.priority, over, wait_s, queued=queue.waiting > 0)

    def _make_room(self, newcomer: QueueTicket, more: int) -> None:
        """Drop the newest requests of longer backlogs until `more` places fit."""
        lacking = self.queue.waiting + more - self.max_waiting
        while lacking > 0:
            victim = self._victim(newcomer, more)
            if victim is None:
                raise self._refusal(newcomer.tenant, more)
            lacking -= victim.waiting
            for_another = victim.tenant is not newcomer.tenant
            self.queue.drop(victim, self._refusal(victim.tenant, 0, for_another))

    def _victim(self, newcomer: QueueTicket, more: int) -> QueuedRequest | None:
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
                f"This tenant waits for {tenant.waiting} places of a busy model, "
                "which is more than its share.",
                retry_after_s,
                "fair-share",
            )
        return Overloaded(
            f"The model is busy: {self.waiting} of {self.max_waiting} places are waited for.",
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
        """How long the last of `more` new places would wait, as the queue stands."""
        own = (tenant.waiting + more) / self._share(tenant)
        return min(own, self.queue.waiting + more) * self._per_place_s()

    def _retry_after_s(self, tenant: TenantQueue, more: int) -> float:
        """Until the tenant's backlog is short enough not to be shed."""
        excess_s = self._wait_s(tenant, more) - self.shedder.target_wait_s
        return min(_LONGEST_RETRY_S, max(1.0, excess_s))

    def _per_place_s(self) -> float:
        """Seconds between two places that become free while all are taken."""
        mean_s = _FIRST_GUESS_S if self._mean_s is None else self._mean_s
        return mean_s / self.queue.limit


def _draining() -> Draining:
    return Draining("This replica is shutting down; another one will answer.")
