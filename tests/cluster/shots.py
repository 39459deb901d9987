"""Requests fired at a rate, and how far above a limit they were surely let in."""

import asyncio
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass

import httpx

from tests.cluster.tenants import Tenant

CHAT = {"model": "echo", "messages": [{"role": "user", "content": "one two three"}]}
CLIENTS = 24


@dataclass(frozen=True)
class Shot:
    """One request: seconds when it was sent and when its answer was there; status 0: none came.
    `problem` is the answer of a server that failed, or what became of the connection."""

    sent: float
    done: float
    status: int
    problem: str = ""

    @property
    def took(self) -> float:
        return self.done - self.sent


def is_decided(shot: Shot) -> bool:
    """Admitted or refused by the limiter, with 503 where it does not know whether there is room."""
    unknown = "The limit 'generate-requests' cannot be checked right now."
    return shot.status in (200, 429) or unknown in shot.problem


async def shoot(client: httpx.AsyncClient, tenant: Tenant, **body: object) -> Shot:
    sent = time.monotonic()
    try:
        answer = await client.post(
            "/v1/chat/completions", json={**CHAT, **body}, headers=tenant.headers
        )
    except httpx.TransportError as error:
        return Shot(sent, time.monotonic(), 0, repr(error))
    problem = answer.text if answer.is_server_error else ""
    return Shot(sent, time.monotonic(), answer.status_code, problem)


async def fire(url: str, tenant: Tenant, seconds: float, rate: float) -> list[Shot]:
    """Offer `rate` requests a second from many connections, whatever the answers are."""
    shots: list[asyncio.Task[Shot]] = []
    limits = httpx.Limits(max_connections=CLIENTS, max_keepalive_connections=CLIENTS)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=30) as client:
        start = time.monotonic()
        for number in itertools.count():
            due = start + number / rate
            if due > start + seconds:
                break
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            shots.append(asyncio.create_task(shoot(client, tenant)))
        return list(await asyncio.gather(*shots))


def worst_excess(shots: Iterable[Shot], rate: float, burst: int) -> float:
    """The most requests above `burst + rate * length` that were surely let in within a window.

    A request was let in between its sending and its answer, so a window holds for sure what was
    sent after its begin and answered before its end.
    """
    admitted = sorted((s for s in shots if s.status == 200), key=lambda shot: shot.sent)
    worst = float("-inf")
    for at, first in enumerate(admitted):
        ends = sorted(shot.done for shot in admitted[at:])
        for count, end in enumerate(ends, start=1):
            worst = max(worst, count - burst - rate * (end - first.sent))
    return worst
