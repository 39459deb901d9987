"""A steady stream of unary requests to several nodes' proxies while something happens to a node.

Flows in: URLs and a key. Flows out: every answer with its times, in the order they came. A caller
keeps its connections, comes back to the same proxy, and never sends a request again: what fails
here has failed.
"""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

PACE_S = 0.05  # of each caller
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class TrafficCall:
    """One request; status 0: the connection failed."""

    url: str
    sent: float
    done: float
    status: int
    error: str = ""

    @property
    def failed(self) -> bool:
        return self.status != 200


@dataclass
class TrafficRecord:
    """What was answered so far."""

    calls: list[TrafficCall] = field(default_factory=list)

    def failures(self, since: float = 0.0, until: float = float("inf")) -> list[TrafficCall]:
        """Those that were sent in between."""
        return [call for call in self.calls if call.failed and since <= call.sent < until]

    def answered(self, since: float, until: float = float("inf")) -> int:
        return sum(not call.failed and since <= call.sent < until for call in self.calls)

    def slowest_s(self, since: float, until: float = float("inf")) -> float:
        took = [call.done - call.sent for call in self.calls if since <= call.sent < until]
        return max(took, default=0.0)


@asynccontextmanager
async def run_traffic(
    urls: Sequence[str], key: str, model: str = "echo", callers: int = 6
) -> AsyncIterator[TrafficRecord]:
    """While inside, the callers go on; at the end each has its last answer."""
    record, going = TrafficRecord(), asyncio.Event()
    going.set()
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(headers=headers, timeout=TIMEOUT_S, trust_env=False) as client:
        each = [_call_on(client, url, model, record, going) for url in urls for _ in range(callers)]
        tasks = [asyncio.create_task(caller) for caller in each]
        try:
            yield record
        finally:
            going.clear()
            await asyncio.gather(*tasks)


async def _call_on(
    client: httpx.AsyncClient, url: str, model: str, record: TrafficRecord, going: asyncio.Event
) -> None:
    for turn in itertools.count():
        if not going.is_set():
            return
        record.calls.append(await _call(client, url, model, turn))
        await asyncio.sleep(PACE_S)


async def _call(client: httpx.AsyncClient, url: str, model: str, turn: int) -> TrafficCall:
    messages = [{"role": "user", "content": f"turn {turn} goes to one node or another"}]
    sent = time.monotonic()
    try:
        answer = await client.post(
            f"{url}/v1/chat/completions", json={"model": model, "messages": messages}
        )
    except httpx.HTTPError as error:
        return TrafficCall(url, sent, time.monotonic(), 0, type(error).__name__)
    body = "" if answer.is_success else answer.text[:200]
    return TrafficCall(url, sent, time.monotonic(), answer.status_code, body)
