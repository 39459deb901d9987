"""Equal requests that come at once to several ingress replicas: how often they are computed.

In: one cluster with four ingress replicas and a slow echo model. Out: computations as the model
itself counts them, for whole answers and for streams; then the same while the replica that asked
the model is killed, whose clients ask again.
"""

import asyncio
import json
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import httpx

from load_tests.benchmarks.cache.context import CHAT, CacheBenchmark, chat_body
from load_tests.benchmarks.common.measurement import Measurement

PACE = 25.0  # tokens/s of the echo model, which gives a token a character
SLOW = {
    "id": "slow",
    "engine": "echo",
    "source": "echo",
    "num_cpus": 0.1,
    "tokens_per_second": PACE,
    "max_running": 512,
}
REPLICAS = 4
FILLING = "and so on " * 7  # the answer then takes more than 3 s
SENT_S = 1.0  # after which all requests have come in
AGAIN_S = 0.1
PATIENCE_S = 60.0


@dataclass(frozen=True)
class Burst:
    """`again` counts requests that a killed replica left without an answer and were repeated."""

    computations: int
    texts: list[str]
    again: int
    took_s: float


def measure_coalescing(benchmark: CacheBenchmark) -> list[Measurement]:
    measurements: list[Measurement] = []
    for tier in ("embedded", *(["redis"] if benchmark.options.redis else [])):
        benchmark.print(f"coalesce: deploying {REPLICAS} ingress replicas, shared tier {tier} ...")
        benchmark.deploy(SLOW, replicas=REPLICAS, shared=tier)
        for stream in (False, True):
            for kill in (False, True):
                measurements += asyncio.run(_figures(benchmark, tier, stream, kill))
    return measurements


async def _figures(
    benchmark: CacheBenchmark, tier: str, stream: bool, kill: bool
) -> list[Measurement]:
    """The worst of as many bursts as were asked for."""
    clients = benchmark.options.clients
    bursts, wrong = [], []
    for turn in range(benchmark.options.bursts):
        await asyncio.to_thread(benchmark.local.wait_for_ingress, REPLICAS)
        prompt = f"{tier} {stream} {kill} {turn} {time.monotonic_ns()} {FILLING}"
        burst = await _burst(benchmark, prompt, stream, kill)
        bursts.append(burst)
        wrong += [text for text in burst.texts if text != prompt]
    name = f"{tier}, {clients} {'streams' if stream else 'requests'}"
    name += ", leader killed" if kill else ""
    benchmark.raw.setdefault("coalesce", {})[name] = [
        {"computations": b.computations, "again": b.again, "took_s": b.took_s} for b in bursts
    ] + wrong[:3]
    most = max(burst.computations for burst in bursts)
    return [
        Measurement("coalesce", f"{name}: computations", most, at_most=2 if kill else 1),
        Measurement("coalesce", f"{name}: wrong answers", len(wrong), at_most=0),
    ]


async def _burst(benchmark: CacheBenchmark, prompt: str, stream: bool, kill: bool) -> Burst:
    body = chat_body(prompt, "slow", stream=stream)
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        headers=benchmark.headers, limits=limits, timeout=PATIENCE_S
    ) as client:
        before = await _submitted(client, benchmark.url)
        began = time.monotonic()
        requests = [
            asyncio.create_task(_ask(client, benchmark.url, body))
            for _ in range(benchmark.options.clients)
        ]
        if kill:
            await asyncio.sleep(SENT_S)
            await _kill_leader(benchmark, client)
        answers = await asyncio.gather(*requests)
        took_s = time.monotonic() - began
        computations = await _submitted(client, benchmark.url) - before
    again = sum(tries - 1 for _, tries in answers)
    return Burst(computations, [text for text, _ in answers], again, took_s)


async def _ask(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> tuple[str, int]:
    """The answer's text, and how often it was asked for: again when its replica is gone."""
    until, tries = time.monotonic() + PATIENCE_S, 0
    while time.monotonic() < until:
        tries += 1
        try:
            return (await read_stream_text(client, url, body)), tries
        except (httpx.TransportError, httpx.HTTPStatusError, EOFError):
            await asyncio.sleep(AGAIN_S)
    return "", tries


async def read_stream_text(client: httpx.AsyncClient, url: str, body: dict[str, Any]) -> str:
    """Raises EOFError for a stream that breaks off."""
    async with client.stream("POST", url + CHAT, json=body) as answer:
        await answer.aread() if not body["stream"] else None
        answer.raise_for_status()
        if not body["stream"]:
            return str(answer.json()["choices"][0]["message"]["content"])
        parts: list[str] = []
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                return "".join(parts)
            if line.startswith("data: "):
                parts += _contents(json.loads(line.removeprefix("data: ")))
    raise EOFError


def _contents(event: dict[str, Any]) -> list[str]:
    return [choice["delta"].get("content") or "" for choice in event.get("choices", ())]


async def _submitted(client: httpx.AsyncClient, url: str) -> int:
    health = (await client.get(f"{url}/health")).raise_for_status()
    return int(health.json()["models"]["slow"]["load"]["submitted"])


async def _kill_leader(benchmark: CacheBenchmark, client: httpx.AsyncClient) -> None:
    """End the replica that has asked the model; RuntimeError where none has."""
    for address, process in benchmark.local.ingress_addresses().items():
        health = (await client.get(f"{address}/health")).json()
        if health["replica"]["open"]:
            os.kill(process, signal.SIGKILL)
            return
    raise RuntimeError("no ingress replica has asked the model")
