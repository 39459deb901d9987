"""Answers and streams of models while those are killed and stopped, and what became of them."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

URL = "/v1/chat/completions"
STREAMED = 160  # characters, of which the paced models write 40 a second


@dataclass(frozen=True)
class Answer:
    """One that came whole. `instead` is the model that the header Mobula-Fallback names."""

    sent: float
    took: float
    status: int
    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def instead(self) -> str | None:
        return self.headers.get("mobula-fallback")


@dataclass
class Stream:
    """`error` is the code of the problem it ended with; `whole`: it came to its end."""

    status: int = 0
    text: str = ""
    error: str | None = None
    whole: bool = False


async def ask(client: httpx.AsyncClient, model: str) -> Answer:
    sent = time.monotonic()
    chat = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    response = await client.post(URL, json=chat)
    return Answer(
        sent, time.monotonic() - sent, response.status_code, response.headers, response.json()
    )


async def ask_all(client: httpx.AsyncClient, model: str, number: int) -> list[Answer]:
    """So many, eight at a time."""
    left = iter(range(number))

    async def worker() -> list[Answer]:
        return [await ask(client, model) for _ in left]

    answers = await asyncio.gather(*(worker() for _ in range(8)))
    return sorted((each for some in answers for each in some), key=lambda each: each.sent)


@asynccontextmanager
async def asking(
    client: httpx.AsyncClient, model: str, workers: int
) -> AsyncIterator[list[Answer]]:
    """Asks on and on while the body runs; afterwards the list is whole."""
    answers: list[Answer] = []
    going = True

    async def worker() -> None:
        while going:
            answers.append(await ask(client, model))

    tasks = [asyncio.create_task(worker()) for _ in range(workers)]
    try:
        yield answers
    finally:
        going = False
        await asyncio.gather(*tasks)


async def read(client: httpx.AsyncClient, model: str, stream: Stream) -> Stream:
    """Reads a stream of STREAMED characters to its end, or to its error."""
    chat = {
        "model": model,
        "stream": True,
        "messages": [{"role": "user", "content": "x" * STREAMED}],
    }
    async with client.stream("POST", URL, json=chat) as response:
        stream.status = response.status_code
        async for line in response.aiter_lines():
            if line == "data: [DONE]":
                stream.whole = True
            elif line.startswith("data: "):
                _hear(stream, json.loads(line.removeprefix("data: ")))
    return stream


def _hear(stream: Stream, event: Mapping[str, Any]) -> None:
    if "error" in event:
        stream.error = event["error"]["code"]
    for choice in event.get("choices", ()):
        stream.text += choice["delta"].get("content") or ""


async def calls_of(client: httpx.AsyncClient, model: str) -> Mapping[str, Any]:
    """How the ingress's calls of a model have gone, by `/health`."""
    health = (await client.get("/health")).json()
    calls: Mapping[str, Any] = health["models"][model]["calls"]
    return calls


def slowest(answers: Sequence[Answer]) -> float:
    return max(answer.took for answer in answers)
