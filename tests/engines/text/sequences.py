"""Asking an engine for sequences, and waiting until it is quiet.

In: an engine. Out: what it gave.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from deployments.contracts.engine import Engine, TokenRequest, Tokens
from deployments.contracts.generation import FinishReason, Message
from deployments.model.model_files import NANO
from deployments.model.text.hf_tokenizer import TextTokenizer

TOPICS = (
    "Write an Instagram caption about roasted coffee.",
    "Write a LinkedIn post about hiring a data engineer. Tone: formal.",
    "Caption: sunset over Zürich 🌅",
    "Rewrite this text: we open at nine",
    "Topic: quarterly results",
    "Hello",
)


@dataclass(frozen=True)
class Outcome:
    """One finished sequence, as all its batches together."""

    ids: tuple[int, ...]
    finish_reason: FinishReason | None
    logprobs: tuple[float, ...]
    batches: int


def nano_prompts(count: int = len(TOPICS)) -> list[tuple[int, ...]]:
    """Distinct chat prompts in the shipped model's token ids."""
    tokenizer = TextTokenizer(NANO)
    texts = [f"{TOPICS[i % len(TOPICS)]}{' again' * (i // len(TOPICS))}" for i in range(count)]
    return [tuple(tokenizer.encode_chat((Message("user", text),))) for text in texts]


def greedy(prompt: Sequence[int], max_tokens: int = 24, **changes: Any) -> TokenRequest:
    """A greedy request that only `max_tokens` ends."""
    request = TokenRequest("test", tuple(prompt), max_tokens, frozenset(), temperature=0.0)
    return replace(request, **changes)


async def collect(engine: Engine, request: TokenRequest) -> Outcome:
    """Run one sequence to its end."""
    ids: list[int] = []
    logprobs: list[float] = []
    reason: FinishReason | None = None
    batches = 0
    async with aclosing(engine.generate(request)) as stream:
        async for tokens in stream:
            assert reason is None, "nothing may follow the last batch"
            ids += tokens.ids
            logprobs += tokens.logprobs
            reason = tokens.finish_reason
            batches += 1
    return Outcome(tuple(ids), reason, tuple(logprobs), batches)


async def collect_all(engine: Engine, requests: Sequence[TokenRequest]) -> list[Outcome]:
    """Run all sequences at once."""
    return list(await asyncio.gather(*[collect(engine, request) for request in requests]))


async def take(engine: Engine, request: TokenRequest, batches: int) -> None:
    """Read so many batches, then walk away."""
    async with aclosing(engine.generate(request)) as stream:
        for _ in range(batches):
            if (await anext(stream)).finish_reason is not None:
                return


async def settled(engine: Engine) -> None:
    """Return once the engine holds nothing; fails after ten seconds."""
    await until(lambda: not any((engine.stats().running, engine.stats().waiting)))
    await until(lambda: engine.stats().handlers == 0)


async def until(condition: Callable[[], bool]) -> None:
    """Return once `condition` holds; fails after ten seconds."""
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - another thread or process makes it true
            await asyncio.sleep(0.001)


async def drained(stream: AsyncGenerator[Tokens, None]) -> None:
    """Read to the end, or to the error."""
    async for _ in stream:
        pass
