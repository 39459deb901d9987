"""Collections and documents while the processes that serve them are killed.

A private cluster. Writers put and delete points, and ids are never used again, so an id that was
deleted must be in no answer to a query that begins later. Documents are sent meanwhile. Replicas of
Search, Ingress and Media take turns to die by SIGKILL. At the end the collection has to hold what
the writers were told, and every document has been read, indexed and charged once.
"""

import asyncio
import os
import random
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from load_tests.benchmarks.common.local_serve import LocalServe
from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.common.tenants import usage_query

WRITERS, SEARCHERS = 2, 3
BATCH, DELETED, SLICE = 20, 8, 100
DIMENSIONS = 16
KILLED = ("Search", "Ingress", "Media")
PATIENCE_S, POLL_S, LEDGER_S = 180.0, 0.1, 30.0
PARAGRAPHS = 40


def measure_kills(kills: int, every_s: float) -> list[Measurement]:
    """`kills` deaths, so many seconds apart."""
    with LocalServe() as serve:
        from graphs.app import build
        from graphs.args import AppArgs

        echo = {"id": "echo", "engine": "echo", "source": "echo", "num_cpus": 0.1}
        given = {
            "models": [echo],
            "embeddings": [{"id": "minilm", "num_cpus": 0.1}],
            "ingress": {"num_cpus": 0.1, "replicas": 2},
            "text": {"enabled": False},
        }
        serve.run(build(AppArgs.model_validate(given)), "mobula", "/")
        return asyncio.run(_measure(serve, kills, every_s))


