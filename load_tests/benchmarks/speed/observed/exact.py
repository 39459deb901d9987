"""The part "exact": counters against client, HAProxy and ledger, with two replicas killed.

In: a number of requests. Out: measurements. A tenant of its own sends all of them: most repeat one
another and are answered by the fast path, the others are computed.
"""

import argparse
import asyncio
import itertools
import json
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from load_tests.benchmarks.common.http_client import (
    ConnectionRefused,
    NoResponse,
    NoRetryClient,
    TruncatedResponse,
)
from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.tenants import create_tenant, usage_query
from load_tests.benchmarks.speed.observed.series_watch import SeriesWatch, samples_of
from load_tests.benchmarks.speed.observed.strangers import MAX_SAMPLES, WARM_UP, send_strangers

PART = "exact"
TENANT = "counted"
CHAT = "/v1/chat/completions"
REPLICAS = 3
COMPUTED_EVERY = 10  # requests; the others repeat one of REPEATED
REPEATED = 64
SCRAPE_S = 0.5
SETTLED_S = 3.0  # the ledger writes each second
STRANGERS_AT_ONCE = 8
RAY_EXPORT_S = 12.0  # processes report to the node's agent every 10 s
KILLED_AT = (1 / 3, 2 / 3)


@dataclass
class SentRequests:
    """What came back, as the client saw it: answers by status, and when each one came."""

    answers: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    ended_at: list[float] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Requests that have ended, in whatever way."""
        return len(self.ended_at)

    def between(self, since: float, until: float) -> int:
        return sum(since <= at <= until for at in self.ended_at)


def measure_exactness(options: argparse.Namespace) -> list[Measurement]:
    with LocalServe() as local:
        _deploy(local)
        return asyncio.run(_measure(local, options))


def _deploy(local: LocalServe) -> None:
    from graphs.app import build
    from graphs.args import AppArgs

    model = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1, "replicas": 2}
    ingress = {"num_cpus": 0.1, "replicas": REPLICAS}
    args = {"models": [model], "ingress": ingress, "limiter": {"authority": "embedded"}}
    local.run(build(AppArgs.model_validate(args)), "mobula", "/")


async def _measure(local: LocalServe, options: argparse.Namespace) -> list[Measurement]:
    admin = {"Authorization": f"Bearer {local.key}"}
    async with httpx.AsyncClient(base_url=local.url, headers=admin, timeout=30) as http:
        key = await create_tenant(http, local.key, TENANT, {})
        client = CountingClient(local.url, key, options.connections)
        undisturbed = await _measure_undisturbed(local, http, client, options.requests // 3)
        strangers = await _measure_strangers(local, http, options)
        watch = SeriesWatch()
        scrapes = asyncio.create_task(_scrape(http, watch))
        began, before = time.monotonic(), client.sent.count
        kills = await _send_with_kills(local, client, options.requests - before)
        seconds = time.monotonic() - began
        await asyncio.sleep(SETTLED_S)
        scrapes.cancel()
        await asyncio.wait([scrapes])
        watch.add((await http.get("/metrics")).raise_for_status().text, time.monotonic())
        ledger = await _ledger_tokens(http)
        client.close()
    rate = (client.sent.count - before) / seconds
    return [
        *undisturbed,
        *strangers,
        Measurement(PART, "requests a second", rate, "1/s"),
        *_compare(watch, client.sent, ledger, kills),
    ]


async def _measure_undisturbed(
    local: LocalServe, http: httpx.AsyncClient, client: "CountingClient", requests: int
) -> list[Measurement]:
    """Before a kill all agree to the unit. Afterwards HAProxy's counters cannot be compared: it is
    reloaded when a replica goes, and what the old process still answers is in nobody's figures."""
    haproxy = await _haproxy_answers(local.haproxy_metrics_url)
    await client.send(requests)
    haproxy = await _haproxy_answers(local.haproxy_metrics_url) - haproxy
    watch, ok = SeriesWatch(), client.sent.answers[httpx.codes.OK]
    watch.add((await http.get("/metrics")).raise_for_status().text, time.monotonic())
    reported = watch.total("mobula_tenant_requests_total", tenant=TENANT, outcome="ok")
    models = watch.total("mobula_http_requests_total", route="/v1/models", code="200")
    return [
        Measurement("before kills", "200 by the client", ok),
        Measurement("before kills", "200 by HAProxy beyond", haproxy - ok, at_least=0, at_most=0),
        Measurement(
            "before kills", "200 by metrics beyond", reported - models - ok, at_least=0, at_most=0
        ),
    ]


