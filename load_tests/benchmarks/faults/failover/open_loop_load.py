"""Requests offered to a model at a rate, whatever becomes of them.

Arrivals are Poisson and never wait for answers, so a time is counted from when a request was due.
"""

import asyncio
import math
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import httpx

URL = "/v1/chat/completions"
TIMEOUT_S = 30.0
_SEED = 6


@dataclass(frozen=True)
class TimedRequest:
    """Seconds on this process's clock; status 0: no answer came. `model` is who answered."""

    due: float
    took: float
    status: int
    model: str = ""


class OpenLoopLoad:
    """Use as an async context manager: offers `rate` requests a second of `model` meanwhile."""

    def __init__(self, client: httpx.AsyncClient, model: str, rate: float) -> None:
        self.shots: list[TimedRequest] = []
        self._client = client
        self._body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        self._rate = rate
        self._going = True
        self._random = random.Random(_SEED)

    async def __aenter__(self) -> "OpenLoopLoad":
        self._firing = asyncio.create_task(self._send_all())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Waits for what is open."""
        self._going = False
        await self._firing

    def between(self, start: float, end: float) -> list[TimedRequest]:
        """Those that were due then."""
        return [shot for shot in self.shots if start <= shot.due < end]

    async def _send_all(self) -> None:
        due = time.monotonic()
        async with asyncio.TaskGroup() as group:
            while self._going:
                due += self._random.expovariate(self._rate)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                group.create_task(self._send_one(due))

    async def _send_one(self, due: float) -> None:
        try:
            answer = await self._client.post(URL, json=self._body)
            status, model = answer.status_code, answer.json().get("model", "")
        except (httpx.HTTPError, ValueError):
            status, model = 0, ""
        self.shots.append(TimedRequest(due, time.monotonic() - due, status, model))


def create_client(url: str, key: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {key}"}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=256)
    return httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=TIMEOUT_S)


def success_rate(shots: Sequence[TimedRequest]) -> float:
    return sum(shot.status == 200 for shot in shots) / max(1, len(shots))


def quantile(shots: Iterable[TimedRequest], share: float) -> float:
    """Seconds; the nearest rank. NaN of none."""
    times = sorted(shot.took for shot in shots)
    return times[math.ceil(share * len(times)) - 1] if times else math.nan


async def read_call_stats(client: httpx.AsyncClient, model: str) -> dict[str, int]:
    """How the ingress's calls of a model have gone, its breaker's probes among the counts."""
    calls = (await client.get("/health")).json()["models"][model]["calls"]
    return {**calls, "probes": calls["breaker"]["probes"]}
