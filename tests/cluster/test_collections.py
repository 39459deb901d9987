"""Searches of collections on a real cluster, through the death of the only search shard."""

import asyncio
import os
import signal
from typing import Any

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind

COLLECTIONS = "/api/v1/collections"
POINTS = 30


def search_processes(cluster: LocalServe) -> list[int]:
    return [process.pid for process in group_by_kind(cluster.processes()).get("Search", ())]


async def found(client: httpx.AsyncClient, path: str) -> set[str]:
    """Ids of all points, by a query that waits for a shard."""
    body = {"text": "coffee", "mode": "text", "limit": 100}
    while True:
        answer = await client.post(f"{path}/query", json=body)
        if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            return {hit["id"] for hit in answer.raise_for_status().json()["results"]}
        assert "retry-after" in answer.headers


async def test_a_deleted_point_never_answers_while_the_shard_is_killed(
    cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    made = await client.post(COLLECTIONS, json={"name": "killed", "model": "none"})
    path = f"{COLLECTIONS}/{made.raise_for_status().json()['id']}"
    points = [{"id": f"p{at}", "text": f"coffee {at}"} for at in range(POINTS)]
    (await client.put(f"{path}/points", json={"points": points})).raise_for_status()
    assert len(await found(client, path)) == POINTS
    [killed] = search_processes(cluster)
    deleted: set[str] = set()

    async def delete() -> None:
        for at in range(0, POINTS, 2):
            body: dict[str, Any] = {"ids": [f"p{at}"]}
            (await client.post(f"{path}/points/delete", json=body)).raise_for_status()
            deleted.add(f"p{at}")
            if at == POINTS // 2 + 1:
                os.kill(killed, signal.SIGKILL)

    async def search() -> int:
        queries = 0
        while len(deleted) < POINTS // 2 or killed in search_processes(cluster):
            gone = set(deleted)
            assert not await found(client, path) & gone
            queries += 1
        return queries

    _, *queries = await asyncio.gather(delete(), search(), search())

    assert all(queries)
    assert await found(client, path) == {f"p{at}" for at in range(1, POINTS, 2)}
    assert killed not in search_processes(cluster)
    (await client.delete(path)).raise_for_status()
