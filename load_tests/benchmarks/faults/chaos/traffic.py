"""Constant load: so many unary requests a second whatever becomes of them, and open streams.

In: an asker and a plan of load. Out: a shot for every request, in the order in which they ended.
The unary load is open: a cluster that stands still is offered as much as one that runs, up to
`most_open` at once; what could not be offered is counted as held back.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from load_tests.benchmarks.faults.chaos.outcomes import RequestOutcome, RequestResult
from load_tests.benchmarks.faults.chaos.verified_requests import VerifyingClient

_TICK_S = 0.01
_CACHEABLE_PROMPTS = 64  # prompts whose responses may be cached
_REFUSED_S = 0.25  # until a stream is tried again that was not opened


@dataclass(frozen=True)
class TrafficPlan:
    """At least `requests` unary ones at `rate` a second. One of `cacheable_every` may be a cache
    hit, one of `engine_every` asks a real engine (0: none). `streams` are open at any time,
    `stream_tokens` long.
    """

    requests: int
    rate: float
    model: str = "echo"
    cacheable_every: int = 10
    engine: str = ""
    engine_every: int = 0
    streams: int = 0
    stream_model: str = "talk"
    stream_tokens: int = 100
    most_open: int = 512


@dataclass
class ConstantTraffic:
    """`run` it once. `results` grows while it runs; with `enough` it ends after all requests."""

    client: VerifyingClient
    plan: TrafficPlan
    seed: int = 0
    results: list[RequestResult] = field(default_factory=list)
    sent: int = 0
    held_back: int = 0
    enough: bool = True
    streaming: bool = True
    _open: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def done(self) -> int:
        """Unary requests that have ended."""
        return self.sent - len(self._open)

    async def reached(self, requests: int) -> None:
        """Returns once so many unary requests have ended."""
        while self.done < requests:  # noqa: ASYNC110  # the load must not pay for an event
            await asyncio.sleep(0.05)

    async def run(self) -> None:
        """All requests and their endings, and the streams that were open then."""
        randoms = [random.Random(f"{self.seed} {number}") for number in range(self.plan.streams)]
        streams = [asyncio.create_task(self._streams(rng)) for rng in randoms]
        await self._offer()
        if self._open:
            await asyncio.wait(self._open)
        self.streaming = False
        await asyncio.gather(*streams)

    async def _offer(self) -> None:
        """As many as are due by now, every tick."""
        plan, began = self.plan, time.monotonic()
        while self.sent < plan.requests or not self.enough:
            await asyncio.sleep(_TICK_S)
            due = (time.monotonic() - began) * plan.rate - self.held_back
            while self.sent < due:
                if len(self._open) >= plan.most_open:
                    self.held_back += int(due - self.sent) + 1
                    break
                self._send()

    def _send(self) -> None:
        number, plan = self.sent, self.plan
        self.sent += 1
        if plan.engine_every and number % plan.engine_every == 1:
            result = self.client.unary(plan.engine, "", max_tokens=8)
        elif plan.cacheable_every and number % plan.cacheable_every == 0:
            result = self.client.unary(
                plan.model, f"cacheable number {number % _CACHEABLE_PROMPTS}", temperature=0
            )
        else:
            result = self.client.unary(plan.model, f"request number {number}")
        task = asyncio.create_task(self._keep(result))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _keep(self, result: "asyncio.Future[RequestResult] | object") -> None:
        self.results.append(await result)  # type: ignore[misc]

    async def _streams(self, rng: random.Random) -> None:
        """One stream after the other; the first begins somewhere within a stream's length."""
        tokens = max(1, int(self.plan.stream_tokens * rng.random()))
        while self.streaming:
            text = f"stream {rng.randrange(10**6)} and on; "
            result = await self.client.stream(self.plan.stream_model, text, tokens)
            self.results.append(result)
            tokens = self.plan.stream_tokens
            if result.ending is not RequestOutcome.WHOLE:
                await asyncio.sleep(_REFUSED_S)


def failures(results: Sequence[RequestResult]) -> list[RequestResult]:
    return [result for result in results if result.ending is not RequestOutcome.WHOLE]
