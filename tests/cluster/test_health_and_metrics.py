"""Health and metrics of a real cluster: every replica is asked, and what one loses is seen."""

import asyncio
import signal
from typing import Any

import httpx
import pytest

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.faults.injections.samples import sum_samples
from load_tests.benchmarks.faults.injections.stopped_processes import StoppedProcesses
from tests.cluster.polling import eventually

# Those are not checked while replicas start; HAProxy is looked for where `up` puts it, and this
# tier puts it elsewhere.
UNKNOWN = {"sandbox", "ffmpeg", "haproxy"}
EVERYWHERE = {"store", "limiter", "webhooks", "ray:gcs", "serve:controller"}
INGRESSES = 2  # conftest.py
CHATS = 12


async def dependencies(client: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = (await client.get("/api/v1/health/dependencies")).raise_for_status().json()
    return {each["name"]: each for each in answer["dependencies"]}


async def metric(client: httpx.AsyncClient, selector: str) -> float:
    """The sum over all replicas; 0 if none has it."""
    scrape = (await client.get("/metrics")).raise_for_status().text
    return sum_samples(scrape, selector) or 0.0


async def test_every_ingress_replica_finds_what_it_depends_on(
    client: httpx.AsyncClient, served: list[str]
) -> None:
    wanted = EVERYWHERE | {f"model:{id}" for id in served}

    async def states() -> dict[str, list[str]]:
        found = await dependencies(client)
        return {name: [each["state"] for each in found[name]["replicas"]] for name in wanted}

    async def are_up() -> bool:
        return set(map(tuple, (await states()).values())) == {("up",) * INGRESSES}

    await eventually(are_up)
    others = {name: each["state"] for name, each in (await dependencies(client)).items()}
    assert {others[name] for name in others.keys() - wanted - UNKNOWN} <= {"up", "off", "degraded"}
    assert await metric(client, 'mobula_dependency_up{dependency="store"}') == INGRESSES

    async def limiter_is_scraped() -> bool:
        return "\nmobula_limit_buckets{" in (await client.get("/metrics")).text

    await eventually(limiter_is_scraped)


async def test_a_scrape_counts_every_request_of_every_replica(client: httpx.AsyncClient) -> None:
    chats = 'mobula_http_requests_total{route="/v1/chat/completions",code="200"}'
    sequences = 'mobula_generation_sequences_total{model="echo",outcome="finished"}'
    before = [await metric(client, selector) for selector in (chats, sequences)]
    bodies = [
        {"model": "echo", "messages": [{"role": "user", "content": f"scrape {number}"}]}
        for number in range(CHATS)
    ]

    answers = await asyncio.gather(
        *(client.post("/v1/chat/completions", json=body) for body in bodies)
    )

    assert {answer.status_code for answer in answers} == {200}

    async def are_counted() -> bool:
        after = [await metric(client, selector) for selector in (chats, sequences)]
        return [now - then for now, then in zip(after, before, strict=True)] == [CHATS, CHATS]

    await eventually(are_counted)
    assert await metric(client, 'mobula_scrape_replicas{deployment="Ingress"}') == INGRESSES


@pytest.mark.exhaustive
async def test_a_model_without_a_living_replica_is_down_until_one_is_back(
    cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    async def is_in(state: str) -> bool:
        found = await dependencies(client)
        return bool(found["model:elastic"]["state"] == state)

    await eventually(lambda: is_in("up"))
    with StoppedProcesses(
        lambda: group_by_kind(cluster.processes()), "Model:elastic", signal.SIGKILL
    ):
        await eventually(lambda: is_in("down"))
    await eventually(lambda: is_in("up"))