async def _measure_strangers(
    local: LocalServe, http: httpx.AsyncClient, options: argparse.Namespace
) -> list[Measurement]:
    """Of all three ports; a few strangers have been there before the first count."""

    async def samples() -> dict[str, int]:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as other:
            haproxy = (await other.get(local.haproxy_metrics_url)).raise_for_status().text
            ray = (await other.get(local.ray_metrics_url)).raise_for_status().text
        own = (await http.get("/metrics")).raise_for_status().text
        ports = {"ours": own, "HAProxy's": haproxy, "Ray's": ray}
        return {port: len(text.splitlines()) for port, text in ports.items()}

    async def send(first: int, count: int) -> None:
        async with httpx.AsyncClient(base_url=local.url, trust_env=False, timeout=30) as stranger:
            await send_strangers(stranger, first, count)

    share = max(1, options.strangers // STRANGERS_AT_ONCE)
    await send(0, WARM_UP)
    await asyncio.sleep(RAY_EXPORT_S)
    before = await samples()
    firsts = (WARM_UP + number * share for number in range(STRANGERS_AT_ONCE))
    await asyncio.gather(*(send(first, share) for first in firsts))
    await asyncio.sleep(RAY_EXPORT_S)
    return [
        Measurement("strangers", f"new samples, {port}", count - before[port], at_most=MAX_SAMPLES)
        for port, count in (await samples()).items()
    ]


def _compare(
    watch: SeriesWatch, sent: SentRequests, ledger: int, kills: list[float]
) -> list[Measurement]:
    """What killed replicas had counted since they were last asked may be missing, at most: all that
    was answered in that time, by whomever."""
    reported = watch.total("mobula_tenant_requests_total", tenant=TENANT, outcome="ok")
    reported -= watch.total("mobula_http_requests_total", route="/v1/models", code="200")
    ok = sent.answers[httpx.codes.OK]
    gone = sum(sent.between(watch.scraped_before(kill), kill) for kill in kills)
    tokens = sum(
        watch.total("mobula_tenant_tokens_total", tenant=TENANT, direction=direction)
        for direction in ("input", "output")
    )
    most_tokens = max(1.0, 2 * gone / max(1, ok) * ledger)
    others = {status: n for status, n in sorted(sent.answers.items()) if status != httpx.codes.OK}
    return [
        Measurement(PART, "series that fell", watch.fallen, at_most=0),
        Measurement(PART, "scrapes", watch.scrapes, at_least=2),
        Measurement(PART, "200 by the client", ok),
        *(Measurement(PART, f"{status} by the client", n) for status, n in others.items()),
        Measurement(PART, "connections that broke", sent.broken),
        Measurement(PART, "answered before kills, unscraped", gone),
        Measurement(PART, "200 the metrics lack", ok - reported, at_least=0, at_most=gone),
        Measurement(PART, "tokens by the ledger", ledger),
        Measurement(
            PART, "tokens the metrics lack", ledger - tokens, at_least=0, at_most=most_tokens
        ),
    ]


async def _scrape(http: httpx.AsyncClient, watch: SeriesWatch) -> None:
    """Again and again; a scrape that a kill breaks is one less."""
    while True:
        began = time.monotonic()
        try:
            answer = await http.get("/metrics")
        except httpx.HTTPError:
            continue
        if answer.is_success:
            watch.add(answer.text, began)
        await asyncio.sleep(max(0.0, SCRAPE_S - (time.monotonic() - began)))


async def _send_with_kills(
    local: LocalServe, client: "CountingClient", requests: int
) -> list[float]:
    """Returns when the replicas were killed."""
    kills: list[float] = []
    due = [client.sent.count + int(requests * part) for part in KILLED_AT]

    async def kill(at: int) -> None:
        while client.sent.count < at:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.to_thread(local.kill_one, "Ingress")
        kills.append(time.monotonic())

    killing = [asyncio.create_task(kill(at)) for at in due]
    await client.send(requests)
    await asyncio.gather(*killing)
    return kills


class CountingClient:
    """Sends requests of a key over some connections, and counts what comes back."""

    def __init__(self, url: str, key: str, connections: int) -> None:
        self.sent = SentRequests()
        self._client = NoRetryClient(url)
        self._key = key
        self._connections = connections
        self._numbers = itertools.count()

    async def send(self, requests: int) -> None:
        """So many more."""
        left = iter(range(requests))

        async def send_some() -> None:
            for _ in left:
                await self._send_one(next(self._numbers))

        await asyncio.gather(*(send_some() for _ in range(self._connections)))

    def close(self) -> None:
        self._client.close()

    async def _send_one(self, number: int) -> None:
        is_computed = number % COMPUTED_EVERY == 0
        words = f"number {number}" if is_computed else f"again {number % REPEATED}"
        message = {"role": "user", "content": words}
        body = {"model": "echo", "messages": [message], "temperature": 0, "max_tokens": 8}
        sent = self.sent
        try:
            answer = await self._client.post(CHAT, self._key, json.dumps(body).encode())
            await answer.body()
        except (ConnectionRefused, NoResponse, TruncatedResponse):
            sent.broken += 1
        else:
            sent.answers[answer.status] += 1
        sent.ended_at.append(time.monotonic())


async def _haproxy_answers(url: str) -> int:
    """Answers of status 2xx that HAProxy has sent, those to others included."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        text = (await http.get(url)).raise_for_status().text
    name = "haproxy_frontend_http_responses_total"
    found = [
        value
        for (known, labels), value in samples_of(text)
        if known == name and ("code", "2xx") in labels and ("proxy", "http_frontend") in labels
    ]
    return int(sum(found))


async def _ledger_tokens(http: httpx.AsyncClient) -> int:
    query = usage_query(TENANT)
    rows = (await http.get("/api/v1/usage", params=query)).raise_for_status().json()["data"]
    return sum(
        row["amounts"].get(unit, 0) for row in rows for unit in ("input_tokens", "output_tokens")
    )
