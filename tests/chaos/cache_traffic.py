"""Requests for kept and for new answers, sent to ingress replicas that the test names.

Flows in: where to, what to say. Flows out: each answer, and how the cache says it came by it. Echo
says its prompt, so every answer tells whose it is.
"""

import asyncio
import itertools
import json
import time
import uuid
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from tests.chaos.cluster_process import ClusterProcess
from tests.cluster.polling import eventually

VISITORS, PACE_S = 6, 0.02
KEPT_ONLY = {"Cache-Control": "only-if-cached"}


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


def halves(
    got: Sequence[Got], hot: Sequence[str], since: float, until: float
) -> tuple[list[Got], list[Got]]:
    """What was sent and answered in between: for the hot prompts, and for the others."""
    during = [each for each in got if since <= each.sent and each.done <= until]
    return [g for g in during if g.prompt in hot], [g for g in during if g.prompt not in hot]
