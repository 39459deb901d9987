"""A fleet of limiters over one authority and a network that may misbehave, in simulated time.

In: a plan and moments of requests. Out: when each was admitted, and what it cost in exchanges.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.runtime.problems import Overloaded, RateLimited
from cluster.tenants.plan import Plan, RequestClass
from deployments.contracts.limits import (
    Authority,
    AuthorityUnavailable,
    ExchangeResult,
    LeaseRequest,
)
from deployments.limiter.events import LimitEvent
from deployments.limiter.tenant_limiter import TenantLimiter
from load_tests.benchmarks.common.virtual_time import LoopClock

_IN_A_ROW = 2  # messages lost one after the other, at most
_TIMEOUT_S = 0.25
_LATE_S = 0.03


@dataclass
class SimulatedNetwork:
    """Chances of a message to be lost, or late, each way. `down`: nothing arrives.

    Losses stay within a lease time: what lasts longer is an outage, whose bound is another.
    """

    seed: int = 0
    latency_s: float = 0.001
    lost: float = 0.0
    late: float = 0.0
    down: bool = False

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)


class SimulatedAuthorityClient:
    """One replica's way to the authority."""

    def __init__(self, authority: Authority, network: SimulatedNetwork) -> None:
        self._authority = authority
        self._network = network
        self._lost = 0
        self._stray: set[asyncio.Task[ExchangeResult]] = set()

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        net = self._network
        await asyncio.sleep(net.latency_s / 2)
        if net.down or self._loses():
            if not net.down and net.random.random() < 0.5:  # overtaken by later ones
                self._deliver_late(replica, epoch, ttl_s, requests)
            await self._give_up()
        exchange = await self._authority.exchange(replica, epoch, ttl_s, requests)
        if net.random.random() < net.late:
            await asyncio.sleep(net.random.uniform(0.0, _LATE_S))
        if net.down or self._loses():
            await self._give_up()
        await asyncio.sleep(net.latency_s / 2)
        self._lost = 0
        return exchange

    def _loses(self) -> bool:
        lost = self._lost < _IN_A_ROW and self._network.random.random() < self._network.lost
        self._lost += lost
        return lost

    async def _give_up(self) -> None:
        await asyncio.sleep(_TIMEOUT_S)
        raise AuthorityUnavailable("lost")

    def _deliver_late(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> None:
        async def deliver() -> ExchangeResult:
            await asyncio.sleep(self._network.random.uniform(0.0, 4 * _TIMEOUT_S))
            return await self._authority.exchange(replica, epoch, ttl_s, requests)

        task = asyncio.create_task(deliver())
        self._stray.add(task)
        task.add_done_callback(self._stray.discard)


async def nothing_spent(*_: object) -> int:
    return 0


@dataclass
class SimulatedLimiter:
    """One ingress replica: its limiter and its own clock."""

    limiter: TenantLimiter
    clock: LoopClock


@dataclass
class SimulatedLimiters:
    """Replicas come and go; `admitted` is when requests passed, in seconds of the loop."""

    authority: Authority
    network: SimulatedNetwork
    plan: Plan
    tenant: str = "acme"
    members: list[SimulatedLimiter] = field(default_factory=list)
    admitted: list[float] = field(default_factory=list)
    refused: int = 0
    waits: list[float] = field(default_factory=list)
    events: list[LimitEvent] = field(default_factory=list)
    gone_exchanges: int = 0
    _named: int = 0

    async def grow(self, count: int) -> None:
        """Have `count` replicas: start what is missing."""
        loop = asyncio.get_running_loop()
        while len(self.members) < count:
            self._named += 1
            clock = LoopClock(loop)
            limiter = TenantLimiter(
                SimulatedAuthorityClient(self.authority, self.network),
                f"r{self._named}",
                clock,
                nothing_spent,
                self.events.append,
            )
            await limiter.start()
            self.members.append(SimulatedLimiter(limiter, clock))

    async def shrink(self, count: int) -> None:
        """Have `count` replicas: the others return what they hold and end."""
        while len(self.members) > count:
            member = self.members.pop()
            await member.limiter.close()
            self.gone_exchanges += member.limiter.exchanges

    def kill(self, index: int) -> None:
        """Gone without a word."""
        member = self.members.pop(index)
        self.gone_exchanges += member.limiter.exchanges
        ticker = member.limiter._ticker
        if ticker is not None:
            ticker.cancel()

    async def request(self, index: int) -> None:
        """One request through a replica, closed at once."""
        loop = asyncio.get_running_loop()
        limiter = self.members[index % len(self.members)].limiter
        began = loop.time()
        try:
            permit = await limiter.admit(self.tenant, self.plan, RequestClass.GENERATE)
        except (RateLimited, Overloaded):
            self.refused += 1
        else:
            self.admitted.append(loop.time())
            permit.close()
        self.waits.append(loop.time() - began)

    async def close(self) -> None:
        await self.shrink(0)

    @property
    def exchanges(self) -> int:
        return self.gone_exchanges + sum(m.limiter.exchanges for m in self.members)


def compute_overshoot(admitted: Sequence[float], rate: float, capacity: int) -> float:
    """The most by which any interval admitted more than capacity + rate * its length.

    Zero or less is exact. With C(j) admitted up to the j-th at t(j), the worst interval ending
    at j begins where C(i) - rate * t(i) was least.
    """
    worst, least = -float(capacity), float("inf")
    for before, at in enumerate(sorted(admitted)):
        least = min(least, before - rate * at)
        worst = max(worst, before + 1 - rate * at - least - capacity)
    return worst


def count_ideal_admissions(arrivals: Sequence[float], rate: float, capacity: int) -> int:
    """What one token bucket that sees everything would have admitted."""
    level, at, admitted = float(capacity), 0.0, 0
    for now in sorted(arrivals):
        level = min(capacity, level + rate * (now - at)) if at else level
        at = now
        if level >= 1:
            level -= 1
            admitted += 1
    return admitted
