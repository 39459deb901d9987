"""What a call has used: up to its stop string, and exactly what was generated where it was left."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import ClientGone, DeadlineExceeded, InvalidRequest
from cluster.tenants.caller import Caller
from deployments.contracts.engine import TokenRequest, Tokens
from deployments.contracts.generation import GenerateRequest, ModelCard, Sampling, TokenUsage
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from tests.unit.model.scripted_engine import ScriptedEngine, letters

CARD = ModelCard("m", "echo", "echo", "1", 5_000, 0)
LIMITS = Limits(context_length=5_000, stream_interval_s=0.0)
REQUEST = GenerateRequest(
    request_id="r",
    caller=Caller("acme", "k", frozenset()),
    model="m",
    sampling=Sampling(max_tokens=2_000, ignore_eos=True),
    prompt="Hi",
    timeout_s=5.0,
    call="c",
)


class HoldingEngine(ScriptedEngine):
    """Gives a first batch, then nothing; who leaves hears of `rest`, which it had generated too."""

    def __init__(self, first: Tokens, rest: Tokens) -> None:
        super().__init__(lambda _: [first])
        self.rest = rest
        self.waiting = asyncio.Event()

    async def generate(self, request: TokenRequest) -> AsyncGenerator[Tokens, None]:
        try:
            async with aclosing(super().generate(request)) as batches:
                yield await anext(batches)
                self.waiting.set()
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            assert request.on_left is not None
            asyncio.get_running_loop().call_soon(request.on_left, self.rest)
            raise


def _model(engine: ScriptedEngine | EchoEngine) -> TextModel:
    return TextModel(engine, ByteTokenizer(), CARD, LIMITS, ManualClock())


def _tokens(text: str) -> Tokens:
    return Tokens(tuple(text.encode()))


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 40])
async def test_tokens_behind_a_stop_string_cost_nothing_however_they_come(
    size: int, streamed: bool
) -> None:
    """The text is stopped by "ix" of "six": 23 bytes, one token each, up to the string's end."""
    text = "one two three four five six seven eight nine"
    model = _model(ScriptedEngine(lambda _: letters(text, size)))
    request = replace(REQUEST, sampling=Sampling(max_tokens=100, stop=("ix", "zero")))

    if streamed:
        chunks = [chunk async for chunk in model.stream(request)]
        usage, text = chunks[-1].usage, "".join(chunk.text for chunk in chunks)
        assert sum(chunk.tokens for chunk in chunks) == 27
    else:
        completion = await model.generate(request)
        usage, text = completion.usage, completion.choices[0].text

    assert text == "one two three four five s"
    assert usage == TokenUsage(2, 27)


@pytest.mark.parametrize("size", [1, 2, 5, 9])
async def test_a_token_counts_if_its_text_begins_before_the_stop_string_ends(size: int) -> None:
    """The stop string ends within the two bytes of "é", whose both tokens begin before its end."""
    model = _model(ScriptedEngine(lambda _: letters("aéb and more", size)))
    request = replace(REQUEST, sampling=Sampling(max_tokens=100, stop=("é",)))

    assert (await model.generate(request)).usage == TokenUsage(2, 3)


async def test_a_call_that_was_cancelled_has_used_what_was_generated_until_then() -> None:
    engine = HoldingEngine(_tokens("abc"), _tokens("defgh"))
    model = _model(engine)
    task = asyncio.create_task(model.generate(REQUEST))
    await engine.waiting.wait()

    task.cancel()
    usage = await model.settle("c")

    assert usage == TokenUsage(2, 8)
    assert await model.settle("c") == usage
    assert task.cancelled()


async def test_a_stream_that_was_closed_has_used_more_than_it_has_told() -> None:
    engine = HoldingEngine(_tokens("abc"), _tokens("defgh"))
    model = _model(engine)
    async with aclosing(model.stream(REQUEST)) as chunks:
        assert (await anext(chunks)).tokens == 3

    assert await model.settle("c") == TokenUsage(2, 8)


