"""A stream whose text a relay takes says what the same stream says in chunks."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from cluster.tenants.caller import Caller
from deployments.contracts.engine import Tokens
from deployments.contracts.generation import Chunk, GenerateRequest, ModelCard, Sampling
from deployments.model.engines.echo import EchoEngine
from deployments.model.engines.sequences import TokenQueue
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from load_tests.benchmarks.common.virtual_time import run_in_virtual_time

CARD = ModelCard("m", "echo", "echo", "1", 1_000, 0)
TEXT = "Straße 🌅 ahead"


class Relay:
    """Takes pieces while it is `open`, at most `limit` of them."""

    def __init__(self, limit: int = 1_000) -> None:
        self.pieces: list[tuple[int, str, int]] = []
        self.limit = limit

    def takes(self, index: int) -> bool:
        return len(self.pieces) < self.limit

    def take(self, index: int, text: str, tokens: int) -> None:
        self.pieces.append((index, text, tokens))


def stream(
    relay: Relay | None, sampling: Sampling | None = None, **changes: object
) -> tuple[list[Chunk], TextModel]:
    """The chunks of the echo of TEXT, one token at a time."""

    async def run() -> tuple[list[Chunk], TextModel]:
        limits = Limits(context_length=1_000)
        model = TextModel(EchoEngine(4, 100.0), ByteTokenizer(), CARD, limits, ManualClock())
        request = GenerateRequest(
            "r", Caller("acme", "k", frozenset()), "m",
            sampling or Sampling(max_tokens=100), prompt=TEXT, call="c",
        )  # fmt: skip
        request = replace(request, **changes)  # type: ignore[arg-type]
        chunks = [chunk async for chunk in model.stream(request, relay)]
        assert await model.settle("c") == chunks[-1].usage
        return chunks, model

    return run_in_virtual_time(run())


@given(st.integers(0, 30))
def test_text_tokens_and_usage_are_the_same_however_much_the_relay_takes(limit: int) -> None:
    relay = Relay(limit)

    chunks, model = stream(relay)
    usual, _ = stream(None)

    begin, rest = chunks[0], chunks[1:]
    relayed = "".join(text for _, text, _ in relay.pieces)
    assert begin.text + relayed + "".join(chunk.text for chunk in rest) == TEXT
    assert len(relay.pieces) == min(limit, len(usual) - 2)
    tokens = sum(chunk.tokens for chunk in chunks) + sum(tokens for _, _, tokens in relay.pieces)
    assert tokens == sum(chunk.tokens for chunk in usual) == len(TEXT.encode())
    assert chunks[-1].usage == usual[-1].usage
    assert model.engine.stats().tokens_out == len(TEXT.encode())


def test_the_first_chunk_and_the_last_one_are_never_relayed() -> None:
    chunks, _ = stream(Relay())

    assert [chunk.prompt_tokens for chunk in chunks] == [len(TEXT.encode()), 0]
    assert [chunk.finish_reason for chunk in chunks] == [None, "stop"]


@pytest.mark.parametrize(
    ("sampling", "changes"),
    [
        (Sampling(max_tokens=100, stop=("zzz",)), {}),
        (Sampling(max_tokens=100, logprobs=0), {}),
        (Sampling(max_tokens=100), {"n": 2}),
    ],
    ids=["stop strings", "log probabilities", "two choices"],
)
def test_what_has_to_be_looked_at_goes_the_usual_way(
    sampling: Sampling, changes: dict[str, object]
) -> None:
    relay = Relay()

    chunks, _ = stream(relay, sampling, **changes)
    usual, _ = stream(None, sampling, **changes)

    assert relay.pieces == []
    assert chunks == usual


def test_a_token_is_held_for_stream_interval_s_at_most_by_engine_and_relay_together() -> None:
    asked = []

    class Noting(EchoEngine):
        def generate(self, request):  # type: ignore[no-untyped-def]
            asked.append(request.interval_s)
            return super().generate(request)

    async def run() -> float:
        limits = Limits(context_length=1_000)
        model = TextModel(Noting(4), ByteTokenizer(), CARD, limits, ManualClock())
        caller = Caller("acme", "k", frozenset())
        request = GenerateRequest("r", caller, "m", Sampling(max_tokens=9), prompt="Hi")
        for relay in (Relay(), None):
            async for _ in model.stream(request, relay):
                pass
        return model.relay_hold_s

    hold_s = run_in_virtual_time(run())

    assert asked[0] + hold_s == pytest.approx(0.005)
    assert asked[1] == 0.005


async def test_a_waiting_reader_is_not_woken_for_what_is_taken() -> None:
    taken: list[tuple[int, ...]] = []

    def take(ids: tuple[int, ...]) -> bool:
        taken.append(ids)
        return ids != (3,)

    queue = TokenQueue(on_tokens=take)
    reader = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.put(Tokens((1,)))
    queue.put(Tokens((2,)))
    assert not reader.done()
    queue.put(Tokens((3,)))
    queue.put(Tokens((4,), "stop"))

    assert await reader == Tokens((3, 4), "stop")
    assert taken == [(1,), (2,), (3,)]


async def test_tokens_without_a_waiting_reader_are_retained_for_it() -> None:
    queue = TokenQueue(on_tokens=lambda _: True)
    queue.put(Tokens((1,)))

    assert await queue.get() == Tokens((1,))
