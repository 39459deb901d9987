"""A replica in this process that does what it is asked, and the requests that ask it."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import numpy as np

from cluster.runtime.problems import InvalidRequest, Overloaded, Problem
from cluster.tenants.caller import Caller
from deployments.clients.link.methods import (
    EMBED,
    GENERATE,
    SETTLE,
    STREAM,
    Handler,
    Handlers,
)
from deployments.contracts.embedding import Embeddings, EmbedRequest
from deployments.contracts.generation import (
    Choice,
    Chunk,
    Completion,
    GenerateRequest,
    Message,
    ModelCard,
    Sampling,
    SettleRequest,
    TokenUsage,
)
from deployments.model.errors import as_response, as_response_stream

CALLER = Caller("acme", "key", frozenset())


def request(prompt: str, timeout_s: float = 20.0, **sampling: Any) -> GenerateRequest:
    """`prompt` is what the replica does: see ScriptedReplica."""
    return GenerateRequest(
        "id", CALLER, "m", Sampling(**sampling), (Message("user", prompt),), timeout_s=timeout_s
    )


def embed_request(*texts: str, timeout_s: float = 20.0) -> EmbedRequest:
    return EmbedRequest("id", CALLER, "m", texts, timeout_s=timeout_s)


class ScriptedReplica:
    """`hang` (`hang at a`: one of them) waits for ever, `busy` and `broken` refuse, `long` gives
    much, `N words` N chunks; `then hang` and `then break` come after the chunks.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[str] = []
        self.running: set[str] = set()
        self.cancelled: list[str] = []
        self.given = 0
        self.dead = asyncio.Event()

    async def generate(self, sent: GenerateRequest) -> Completion | Problem:
        return await as_response(self._generate(sent), sent)

    async def stream(self, sent: GenerateRequest) -> AsyncGenerator[Chunk | Problem, None]:
        async with aclosing(as_response_stream(self._stream(sent), sent)) as chunks:
            async for chunk in chunks:
                yield chunk

    def stream_handler(self) -> Handler:
        """For links."""
        return self.stream

    async def embed(self, sent: EmbedRequest) -> Embeddings | Problem:
        return await as_response(self._embed(sent), sent)

    async def settle(self, sent: SettleRequest) -> TokenUsage:
        return TokenUsage(3, self.given)

    async def card(self, _: None = None) -> ModelCard:
        return ModelCard("m", "scripted", "scripted", "scripted-1", 8192, 0)

    async def _generate(self, sent: GenerateRequest) -> Completion:
        with self._open(sent.messages[0].content):
            await self._act(sent.messages[0].content)
            text = f"{self.name}: {sent.messages[0].content}"
            text *= 1000 if sent.messages[0].content == "long" else 1
            return Completion((Choice(0, text, "stop"),), TokenUsage(1, 2), "m")

    async def _stream(self, sent: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        prompt = sent.messages[0].content
        with self._open(prompt):
            await self._act(prompt)
            words = int(prompt.split()[0])
            for number in range(words):
                self.given += 1
                yield Chunk(0, f"{number} ", tokens=1)
            if "then hang" in prompt:
                await asyncio.Event().wait()
            if "then break" in prompt:
                raise Overloaded("enough", 3.0)
            yield Chunk(0, self.name, "stop", usage=TokenUsage(1, words))

    async def _embed(self, sent: EmbedRequest) -> Embeddings:
        with self._open(sent.texts[0]):
            await self._act(sent.texts[0])
            vectors = np.arange(3 * len(sent.texts), dtype=np.float32).reshape(-1, 3)
            return Embeddings(vectors, len(sent.texts), self.name)

    async def _act(self, prompt: str) -> None:
        await asyncio.sleep(0)
        if prompt == "hang" or prompt == f"hang at {self.name}":
            await asyncio.Event().wait()
        if prompt == "busy":
            raise Overloaded("no room", 7.0)
        if prompt == "broken":
            raise InvalidRequest("not like this", param="prompt")

    def _open(self, prompt: str) -> "_Running":
        return _Running(self, prompt)


class _Running:
    def __init__(self, replica: ScriptedReplica, prompt: str) -> None:
        self.replica, self.prompt = replica, f"{len(replica.asked)} {prompt}"
        replica.asked.append(prompt)

    def __enter__(self) -> None:
        self.replica.running.add(self.prompt)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.replica.running.discard(self.prompt)
        if kind is not None and issubclass(kind, asyncio.CancelledError | GeneratorExit):
            self.replica.cancelled.append(self.prompt)


def handlers_of(replica: ScriptedReplica) -> Handlers:
    """What the replica offers over links."""
    return {
        GENERATE: replica.generate,
        STREAM: replica.stream_handler(),
        SETTLE: replica.settle,
        EMBED: replica.embed,
    }