async def test_a_stop_string_in_what_nobody_read_ends_what_is_counted() -> None:
    engine = HoldingEngine(_tokens("abc"), _tokens("dSTOPefgh"))
    model = _model(engine)
    request = replace(REQUEST, sampling=Sampling(max_tokens=100, stop=("STOP",)))
    async with aclosing(model.stream(request)) as chunks:
        await anext(chunks)

    assert await model.settle("c") == TokenUsage(2, 8)


async def test_many_tokens_at_once_count_whole_where_the_reader_leaves_in_their_middle() -> None:
    model = _model(ScriptedEngine(lambda _: [Tokens((97,) * 1_000, "length")]))
    async with aclosing(model.stream(REQUEST)) as chunks:
        assert (await anext(chunks)).tokens < 1_000

    assert await model.settle("c") == TokenUsage(2, 1_000)


async def test_a_deadline_leaves_what_was_generated_to_be_asked_for() -> None:
    engine = HoldingEngine(_tokens("abc"), _tokens("de"))
    model = _model(engine)

    with pytest.raises(DeadlineExceeded):
        await model.generate(replace(REQUEST, timeout_s=0.05))

    assert await model.settle("c") == TokenUsage(2, 5)


async def test_an_answer_that_did_not_arrive_is_known_afterwards() -> None:
    model = _model(EchoEngine())
    usage = (await model.generate(replace(REQUEST, sampling=Sampling(max_tokens=5)))).usage

    assert await model.settle("c") == usage != TokenUsage()


async def test_a_call_that_waits_in_the_queue_has_used_nothing() -> None:
    engine = HoldingEngine(_tokens("abc"), _tokens("de"))
    model = TextModel(engine, ByteTokenizer(), CARD, replace(LIMITS, max_running=1), ManualClock())
    first = asyncio.create_task(model.generate(replace(REQUEST, call="first")))
    await engine.waiting.wait()
    second = asyncio.create_task(model.generate(REQUEST))
    await asyncio.sleep(0)

    second.cancel()

    assert await model.settle("c") == TokenUsage()
    first.cancel()
    assert await model.settle("first") == TokenUsage(2, 5)


async def test_a_call_that_comes_after_it_was_given_up_is_refused() -> None:
    model = _model(EchoEngine())

    assert await model.settle("c") == TokenUsage()
    with pytest.raises(ClientGone):
        await model.generate(REQUEST)
    assert model.engine.stats().submitted == 0


async def test_the_choices_of_a_call_are_one_sum() -> None:
    model = _model(EchoEngine(tokens_per_second=1_000.0))
    request = replace(REQUEST, n=3)
    async with aclosing(model.stream(request)) as chunks:
        for _ in range(4):
            await anext(chunks)

    usage = await model.settle("c")

    assert usage == TokenUsage(2, model.engine.stats().tokens_out)


@pytest.mark.parametrize("field", ["prompt", "messages"])
async def test_a_text_that_cannot_fit_is_refused_by_its_bytes_before_it_is_tokenized(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deployments.contracts.generation import Message

    tokenized: list[object] = []
    monkeypatch.setattr(ByteTokenizer, "encode", lambda _, text: tokenized.append(text))
    monkeypatch.setattr(ByteTokenizer, "encode_chat", lambda _, chat: tokenized.append(chat))
    text = "é" * 2_501
    chat = replace(REQUEST, prompt=None, messages=(Message("user", text),))
    request = chat if field == "messages" else replace(REQUEST, prompt=text)

    with pytest.raises(InvalidRequest) as refused:
        await _model(EchoEngine()).generate(request)

    assert refused.value.param == field
    assert refused.value.slug == "context-length-exceeded"
    assert refused.value.extensions["bytes"] == 5_002
    assert refused.value.extensions["limit_bytes"] == 5_000
    assert tokenized == []
