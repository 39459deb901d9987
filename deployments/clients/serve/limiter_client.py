"""The client of the Limiter deployments: an authority for each shard, behind Serve handles.

In: exchanges. Out: grants, or TenantsMoved after a shard stated a newer layout, which this client
then follows; shards that its own deployment did not know are found by their names.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Sequence

from ray.serve.handle import DeploymentHandle

from cluster.resilience.ray_errors import REMOTE_ERRORS
from cluster.runtime.clock import Clock
from deployments.contracts.limits import (
    AuthorityUnavailable,
    ExchangeResult,
    LeaseRequest,
    TenantsMoved,
)
from deployments.limiter.authority.hand_over import ShardAnswer, ShardExchange
from deployments.limiter.layout import ShardLayout

HandleOf = Callable[[int], DeploymentHandle]


class LimiterClient:
    """AuthorityShards behind handles. `shards` is their number as this deployment knows it;
    `timeout_s` bounds one exchange."""

    def __init__(
        self, handle_of: HandleOf, shards: int, clock: Clock, timeout_s: float = 0.5
    ) -> None:
        self.layout = ShardLayout(0, shards)
        self._handle_of = handle_of
        self._clock = clock
        self._timeout_s = timeout_s
        self._granted_at = math.inf
        self._shards: dict[int, LimiterShardClient] = {}

    def locate(self, tenant: str) -> "LimiterShardClient":
        return self._shard(self.layout.owner(tenant))

    def adopt(self, layout: ShardLayout) -> None:
        """Follow a newer layout."""
        if layout.version > self.layout.version:
            self.layout = layout

    def note_grant(self) -> None:
        """A shard has granted something."""
        self._granted_at = min(self._granted_at, self._clock.monotonic())

    @property
    def granted_s(self) -> float:
        """Seconds since the first grant; 0: none yet."""
        return max(0.0, self._clock.monotonic() - self._granted_at)

    async def warm_up(self, timeout_s: float = 30.0) -> None:
        """Connect before the first request; without the replicas, degraded mode decides first."""
        shards = [self._shard(number) for number in range(self.layout.shards)]
        await asyncio.gather(*(shard.warm_up(timeout_s) for shard in shards))

    async def count_answers(self, timeout_s: float = 0.8) -> tuple[int, int]:
        """How many shards answer within `timeout_s`, and how many there are; for reports."""
        shards = [self._shard(number) for number in range(self.layout.shards)]
        answers = await asyncio.gather(*(shard.answers(timeout_s) for shard in shards))
        return sum(answers), len(answers)

    async def close(self) -> None:
        """Serve owns the handles."""

    def _shard(self, number: int) -> "LimiterShardClient":
        if number not in self._shards:
            handle = self._handle_of(number)
            self._shards[number] = LimiterShardClient(self, handle, self._timeout_s)
        return self._shards[number]


class LimiterShardClient:
    """An `Authority`; an exchange that is late or lost raises AuthorityUnavailable."""

    def __init__(self, client: LimiterClient, handle: DeploymentHandle, timeout_s: float) -> None:
        self._client = client
        pickled = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._exchange = pickled.exchange
        self._check_health = handle.check_health
        self._timeout_s = timeout_s

    async def warm_up(self, timeout_s: float) -> None:
        await self.answers(timeout_s)

    async def answers(self, timeout_s: float) -> bool:
        """Whether the replica answers within `timeout_s`."""
        with contextlib.suppress(TimeoutError, *REMOTE_ERRORS):
            response = self._check_health.remote()
            try:
                async with asyncio.timeout(timeout_s):
                    await response
            except (TimeoutError, asyncio.CancelledError):
                response.cancel()  # else it waits for a replica without end
                raise
            return True
        return False

    async def exchange(
        self, replica: str, epoch: str, ttl_s: float, requests: Sequence[LeaseRequest]
    ) -> ExchangeResult:
        """As in contracts/limits.py."""
        client = self._client
        sent = ShardExchange(
            client.layout, client.granted_s, replica, epoch, ttl_s, tuple(requests)
        )
        try:
            response = self._exchange.remote(sent)
        except REMOTE_ERRORS as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        try:
            async with asyncio.timeout(self._timeout_s):
                answer: ShardAnswer = await response
        except TimeoutError:
            response.cancel()
            raise AuthorityUnavailable(f"no answer in {self._timeout_s:g} s") from None
        except REMOTE_ERRORS as error:
            raise AuthorityUnavailable(type(error).__name__) from None
        client.adopt(answer.layout)
        if answer.result is None:
            raise TenantsMoved
        client.note_grant()
        return answer.result
