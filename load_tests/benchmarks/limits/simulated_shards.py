"""Shards of the embedded authority in one process, which are added, removed and killed.

In: the number of shards, deaths. Out: clients for ingress replicas, which reach the very shards
over a network that may be slow or lose messages.
"""

import asyncio
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from cluster.runtime.clock import Clock
from deployments.contracts.limits import (
    AuthorityUnavailable,
    ExchangeResult,
    LeaseRequest,
    TenantsMoved,
)
from deployments.limiter.authority.hand_over import HandOver, ShardAnswer, ShardExchange
from deployments.limiter.authority.shard import AuthorityShard
from deployments.limiter.layout import ShardLayout


@dataclass
class SimulatedShards:
    """The deployments of all shards.

    The first and the share `told` of the others are told of a layout at once, as by Serve; the rest
    learn it from those who call them. `lost` is the chance of a message, each way.
    """

    clock: Clock
    seed: int = 0
    latency_s: float = 0.001
    lost: float = 0.0
    timeout_s: float = 0.25
    version: int = 0
    shards: int = 0
    alive: dict[int, AuthorityShard] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def deploy(self, shards: int, *, told: float = 1.0) -> None:
        """Another layout; the deployments of removed shards end at once."""
        self.version += 1
        self.shards = shards
        for number in [n for n in self.alive if n >= shards]:
            del self.alive[number]
        for number in range(shards):
            if number not in self.alive:
                self.restart(number)
            elif number == 0 or self.random.random() < told:
                self.alive[number].adopt(self.layout)

    def retire(self, shards: int) -> None:
        """A smaller layout; the removed shards go on until `deploy`, as if Serve drained them."""
        self.version += 1
        self.shards = shards
        for shard in self.alive.values():
            shard.adopt(self.layout)

    def restart(self, number: int) -> None:
        """A shard dies, and another process takes its place, without its state."""
        self.alive[number] = shard = AuthorityShard(
            number, self.clock, lambda peer: _SimulatedPeer(self, peer), patience_s=2.0
        )
        shard.adopt(self.layout)

    @property
    def layout(self) -> ShardLayout:
        return ShardLayout(self.version, self.shards)

    async def transmit(self) -> None:
        await asyncio.sleep(self.latency_s * self.random.uniform(0.2, 1.8) / 2)
        if self.random.random() < self.lost:
            await asyncio.sleep(self.timeout_s)
            raise AuthorityUnavailable("lost")

    def find(self, number: int) -> AuthorityShard:
        """Raises AuthorityUnavailable where the shard is dead."""
        if number not in self.alive:
            raise AuthorityUnavailable("dead")
        return self.alive[number]


@dataclass
class _SimulatedPeer:
    shards: SimulatedShards
    number: int

    async def hand_over(self, layout: ShardLayout, to: int, instance: str, start: int) -> HandOver:
        await self.shards.transmit()
        shard = self.shards.find(self.number)
        part = await shard.hand_over(layout, to, instance, start)
        await self.shards.transmit()
        return part


class SimulatedLimiterClient:
    """One ingress replica's AuthorityShards, as LimiterClient is behind Serve."""

    def __init__(self, shards: SimulatedShards) -> None:
        self.layout = ShardLayout(0, shards.shards)
        self._network = shards
        self._granted_at = math.inf
        self._clients: dict[int, SimulatedShardClient] = {}

    def locate(self, tenant: str) -> "SimulatedShardClient":
        number = self.layout.owner(tenant)
        if number not in self._clients:
            self._clients[number] = self.connect(number)
        return self._clients[number]

    def connect(self, number: int) -> "SimulatedShardClient":
        return SimulatedShardClient(self, self._network, number)

    @property
    def granted_s(self) -> float:
        return max(0.0, self._network.clock.monotonic() - self._granted_at)

    def take(self, answer: ShardAnswer) -> ExchangeResult:
        """Raises TenantsMoved."""
        if answer.layout.version > self.layout.version:
            self.layout = answer.layout
        if answer.result is None:
            raise TenantsMoved
        self._granted_at = min(self._granted_at, self._network.clock.monotonic())
        return answer.result


@dataclass
class SimulatedShardClient:
    """Its way to one shard."""

    client: SimulatedLimiterClient
    network: SimulatedShards
    number: int

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        client = self.client
        layout, granted_s = client.layout, client.granted_s
        sent = ShardExchange(layout, granted_s, replica, epoch, ttl_s, tuple(requests))
        await self.network.transmit()
        answer = await self.process(self.network.find(self.number), sent)
        await self.network.transmit()
        return client.take(answer)

    async def process(self, shard: AuthorityShard, sent: ShardExchange) -> ShardAnswer:
        return await shard.exchange(sent)
