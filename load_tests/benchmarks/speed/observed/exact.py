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
from load_tests.benchmarks.common.tenants import create_tenant
from load_tests.benchmarks.speed.observed.series_watch import SeriesWatch, samples_of

PART = "exact"
TENANT = "counted"
CHAT = "/v1/chat/completions"
REPLICAS = 3
COMPUTED_EVERY = 10  # requests; the others repeat one of REPEATED
REPEATED = 64
SCRAPE_S = 0.5
SETTLED_S = 3.0  # the ledger writes each second
KILLED_AT = (1 / 3, 2 / 3)


@dataclass
class SentRequests:
    """What came back, as the client saw it: answers by status, and when each one came."""

    answers: Counter[int] = field(default_factory=Counter)
    broken: int = 0
    ended_at: list[float] = field(default_factory=list)

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
        watch, sent = SeriesWatch(), SentRequests()
        scrapes = asyncio.create_task(_scrape(http, watch))
        haproxy = await _haproxy_answers(local.haproxy_metrics_url)
        began = time.monotonic()
        kills = await _send(local, key, sent, options)
        seconds = time.monotonic() - began
        await asyncio.sleep(SETTLED_S)
        scrapes.cancel()
        await asyncio.wait([scrapes])
        watch.add((await http.get("/metrics")).raise_for_status().text, time.monotonic())
        haproxy = await _haproxy_answers(local.haproxy_metrics_url) - haproxy
        ledger = await _ledger_tokens(http)
    return [
        Measurement(PART, "requests a second", options.requests / seconds, "1/s"),
        *_compare(watch, sent, haproxy, ledger, kills),
    ]


def _compare(
    watch: SeriesWatch, sent: SentRequests, haproxy: int, ledger: int, kills: list[float]
) -> list[Measurement]:
    """What killed replicas had counted since they were last asked may be missing, at most: all that
    was answered in that time, by whomever."""
    told = {
        outcome: watch.total("mobula_tenant_requests_total", tenant=TENANT, outcome=outcome)
        for outcome in ("ok", "client_error", "limited", "server_error")
    }
    ok = sent.answers[httpx.codes.OK]
    gone = sum(sent.between(watch.scraped_before(kill), kill) for kill in kills)
    tokens = sum(
        watch.total("mobula_tenant_tokens_total", tenant=TENANT, direction=direction)
        for direction in ("input", "output")
    )
    share = gone / max(1, ok)
    return [
        Measurement(PART, "series that fell", watch.fallen, at_most=0),
        Measurement(PART, "scrapes", watch.scrapes, at_least=2),
        Measurement(PART, "200 by the client", ok),
        Measurement(PART, "other answers by the client", sent.answers.total() - ok),
        Measurement(PART, "connections that broke", sent.broken),
        Measurement(PART, "answered before kills, unscraped", gone),
        Measurement(PART, "200 the metrics lack", ok - told["ok"], at_least=0, at_most=gone),
        Measurement(PART, "200 by HAProxy beyond the client's", haproxy - ok, at_least=0),
        Measurement(PART, "tokens by the ledger", ledger),
        Measurement(
            PART,
            "tokens the metrics lack",
            ledger - tokens,
            at_least=0,
            at_most=max(1.0, 2 * share * ledger),
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


async def _send(
    local: LocalServe, key: str, sent: SentRequests, options: argparse.Namespace
) -> list[float]:
    """Returns when the replicas were killed."""
    client, numbers, kills = NoRetryClient(local.url), itertools.count(), []
    due = [int(options.requests * part) for part in KILLED_AT]

    async def kill(at: int) -> None:
        while len(sent.ended_at) < at:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        await asyncio.to_thread(local.kill_one, "Ingress")
        kills.append(time.monotonic())

    async def send() -> None:
        while (number := next(numbers)) < options.requests:
            await _send_one(client, key, number, sent)

    killing = [asyncio.create_task(kill(at)) for at in due]
    await asyncio.gather(*(send() for _ in range(options.connections)))
    await asyncio.gather(*killing)
    client.close()
    return kills


async def _send_one(client: NoRetryClient, key: str, number: int, sent: SentRequests) -> None:
    is_computed = number % COMPUTED_EVERY == 0
    words = f"number {number}" if is_computed else f"again {number % REPEATED}"
    message = {"role": "user", "content": words}
    body = {"model": "echo", "messages": [message], "temperature": 0, "max_tokens": 8}
    try:
        answer = await client.post(CHAT, key, json.dumps(body).encode())
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
    query = {"tenant": TENANT, "group_by": "unit"}
    rows = (await http.get("/api/v1/usage", params=query)).raise_for_status().json()["data"]
    return sum(
        row["amounts"].get(unit, 0) for row in rows for unit in ("input_tokens", "output_tokens")
    )