@dataclass
class _Client:
    """Calls are repeated while replicas come back; so every one of them may run twice."""

    http: httpx.AsyncClient
    repeated: int = 0

    async def send(self, method: str, path: str, **rest: Any) -> dict[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with suppress(httpx.TransportError):
                    answer = await self.http.request(method, path, **rest)
                    if answer.status_code < 500:
                        body: dict[str, Any] = answer.raise_for_status().json()
                        return body
                self.repeated += 1
                await asyncio.sleep(POLL_S)


@dataclass
class _Points:
    """`stored` and `deleted` are those whose call was answered."""

    client: _Client
    path: str
    stored: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    last: int = 0
    queries: int = 0
    returned: int = 0  # deleted points in answers

    async def write(self, dice: random.Random) -> None:
        numbers = list(range(self.last, self.last + BATCH))
        self.last += BATCH
        points = [
            {
                "id": f"p{number}",
                "text": f"coffee {number}",
                "vector": [dice.gauss(0, 1) for _ in range(DIMENSIONS)],
                "payload": {"n": number},
            }
            for number in numbers
        ]
        await self.client.send("PUT", f"{self.path}/points", json={"points": points})
        self.stored |= set(numbers)
        gone = dice.sample(numbers, DELETED)
        body = {"ids": [f"p{number}" for number in gone]}
        await self.client.send("POST", f"{self.path}/points/delete", json=body)
        self.deleted |= set(gone)

    async def search(self, dice: random.Random) -> None:
        gone = set(self.deleted)
        vector = [dice.gauss(0, 1) for _ in range(DIMENSIONS)]
        found = await self.find({"vector": vector, "text": "coffee", "mode": "hybrid"})
        self.returned += len(found & gone)
        self.queries += 1

    async def find(self, query: dict[str, Any]) -> set[int]:
        body = {"limit": SLICE, **query}
        answer = await self.client.send("POST", f"{self.path}/query", json=body)
        return {hit["payload"]["n"] for hit in answer["results"]}

    async def all(self) -> set[int]:
        """Every point that a search finds."""
        found: set[int] = set()
        for first in range(0, self.last, SLICE):
            between = {"range": {"n": {"gte": first, "lt": first + SLICE}}}
            found |= await self.find({"text": "coffee", "mode": "text", "filter": between})
        return found


async def _measure(serve: LocalServe, kills: int, every_s: float) -> list[Measurement]:
    headers = {"Authorization": f"Bearer {serve.key}"}
    async with httpx.AsyncClient(base_url=serve.url, headers=headers, timeout=60.0) as http:
        client = _Client(http)
        made = await client.send(
            "POST", "/api/v1/collections", json={"name": "killed", "model": "none"}
        )
        points = _Points(client, f"/api/v1/collections/{made['id']}")
        ended, documents, dice = asyncio.Event(), list[dict[str, Any]](), random.Random(5)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(WRITERS):
                tasks.create_task(_until(ended, lambda: points.write(dice)))
            for _ in range(SEARCHERS):
                tasks.create_task(_until(ended, lambda: points.search(dice)))
            tasks.create_task(_until(ended, lambda: _send(client, documents)))
            died = await _kill(serve, kills, every_s)
            ended.set()
        indexed = await _indexed(client, documents)
        found, wanted = await points.all(), points.stored - points.deleted
        pages = sum(document["pages"] for document in indexed)
        charged = await _pages_charged(client, pages)
        unread = sum(document["state"] != "indexed" for document in indexed)
        lost = [await _points_missing(client, document) for document in indexed]
    part = f"{died} kills"
    return [
        Measurement(part, "points stored", len(points.stored)),
        Measurement(part, "queries", points.queries, at_least=1),
        Measurement(part, "calls that were repeated", client.repeated),
        Measurement(part, "deleted points in answers", points.returned, at_most=0),
        Measurement(part, "points lost or too many", len(found ^ wanted), at_most=0),
        Measurement(part, "documents", len(indexed), at_least=1),
        Measurement(part, "documents that were not indexed", unread, at_most=0),
        Measurement(part, "chunks lost or too many", sum(lost), at_most=0),
        Measurement(part, "pages charged beyond those read", charged - pages, "", 0, 0),
    ]


async def _until(ended: asyncio.Event, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while not ended.is_set():
        await work()


async def _kill(serve: LocalServe, kills: int, every_s: float) -> int:
    died = 0
    for number in range(kills):
        await asyncio.sleep(every_s)
        pids = serve.replicas(KILLED[number % len(KILLED)])
        if pids:
            with suppress(ProcessLookupError):
                os.kill(pids[0], signal.SIGKILL)
                died += 1
    await asyncio.sleep(every_s)
    return died


async def _send(client: _Client, documents: list[dict[str, Any]]) -> None:
    """Another text each time, so that none is known already."""
    number = len(documents)
    lines = (f"Paragraph {at} of document {number} is about item {at}." for at in range(PARAGRAPHS))
    content = f"# Document {number}\n\n" + "\n\n".join(lines)
    form = {"file": (f"document-{number}.md", content.encode())}
    documents.append(await client.send("POST", "/api/v1/documents", files=form))
    await asyncio.sleep(1.0)


async def _indexed(client: _Client, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As they are once their jobs are over."""
    found = []
    async with asyncio.timeout(PATIENCE_S):
        for document in documents:
            while True:
                now = await client.send("GET", f"/api/v1/documents/{document['id']}")
                if now["state"] in ("indexed", "failed"):
                    break
                await asyncio.sleep(POLL_S)
            found.append(now)
    return found


async def _points_missing(client: _Client, document: dict[str, Any]) -> int:
    """By how many the points of a document differ from its chunks."""
    [place] = document["collections"]
    body = {
        "text": "paragraph document item",
        "mode": "text",
        "limit": SLICE,
        "filter": {"eq": {"document": document["id"]}},
    }
    path = f"/api/v1/collections/{place['collection']}/query"
    answer = await client.send("POST", path, json=body)
    return abs(int(answer["matched"]) - int(document["chunks"]))


async def _pages_charged(client: _Client, wanted: int) -> int:
    """In the ledger, which has all of them after some seconds."""
    charged = -1
    with suppress(TimeoutError):
        async with asyncio.timeout(LEDGER_S):
            while charged < wanted:
                query = usage_query("default")
                answer = await client.send("GET", "/api/v1/usage", params=query)
                charged = sum(row["amounts"].get("pages", 0) for row in answer["data"])
                await asyncio.sleep(POLL_S)
    return charged
