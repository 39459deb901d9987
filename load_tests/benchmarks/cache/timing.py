"""Whether a tenant can tell from how long its answers take what another tenant has asked.

In: one cluster with every tier on, and two tenants of it. The first asks half of many prompts; the
second asks all of them once, over one connection, in random order, and guesses that the quicker
ones were asked before. Out: how good the guess is, as the area under its ROC curve: 0.5 is chance.
That the guess can see a hit at all is shown by the first tenant, who asks everything again.
"""

import asyncio
import time
from collections.abc import Sequence
from random import Random

import httpx
import numpy as np

from load_tests.benchmarks.cache.context import (
    CHAT,
    ECHO,
    CacheBenchmark,
    auth_headers,
    chat_body,
    read_cache_status,
)
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.tenants import create_tenant

SEED = 2024
LOW, HIGH = 0.45, 0.55
WARM_UPS = 50


def measure_timing(benchmark: CacheBenchmark) -> list[Measurement]:
    count = benchmark.options.prompts
    benchmark.print(f"timing: two tenants and {count} prompts ...")
    benchmark.deploy(ECHO, shared="embedded", archive="bench-archive")
    first, second = asyncio.run(_tenants(benchmark))
    rng = Random(SEED)
    prompts = [f"{number} {rng.randbytes(60).hex()}" for number in range(count)]
    sent_before = frozenset(rng.sample(prompts, count // 2))
    _latencies(benchmark.url, first, sorted(sent_before))
    there, hits = _latencies(benchmark.url, second, rng.sample(prompts, count))
    here, _ = _latencies(benchmark.url, first, rng.sample(prompts, count))
    guessed, control = (
        auc(
            [-each[prompt] for prompt in sent_before],
            [-each[p] for p in prompts if p not in sent_before],
        )
        for each in (there, here)
    )
    return [
        Measurement("timing", "AUC of another tenant's guess", guessed, at_least=LOW, at_most=HIGH),
        Measurement("timing", "hits of another tenant", hits, at_most=0),
        Measurement("timing", "AUC of a tenant's guess at its own", control),
    ]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """How often one of `positive` is above one of `negative`; equal ones count half."""
    low = np.sort(np.asarray(negative))
    below = np.searchsorted(low, positive, "left") + np.searchsorted(low, positive, "right")
    return float(below.mean() / (2 * len(low)))


async def _tenants(benchmark: CacheBenchmark) -> tuple[str, str]:
    async with httpx.AsyncClient(base_url=benchmark.url, timeout=30) as client:
        first = await create_tenant(client, benchmark.local.key, "asks-first", {})
        return first, await create_tenant(client, benchmark.local.key, "asks-later", {})


def _latencies(url: str, key: str, prompts: Sequence[str]) -> tuple[dict[str, float], int]:
    """Seconds that each took, and how many were hits."""
    latencies, hits = {}, 0
    with httpx.Client(base_url=url, headers=auth_headers(key), timeout=30) as client:
        for number in range(WARM_UPS):
            client.post(CHAT, json=chat_body(f"warm up {number} {time.monotonic_ns()}"))
        for prompt in prompts:
            began = time.perf_counter()
            answer = client.post(CHAT, json=chat_body(prompt))
            latencies[prompt] = time.perf_counter() - began
            hits += ";hit;" in read_cache_status(answer)
    return latencies, hits
