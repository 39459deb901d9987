"""The cache while its shared tier is frozen, flushed, killed or poisoned, or a replica is killed.

One cluster with two ingress replicas; they share answers through a Redis first and through the
deployment `Cache-0` then. The replicas are asked at their own ports, so it is known which of them
answers. Echo says its prompt, so every answer tells whose it is. Figures are printed, and only
bounds that hold on a busy machine are asserted.
"""

import asyncio
import itertools
import json
import os
import signal
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx
import pytest
from redis.asyncio import Redis

from tests.chaos.cluster_process import ClusterProcess
from tests.cluster.polling import eventually
from tests.cluster.tenants import make_tenant
from tests.servers.redis_server import RedisServer

VISITORS, PACE_S = 6, 0.02
FELT_S = 0.5  # what a fault may add to the slowest miss, on a machine that does other things
LEASE_S = 2.0  # of a claim, deployments/cache/leading.py
SEEN_S = 1.0  # within which every replica knows of an invalidation
KEPT_ONLY = {"Cache-Control": "only-if-cached"}


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def cluster(redis_server: RedisServer) -> Iterator[ClusterProcess]:
    with ClusterProcess(redis_server.url, "embedded") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def embedded(cluster: ClusterProcess) -> ClusterProcess:
    """From here on the answers are shared through a deployment of ours."""
    cluster.keep_answers_in("embedded")
    return cluster


