"""Text analysis on a real cluster: over a link, with vectors of the embedding model, and through
the death of its only replica."""

import asyncio
import os
import signal
from typing import Any

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.process_kinds import group_by_kind
from load_tests.benchmarks.content.text_cost import CHEAP, CostOptions, measure_text_cost

ANALYZE = "/api/v1/text/analyze"
POST = "I love our rooftop bar! The best coffee in town, and such friendly people."
CALLS = 24


def text_processes(cluster: LocalServe) -> list[int]:
    return [process.pid for process in group_by_kind(cluster.processes()).get("Text", ())]


async def analyze(client: httpx.AsyncClient, number: int) -> httpx.Response:
    body: dict[str, Any] = {"text": f"{number}. {POST}", "operations": CHEAP}
    return await client.post(ANALYZE, json=body)


async def test_calls_wait_for_the_restart_of_a_killed_replica(
    cluster: LocalServe, client: httpx.AsyncClient
) -> None:
    first = (await analyze(client, 0)).raise_for_status().json()["results"]
    assert first["sentiment"]["value"]["label"] == "positive"
    [killed] = text_processes(cluster)

    calls = [asyncio.create_task(analyze(client, number)) for number in range(1, CALLS)]
    os.kill(killed, signal.SIGKILL)
    calls += [asyncio.create_task(analyze(client, number)) for number in range(CALLS, 2 * CALLS)]
    answers = await asyncio.gather(*calls)

    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 503}
    assert all("retry-after" in answer.headers for answer in answers if answer.status_code == 503)
    assert sum(answer.status_code == 200 for answer in answers) >= CALLS
    assert killed not in text_processes(cluster)


async def test_the_benchmark_comes_to_its_figures(cluster: LocalServe) -> None:
    options = CostOptions(calls=3, rounds=1, load_s=0)
    figures = await asyncio.to_thread(measure_text_cost, cluster, options, str)
    assert {figure.part for figure in figures} == {"text"}
    assert all(figure.value >= 0 for figure in figures)
