"""The cache over real HTTP: one computation for all replicas, isolated, and emptied everywhere."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from tests.cluster.polling import eventually
from tests.cluster.tenants import make_tenant

URL = "/v1/chat/completions"


@pytest.fixture
async def crowd(cluster: LocalServe) -> AsyncIterator[httpx.AsyncClient]:
    """A client with enough connections to reach every ingress replica at once."""
    headers = {"Authorization": f"Bearer {cluster.key}"}
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=0)
    async with httpx.AsyncClient(
        base_url=cluster.url, headers=headers, limits=limits, timeout=30
    ) as client:
        yield client


def chat(model: str = "echo", **more: object) -> dict[str, object]:
    """A request that nobody has sent before."""
    words = f"say {uuid.uuid4().hex} twice"
    return {
        "model": model,
        "temperature": 0,
        "messages": [{"role": "user", "content": words}],
        **more,
    }


async def computed(client: httpx.AsyncClient, model: str) -> int:
    return int((await client.get("/health")).json()["models"][model]["load"]["submitted"])


async def ready(client: httpx.AsyncClient) -> None:
    """Until every replica knows its models, and so may keep answers."""

    async def caches() -> bool:
        body = chat()
        answers = [await client.post(URL, json=body) for _ in range(8)]
        return all("bypass" not in answer.headers["cache-status"] for answer in answers)

    await eventually(caches, timeout_s=20)


@pytest.mark.parametrize("stream", [False, True])
async def test_sixty_equal_requests_at_once_are_computed_once_over_all_replicas(
    crowd: httpx.AsyncClient, stream: bool
) -> None:
    await ready(crowd)
    before = await computed(crowd, "slow")
    body = chat("slow", stream=stream)
    answers = await asyncio.gather(*(crowd.post(URL, json=body) for _ in range(60)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({_words(answer, stream) for answer in answers}) == 1
    computations = await computed(crowd, "slow") - before
    stats = (await crowd.get("/api/v1/cache/stats", params={"all_tenants": True})).json()
    # A replica whose lease request or poll the shared tier did not answer in time (on a machine
    # that does other things) computes by itself instead of waiting.
    assert computations == 1 or (stats["l2"]["errors"] and computations <= stats["replicas"])


async def test_a_cached_response_is_served_by_every_replica(crowd: httpx.AsyncClient) -> None:
    await ready(crowd)
    body = chat("slow")
    first = await crowd.post(URL, json=body)
    again = await asyncio.gather(*(crowd.post(URL, json=body) for _ in range(20)))
    details = {answer.headers["cache-status"].rpartition("detail=")[2] for answer in again}
    # A replica that asks while the first one still stores its response in L2 waits for that.
    assert all(each in ("l1", "l2") or each.endswith(";collapsed") for each in details)
    assert {_words(answer) for answer in again} == {_words(first)}


@pytest.mark.every_profile
async def test_an_invalidation_is_seen_by_every_replica_within_a_second(
    crowd: httpx.AsyncClient,
) -> None:
    await ready(crowd)
    body, tags = chat(), {"Mobula-Cache-Tags": f"post:{uuid.uuid4().hex}"}
    for _ in range(8):
        await crowd.post(URL, json=body, headers=tags)
    invalidation = await crowd.post(
        "/api/v1/cache/invalidations", json={"tag": tags["Mobula-Cache-Tags"]}
    )
    assert invalidation.status_code == 200
    at = time.monotonic()
    last_seen = 0.0
    cached_only = {**tags, "Cache-Control": "only-if-cached"}
    while (sent_s := time.monotonic() - at) < 1.5:
        responses = await asyncio.gather(
            *(crowd.post(URL, json=body, headers=cached_only) for _ in range(8))
        )
        if any(answer.status_code == 200 for answer in responses):
            last_seen = sent_s
    assert last_seen <= 1.0


async def test_a_tenant_never_gets_the_response_of_another(
    client: httpx.AsyncClient, crowd: httpx.AsyncClient
) -> None:
    await ready(crowd)
    body = chat()
    await crowd.post(URL, json=body)
    tenant = await make_tenant(client)
    cached_only = {**tenant.headers, "Cache-Control": "only-if-cached"}
    theirs = await asyncio.gather(
        *(crowd.post(URL, json=body, headers=cached_only) for _ in "12345")
    )
    assert {answer.status_code for answer in theirs} == {504}


async def test_figures_are_summed_over_the_replicas(
    client: httpx.AsyncClient, crowd: httpx.AsyncClient
) -> None:
    await ready(crowd)
    tenant = await make_tenant(client)
    body = chat()
    for _ in range(10):
        await crowd.post(URL, json=body, headers=tenant.headers)
    stats = (await client.get("/api/v1/cache/stats", params={"tenant": tenant.id})).json()
    assert stats["replicas"] == 2
    hits = sum(tier["hits"] for tier in (stats["l1"], stats["l2"]) if tier)
    assert hits + stats["coalesced"] == 9
    assert stats["computed"] == 1


@pytest.mark.every_profile
async def test_a_repeated_idempotency_key_runs_once_over_all_replicas(
    crowd: httpx.AsyncClient,
) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    body = chat("slow", temperature=1)
    before = await computed(crowd, "slow")
    answers = await asyncio.gather(*(crowd.post(URL, json=body, headers=key) for _ in range(16)))
    assert {answer.status_code for answer in answers} <= {200, 409}
    again = await crowd.post(URL, json=body, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert await computed(crowd, "slow") - before == 1


def _words(answer: httpx.Response, stream: bool = False) -> str:
    if not stream:
        return str(answer.json()["choices"][0]["message"]["content"])
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")]
    deltas = [json.loads(event)["choices"][0]["delta"] for event in events]
    return "".join(delta.get("content") or "" for delta in deltas)