@pytest.fixture
async def client(cluster: ClusterProcess) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": f"Bearer {cluster.key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
    async with httpx.AsyncClient(
        base_url=cluster.url, headers=headers, limits=limits, timeout=30
    ) as client:
        yield client


@dataclass(frozen=True)
class Got:
    """One answer; status 0: none came. `by` is how the cache came by it."""

    prompt: str
    status: int
    text: str
    by: str
    sent: float
    done: float

    @property
    def right(self) -> bool:
        return self.status == 200 and self.text == self.prompt

    @property
    def took(self) -> float:
        return self.done - self.sent


def fresh() -> str:
    """What nobody has said before; the slow model takes 3 s to repeat it."""
    return f"say {uuid.uuid4().hex} and then a few more words"


async def ask(
    client: httpx.AsyncClient,
    place: str,
    prompt: str,
    headers: Mapping[str, str] | None = None,
    *,
    model: str = "echo",
    begun: list[str] | None = None,
) -> Got:
    """With `begun` as a stream, of which the list takes the prompt at the first word."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "temperature": 0, "messages": messages, "stream": begun is not None}
    url, sent = f"{place}/v1/chat/completions", time.monotonic()
    try:
        async with client.stream("POST", url, json=body, headers=headers) as answer:
            words = _told if begun is None or answer.is_error else _streamed
            text = await words(answer, prompt, [] if begun is None else begun)
            by = answer.headers.get("cache-status", "")
            return Got(prompt, answer.status_code, text, by, sent, time.monotonic())
    except httpx.TransportError:
        return Got(prompt, 0, "", "", sent, time.monotonic())


async def _told(answer: httpx.Response, prompt: str, begun: list[str]) -> str:
    body = json.loads(await answer.aread())
    return str(body["choices"][0]["message"]["content"]) if answer.is_success else ""


async def _streamed(answer: httpx.Response, prompt: str, begun: list[str]) -> str:
    pieces: list[str] = []
    async for line in answer.aiter_lines():
        if line == "data: [DONE]":
            return "".join(pieces)
        if line.startswith("data: {"):
            deltas = [choice["delta"] for choice in json.loads(line[6:]).get("choices", ())]
            said = [delta["content"] for delta in deltas if delta.get("content")]
            begun += [prompt] if said and not pieces else []
            pieces += said
    return "(broken off)"


@asynccontextmanager
async def traffic(
    client: httpx.AsyncClient,
    places: Sequence[str],
    hot: Sequence[str],
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[list[Got]]:
    """Every other request is for something hot. At the end each one has its answer, and it is the
    right one."""
    got: list[Got] = []
    going = True

    async def visit(number: int) -> None:
        for turn in itertools.count(number):
            if not going:
                return
            prompt = fresh() if turn % 2 else hot[turn // 2 % len(hot)]
            got.append(await ask(client, places[turn // 2 % len(places)], prompt, headers))
            await asyncio.sleep(PACE_S)

    visits = [asyncio.create_task(visit(number)) for number in range(VISITORS)]
    try:
        yield got
    finally:
        going = False
        await asyncio.gather(*visits)
    assert [each for each in got if not each.right] == []


async def more(got: Sequence[Got], count: int) -> float:
    """Once there are so many more answers; the time then."""
    wanted = len(got) + count
    await eventually(lambda: len(got) >= wanted, timeout_s=30)
    return time.monotonic()


async def up(cluster: ClusterProcess, client: httpx.AsyncClient) -> list[str]:
    """Both ingress replicas, once they keep answers and share them."""
    places = list(await asyncio.to_thread(cluster.ingress_addresses, 2))
    for one, other in (places, places[::-1]):
        await eventually(lambda one=one, other=other: shared(client, one, other), timeout_s=30)
    return places


async def shared(client: httpx.AsyncClient, one: str, other: str) -> bool:
    """Whether what `one` computes comes from the shared tier at `other`."""
    prompt = fresh()
    computed, found = await ask(client, one, prompt), await ask(client, other, prompt)
    return "stored" in computed.by and found.by.endswith("detail=l2")


async def warm(client: httpx.AsyncClient, places: Iterable[str], count: int = 8) -> list[str]:
    """So many prompts whose answers every place has in memory."""
    prompts = [fresh() for _ in range(count)]
    for place, prompt, _ in itertools.product(places, prompts, "12"):
        found = await ask(client, place, prompt)
    assert found.by.endswith("detail=l1")
    return prompts


async def computed(client: httpx.AsyncClient, model: str) -> int:
    return int((await client.get("/health")).json()["models"][model]["load"]["submitted"])


async def answers(redis: Redis) -> dict[bytes, bytes]:
    """What Redis holds that is kept, sealed."""
    keys = await redis.keys("mobula:cache:*:answer")
    return {key: value for key in keys if (value := await redis.get(key)) is not None}


def halves(
    got: Sequence[Got], hot: Sequence[str], since: float, until: float
) -> tuple[list[Got], list[Got]]:
    """What was sent and answered in between: for the hot prompts, and for the others."""
    during = [each for each in got if since <= each.sent and each.done <= until]
    return [g for g in during if g.prompt in hot], [g for g in during if g.prompt not in hot]


async def test_a_frozen_redis_adds_little_to_a_miss_and_is_used_again(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = places = await up(cluster, client)
    hot = await warm(client, places)
    async with traffic(client, places, hot) as got:
        frozen = await more(got, 300)
        redis_server.freeze()
        try:
            thawed = await more(got, 600)
        finally:
            redis_server.thaw()
        await eventually(lambda: shared(client, one, other), timeout_s=15)
        back = time.monotonic()
        await more(got, 100)
    _, before = halves(got, hot, 0.0, frozen)
    hits, misses = halves(got, hot, frozen, thawed)
    usual = statistics.median(each.took for each in before)
    added = [each.took - usual for each in misses]
    print(  # noqa: T201
        f"frozen: a miss takes {usual * 1e3:.1f} ms, and during {len(misses)} misses at most "
        f"{max(added) * 1e3:.1f} ms more (median {statistics.median(added) * 1e3:+.1f} ms), a hit "
        f"at most {max(hit.took for hit in hits) * 1e3:.1f} ms; back after {back - thawed:.2f} s"
    )
    assert max(added) <= FELT_S
    assert {hit.by.rpartition("=")[2] for hit in hits} == {"l1"}


async def test_claims_that_a_frozen_redis_gave_too_late_hold_up_nobody_for_long(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = await up(cluster, client)
    redis_server.freeze()
    try:
        missed = await asyncio.gather(*(ask(client, one, fresh()) for _ in range(8)))
    finally:
        redis_server.thaw()
    again = await asyncio.gather(*(ask(client, other, each.prompt) for each in missed))
    print(f"thawed: the slowest of them took {max(each.took for each in again):.2f} s")  # noqa: T201
    assert all(each.right for each in [*missed, *again])
    assert max(each.took for each in again) <= LEASE_S + FELT_S


async def test_a_redis_flushed_in_mid_traffic_costs_only_misses(
    cluster: ClusterProcess, client: httpx.AsyncClient, redis_server: RedisServer
) -> None:
    one, other = places = await up(cluster, client)
    hot, lost = await warm(client, places), await warm(client, [one])
    async with traffic(client, places, hot) as got:
        flushed = await more(got, 200)
        redis_server.flush()
        again = [await ask(client, other, prompt) for prompt in lost]
        await eventually(lambda: shared(client, one, other))
        end = await more(got, 200)
    hits, misses = halves(got, hot, flushed, end)
    assert {each.by.rpartition("=")[2] for each in hits} == {"l1"}
    assert {each.by for each in [*again, *misses]} == {"mobula;fwd=miss;stored"}
    assert all(each.right for each in again)
