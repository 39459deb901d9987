"""Requests for cached and for new responses, sent to ingress replicas that the test names.

Flows in: addresses and prompts. Flows out: each response, and how the cache says it came by it.
Echo repeats its prompt, so every response shows whose it is.
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
CACHED_ONLY = {"Cache-Control": "only-if-cached"}


@dataclass(frozen=True)
class Response:
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
    """A prompt that was never sent before; the slow model takes 3 s to repeat it."""
    return f"say {uuid.uuid4().hex} and then a few more words"


async def ask(
    client: httpx.AsyncClient,
    address: str,
    prompt: str,
    headers: Mapping[str, str] | None = None,
    *,
    model: str = "echo",
    begun: list[str] | None = None,
) -> Response:
    """With `begun` as a stream, of which the list takes the prompt at the first word."""
    messages = [{"role": "user", "content": prompt}]
    body = {"model": model, "temperature": 0, "messages": messages, "stream": begun is not None}
    url, sent = f"{address}/v1/chat/completions", time.monotonic()
    try:
        async with client.stream("POST", url, json=body, headers=headers) as answer:
            words = _whole_text if begun is None or answer.is_error else _streamed
            text = await words(answer, prompt, [] if begun is None else begun)
            by = answer.headers.get("cache-status", "")
            return Response(prompt, answer.status_code, text, by, sent, time.monotonic())
    except httpx.TransportError:
        return Response(prompt, 0, "", "", sent, time.monotonic())


async def _whole_text(answer: httpx.Response, prompt: str, begun: list[str]) -> str:
    body = json.loads(await answer.aread())
    return str(body["choices"][0]["message"]["content"]) if answer.is_success else ""


async def _streamed(answer: httpx.Response, prompt: str, begun: list[str]) -> str:
    pieces: list[str] = []
    async for line in answer.aiter_lines():
        if line == "data: [DONE]":
            return "".join(pieces)
        if line.startswith("data: {"):
            deltas = [choice["delta"] for choice in json.loads(line[6:]).get("choices", ())]
            texts = [delta["content"] for delta in deltas if delta.get("content")]
            begun += [prompt] if texts and not pieces else []
            pieces += texts
    return "(broken off)"


@asynccontextmanager
async def traffic(
    client: httpx.AsyncClient,
    addresses: Sequence[str],
    hot: Sequence[str],
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[list[Response]]:
    """Every other request is for something hot. At the end each one has its answer, and it is the
    right one."""
    responses: list[Response] = []
    going = True

    async def visit(number: int) -> None:
        for turn in itertools.count(number):
            if not going:
                return
            prompt = fresh() if turn % 2 else hot[turn // 2 % len(hot)]
            responses.append(
                await ask(client, addresses[turn // 2 % len(addresses)], prompt, headers)
            )
            await asyncio.sleep(PACE_S)

    visits = [asyncio.create_task(visit(number)) for number in range(VISITORS)]
    try:
        yield responses
    finally:
        going = False
        await asyncio.gather(*visits)
    assert [each for each in responses if not each.right] == []


async def more(responses: Sequence[Response], count: int) -> float:
    """Once there are so many more answers; the time then."""
    wanted = len(responses) + count
    await eventually(lambda: len(responses) >= wanted, timeout_s=30)
    return time.monotonic()


async def up(cluster: ClusterProcess, client: httpx.AsyncClient) -> list[str]:
    """Both ingress replicas, once they keep answers and share them."""
    addresses = list(await asyncio.to_thread(cluster.ingress_addresses, 2))
    for one, other in (addresses, addresses[::-1]):
        await eventually(lambda one=one, other=other: shared(client, one, other), timeout_s=30)
    return addresses


async def shared(client: httpx.AsyncClient, one: str, other: str) -> bool:
    """Whether what `one` computes comes from the shared tier at `other`."""
    prompt = fresh()
    computed, other_response = await ask(client, one, prompt), await ask(client, other, prompt)
    return "stored" in computed.by and other_response.by.endswith("detail=l2")


async def warm(client: httpx.AsyncClient, addresses: Iterable[str], count: int = 8) -> list[str]:
    """So many prompts whose responses every replica has in memory."""
    prompts = [fresh() for _ in range(count)]
    for address, prompt, _ in itertools.product(addresses, prompts, "12"):
        response = await ask(client, address, prompt)
    assert response.by.endswith("detail=l1")
    return prompts


async def computed(client: httpx.AsyncClient, model: str) -> int:
    return int((await client.get("/health")).json()["models"][model]["load"]["submitted"])


def halves(
    responses: Sequence[Response], hot: Sequence[str], since: float, until: float
) -> tuple[list[Response], list[Response]]:
    """What was sent and answered in between: for the hot prompts, and for the others."""
    during = [each for each in responses if since <= each.sent and each.done <= until]
    return [g for g in during if g.prompt in hot], [g for g in during if g.prompt not in hot]
