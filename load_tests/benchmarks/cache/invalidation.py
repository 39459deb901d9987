"""How long a cached response is still served after its tag was invalidated, on any replica.

In: one cluster with four ingress replicas, each of which has the answer in memory. Out: from the
answer to the invalidation to the last time any replica served the old answer, over many rounds.
All replicas are asked at their own ports all the time, so none is missed.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import numpy as np

from load_tests.benchmarks.cache.context import (
    CHAT,
    ECHO,
    KNOWN_S,
    CacheBenchmark,
    chat_body,
    is_hit,
)
from load_tests.benchmarks.common.measurement import Measurement

REPLICAS, CONNECTIONS = 4, 16
TAG = "bench-cache"
TARGET_S = 1.0
QUIET_S = 1.0  # without the old answer from anybody: it is gone
PAUSE_S = 0.01  # of a connection between two requests
OLD, GONE = httpx.codes.OK, httpx.codes.GATEWAY_TIMEOUT


class InvalidationProbe:
    """Requests a cached response all the time, and notes when it last came."""

    def __init__(self, client: httpx.AsyncClient, body: Mapping[str, Any]) -> None:
        self._client = client
        self.body = body
        self.last = 0.0
        self.unexpected = 0

    async def ask(self, address: str) -> None:
        directives = {"Cache-Control": "only-if-cached"}
        while True:
            answer = await self._client.post(address + CHAT, json=self.body, headers=directives)
            if answer.status_code == OLD:
                self.last = time.monotonic()
            self.unexpected += answer.status_code not in (OLD, GONE)
            await asyncio.sleep(PAUSE_S)


def measure_invalidation(benchmark: CacheBenchmark) -> list[Measurement]:
    benchmark.print(f"invalidate: deploying {REPLICAS} ingress replicas ...")
    benchmark.deploy(ECHO, replicas=REPLICAS, shared="embedded")
    lags, unexpected = asyncio.run(_lags(benchmark))
    benchmark.raw["invalidate"] = lags
    p50, p99, most = (float(value) for value in np.percentile(lags, (50, 99, 100)))
    return [
        Measurement("invalidate", "still served, p50", p50, "s"),
        Measurement("invalidate", "still served, p99", p99, "s", at_most=TARGET_S),
        Measurement("invalidate", "still served, longest", most, "s"),
        Measurement("invalidate", "neither hit nor miss", unexpected, at_most=0),
    ]


async def _lags(benchmark: CacheBenchmark) -> tuple[list[float], int]:
    addresses = list(await asyncio.to_thread(benchmark.local.wait_for_ingress, REPLICAS))
    headers = {**benchmark.headers, "Mobula-Cache-Tags": TAG}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
    lags, unexpected = [], 0
    async with httpx.AsyncClient(headers=headers, limits=limits, timeout=30) as client:
        for number in range(benchmark.options.invalidations):
            watch = InvalidationProbe(client, chat_body(f"{number} of {time.monotonic_ns()}"))
            lags.append(await _lag(benchmark, client, watch, addresses))
            unexpected += watch.unexpected
            if (number + 1) % 20 == 0:
                benchmark.print(
                    f"invalidate: {number + 1} of {benchmark.options.invalidations} done"
                )
    return lags, unexpected


async def _lag(
    benchmark: CacheBenchmark,
    client: httpx.AsyncClient,
    watch: InvalidationProbe,
    addresses: Sequence[str],
) -> float:
    await asyncio.gather(*(_warm(client, address, watch) for address in addresses))
    asking = [
        asyncio.create_task(watch.ask(addresses[at % len(addresses)])) for at in range(CONNECTIONS)
    ]
    await asyncio.sleep(10 * PAUSE_S)
    path = f"{benchmark.url}/api/v1/cache/invalidations"
    (await client.post(path, json={"tag": TAG})).raise_for_status()
    invalidated_at = time.monotonic()
    while time.monotonic() - max(invalidated_at, watch.last) < QUIET_S:
        await asyncio.sleep(PAUSE_S)
        for task in asking:
            if task.done():
                task.result()
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    return max(0.0, watch.last - invalidated_at)


async def _warm(client: httpx.AsyncClient, address: str, watch: InvalidationProbe) -> None:
    """Until this replica has the answer in memory; TimeoutError after 20 s."""
    async with asyncio.timeout(KNOWN_S):
        while True:
            if is_hit(await client.post(address + CHAT, json=watch.body), "l1"):
                return
            await asyncio.sleep(PAUSE_S)
