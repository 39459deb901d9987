"""TextModel over scripted engines: prompts, limits, choices, stop strings, deadlines, usage."""

import asyncio
from contextlib import aclosing
from dataclasses import replace

import pytest

from cluster.metrics.catalogue import generation
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import (
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    PromptTooLong,
)
from cluster.tenants.caller import Caller
from deployments.contracts.engine import Engine, Tokens
from deployments.contracts.generation import Chunk, GenerateRequest, Message, ModelCard, Sampling
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits, LiveConfig
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from tests.unit.model.scripted_engine import ScriptedEngine, letters

CARD = ModelCard("m", "echo", "echo", "1", 100, 0)


def _model(engine: Engine, **limits: object) -> TextModel:
    settings = replace(Limits(context_length=100, stream_interval_s=0.0), **limits)  # type: ignore[arg-type]
    return TextModel(engine, ByteTokenizer(), CARD, settings, ManualClock())


def _request(sampling: Sampling | None = None, **changes: object) -> GenerateRequest:
    request = GenerateRequest(
        request_id="r",
        caller=Caller("acme", "k", frozenset()),
        model="m",
        sampling=sampling or Sampling(max_tokens=20),
        prompt="Hi",
        timeout_s=5.0,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


async def _chunks(model: TextModel, request: GenerateRequest) -> list[Chunk]:
    return [chunk async for chunk in model.stream(request)]


async def test_a_chat_is_answered_and_counted() -> None:
    model = _model(EchoEngine())
    request = _request(
        prompt=None, messages=(Message("system", "Be kind"), Message("user", "Grüße"))
    )

    completion = await model.generate(request)

    (choice,) = completion.choices
    assert (choice.text, choice.finish_reason) == ("Grüße", "stop")
    assert completion.usage.prompt_tokens == 7 + 7 + 5
    assert completion.usage.completion_tokens == 7
    assert completion.model == "m"


async def test_streamed_and_whole_answers_say_the_same() -> None:
    engine = ScriptedEngine(lambda _: letters("Straße 🌅 ahead", size=1))
    model = _model(engine)

    whole = await model.generate(_request())
    chunks = await _chunks(model, _request())

    assert "".join(chunk.text for chunk in chunks) == whole.choices[0].text == "Straße 🌅 ahead"
    assert all("\ufffd" not in chunk.text for chunk in chunks)
    assert [chunk.finish_reason for chunk in chunks if chunk.finish_reason] == ["stop"]
    assert [chunk.usage for chunk in chunks if chunk.usage] == [whole.usage]
    assert chunks[-1].usage is not None


async def test_a_whole_answer_asks_for_one_batch_and_a_stream_for_many() -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))
    model = _model(engine, stream_interval_s=0.5)

    await model.generate(_request())
    await _chunks(model, _request())
    await model.generate(_request(Sampling(max_tokens=5, stop=("x",))))

    assert [asked.interval_s for asked in engine.asked] == [float("inf"), 0.5, 0.5]


async def test_a_stop_string_ends_the_text_and_the_sequence() -> None:
    engine = ScriptedEngine(lambda _: letters("one\ntwo\nthree", reason="length"))
    model = _model(engine)
    request = _request(Sampling(max_tokens=50, stop=("\ntw",)))

    whole = await model.generate(request)
    chunks = await _chunks(model, request)

    assert (whole.choices[0].text, whole.choices[0].finish_reason) == ("one", "stop")
    assert "".join(chunk.text for chunk in chunks) == "one"
    assert whole.choices[0].stop == chunks[-1].stop == "\ntw"
    assert engine.stats().cancelled == 2
    assert whole.usage.completion_tokens == 6


async def test_choices_have_their_own_seeds_and_places() -> None:
    engine = ScriptedEngine(lambda r: letters(f"seed {r.seed}"))
    model = _model(engine)

    whole = await model.generate(_request(Sampling(max_tokens=20, seed=40), n=3))
    chunks = await _chunks(model, _request(Sampling(max_tokens=20, seed=40), n=3))

    assert [choice.text for choice in whole.choices] == ["seed 40", "seed 41", "seed 42"]
    for index in range(3):
        own = [chunk for chunk in chunks if chunk.index == index]
        assert "".join(chunk.text for chunk in own) == f"seed {40 + index}"
        assert own[-1].finish_reason == "stop"
    assert [chunk.index for chunk in chunks[:3]] == [0, 1, 2]
    assert chunks[-1].usage == whole.usage
    assert whole.usage.completion_tokens == 21


async def test_one_choice_that_stops_lets_the_others_go_on() -> None:
    engine = ScriptedEngine(lambda r: letters("abcdef" if r.seed == 1 else "zzzzzz"))
    model = _model(engine)

    chunks = await _chunks(model, _request(Sampling(max_tokens=20, seed=1, stop=("cd",)), n=2))

    assert "".join(c.text for c in chunks if c.index == 0) == "ab"
    assert "".join(c.text for c in chunks if c.index == 1) == "zzzzzz"
    assert {c.index: c.stop for c in chunks if c.finish_reason} == {0: "cd", 1: ""}


async def test_log_probabilities_follow_the_text_that_is_shown() -> None:
    batches = [
        Tokens((ord(letter),), "length" if letter == "d" else None, (-0.5,), (((1, -0.1),),))
        for letter in "abcd"
    ]
    model = _model(ScriptedEngine(lambda _: batches))
    plain = await model.generate(_request(Sampling(max_tokens=4, logprobs=1)))
    cut = await model.generate(_request(Sampling(max_tokens=4, logprobs=1, stop=("cd",))))

    shown = plain.choices[0].logprobs
    assert shown is not None
    assert [entry.raw for entry in shown] == [b"a", b"b", b"c", b"d"]
    assert shown[0].top == (("\x01", b"\x01", -0.1),)
    assert [entry.token for entry in cut.choices[0].logprobs or ()] == ["a", "b"]


async def test_max_tokens_defaults_to_the_room_that_is_left() -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))

    await _model(engine).generate(_request(Sampling()))
    await _model(engine, max_output_tokens=30).generate(_request(Sampling()))

    assert [asked.max_tokens for asked in engine.asked] == [98, 30]


@pytest.mark.parametrize(
    ("prompt", "max_tokens", "expected"),
    [
        pytest.param("x" * 100, None, PromptTooLong, id="no room for one token"),
        pytest.param("x" * 60, 50, PromptTooLong, id="no room for what is asked"),
        pytest.param("x", 61, InvalidRequest, id="over the model's cap"),
    ],
)
async def test_what_does_not_fit_is_refused_where_the_operator_says_so(
    prompt: str, max_tokens: int | None, expected: type[Exception]
) -> None:
    model = _model(EchoEngine(), max_output_tokens=60, over_limit="refuse")

    with pytest.raises(expected) as refused:
        await model.generate(_request(Sampling(max_tokens=max_tokens), prompt=prompt))

    assert type(refused.value) is expected
    assert model.admission.running == 0


@pytest.mark.parametrize(
    ("prompt", "asked", "given"),
    [
        pytest.param("x" * 60, 50, 40, id="more than the room"),
        pytest.param("x", 61, 60, id="more than the model's maximum"),
        pytest.param("x" * 99, 1_000_000, 1, id="room for one"),
        pytest.param("x", 60, 60, id="as much as there is"),
    ],
)
async def test_what_is_too_much_ends_where_the_room_ends(
    prompt: str, asked: int, given: int
) -> None:
    engine = EchoEngine()
    model = _model(engine, max_output_tokens=60)
    sampling = Sampling(max_tokens=asked, ignore_eos=True)

    completion = await model.generate(_request(sampling, prompt=prompt))

    assert completion.usage.completion_tokens == given
    assert completion.choices[0].finish_reason == "length"


async def test_a_prompt_without_room_for_one_token_is_refused() -> None:
    with pytest.raises(PromptTooLong):
        await _model(EchoEngine()).generate(_request(prompt="x" * 100))


async def test_a_prompt_may_come_in_the_models_own_tokens() -> None:
    ids = tuple(b"Hi you")
    completion = await _model(EchoEngine()).generate(_request(prompt=None, prompt_ids=ids))

    assert completion.choices[0].text == "Hi you"
    assert completion.usage.prompt_tokens == 6


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        pytest.param((1, 260), InvalidRequest, id="no such token"),
        pytest.param((65,) * 100, PromptTooLong, id="too many"),
    ],
)
async def test_token_ids_are_checked_before_an_engine_sees_them(
    ids: tuple[int, ...], expected: type[Exception]
) -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))

    with pytest.raises(expected) as refused:
        await _model(engine).generate(_request(prompt=None, prompt_ids=ids))

    assert type(refused.value) is expected
    assert refused.value.param == "prompt"  # type: ignore[attr-defined]
    assert engine.asked == []


async def test_the_prompt_comes_back_before_the_answer_and_is_not_counted() -> None:
    model = _model(EchoEngine(tokens_per_second=10_000.0))
    request = _request(Sampling(max_tokens=20, logprobs=1), echo=True, n=2)

    whole = await model.generate(request)
    chunks = await _chunks(model, request)

    for choice in whole.choices:
        assert choice.text == "HiHi"
        assert [entry.token for entry in choice.logprobs or ()] == ["H", "i", "H", "i"]
        assert [entry.logprob for entry in choice.logprobs or ()] == [None, 0.0, 0.0, 0.0]
        assert [entry.top for entry in choice.logprobs or ()][:2] == [(), (("i", b"i", 0.0),)]
        own = [chunk for chunk in chunks if chunk.index == choice.index]
        assert "".join(chunk.text for chunk in own) == choice.text
        assert [e for chunk in own for e in chunk.logprobs or ()] == list(choice.logprobs or ())
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (2, 4)
    assert chunks[-1].usage == whole.usage


async def test_only_the_prompt_comes_back_where_nothing_is_to_be_generated() -> None:
    engine = EchoEngine()
    model = _model(engine)
    sampling = Sampling(max_tokens=0, logprobs=0)

    whole = await model.generate(_request(sampling, prompt=None, prompt_ids=(72, 105), echo=True))
    chunks = await _chunks(model, _request(sampling, echo=True))

    (choice,) = whole.choices
    assert (choice.text, choice.finish_reason) == ("Hi", "length")
    assert [entry.logprob for entry in choice.logprobs or ()] == [None, 0.0]
    assert [(chunk.text, chunk.finish_reason) for chunk in chunks] == [("Hi", "length")]
    assert (whole.usage.completion_tokens, whole.usage.prompt_tokens) == (0, 2)
    assert engine.stats().handlers == model.admission.running == 0


async def test_an_engine_that_forgets_the_prompts_log_probabilities_has_failed() -> None:
    model = _model(ScriptedEngine(lambda _: [Tokens((65,), "stop", (-1.0,))]))

    with pytest.raises(ModelFailed):
        await model.generate(_request(Sampling(max_tokens=2, logprobs=0), echo=True))


async def test_tokens_that_were_computed_before_are_reported_once() -> None:
    batches = [Tokens((65,), None, cached=16), Tokens((66,), "stop", cached=16)]
    model = _model(ScriptedEngine(lambda _: batches))

    whole = await model.generate(_request(n=2))
    chunks = await _chunks(model, _request())

    assert whole.usage.cached_tokens == 16
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.cached_tokens == 16


async def test_an_empty_prompt_is_answered() -> None:
    completion = await _model(EchoEngine()).generate(_request(prompt=""))

    assert completion.usage.prompt_tokens == 1


async def test_a_long_prompt_is_tokenized_off_the_loop() -> None:
    card = replace(CARD, context_length=100_000)
    model = TextModel(EchoEngine(), ByteTokenizer(), card, Limits(100_000), ManualClock())

    completion = await model.generate(_request(Sampling(max_tokens=3), prompt="y" * 40_000))

    assert completion.usage.prompt_tokens == 40_000


async def test_the_deadline_ends_the_call_and_frees_the_slot() -> None:
    engine = ScriptedEngine(lambda _: [])
    model = _model(engine)

    with pytest.raises(DeadlineExceeded) as missed:
        await model.generate(_request(timeout_s=0.01))
    with pytest.raises(DeadlineExceeded):
        await _chunks(model, _request(timeout_s=0.01, n=2))

    assert missed.value.extensions["stage"] == "model"
    assert engine.stats().handlers == engine.stats().running == model.admission.running == 0


async def test_a_deadline_that_has_passed_starts_nothing() -> None:
    engine = ScriptedEngine(lambda _: [])

    with pytest.raises(DeadlineExceeded):
        await _model(engine).generate(_request(timeout_s=0.0))

    assert engine.stats().running == 0


async def test_more_than_it_can_hold_is_refused_with_a_time_to_come_back() -> None:
    engine = ScriptedEngine(lambda _: [Tokens((65,))])
    model = _model(engine, max_running=1, max_waiting=1)
    async with aclosing(model.stream(_request(n=2))) as stream:
        await anext(stream)

        with pytest.raises(Overloaded) as refused:
            await model.generate(_request())

        assert refused.value.headers["Retry-After"] == "1"
        assert model.report.load()["queued"] == 1
    assert model.admission.running == model.admission.waiting == 0


async def test_closing_a_stream_frees_every_choice() -> None:
    engine = ScriptedEngine(lambda _: [Tokens((65,))])
    model = _model(engine)
    async with aclosing(model.stream(_request(n=3))) as stream:
        await anext(stream)

    stats = engine.stats()
    assert (stats.running, stats.handlers, stats.cancelled) == (0, 0, 3)


async def test_cancelling_a_call_frees_its_slot() -> None:
    engine = ScriptedEngine(lambda _: [])
    model = _model(engine)
    task = asyncio.create_task(model.generate(_request(n=2)))
    while engine.stats().running < 2:  # noqa: ASYNC110 - the task has no event for it
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert engine.stats().running == model.admission.running == 0


@pytest.mark.parametrize("n", [1, 3])
async def test_a_failing_engine_raises_its_problem(n: int) -> None:
    model = _model(ScriptedEngine(lambda _: [Tokens((65,)), ModelFailed("m")]))

    with pytest.raises(ModelFailed):
        await model.generate(_request(n=n))
    with pytest.raises(ModelFailed):
        await _chunks(model, _request(n=n))

    assert model.admission.running == 0


async def test_ignoring_eos_sends_no_stop_ids() -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))
    model = _model(engine)

    await model.generate(_request(Sampling(max_tokens=2)))
    await model.generate(_request(Sampling(max_tokens=2, ignore_eos=True)))

    assert [asked.stop_ids for asked in engine.asked] == [ByteTokenizer.eos_ids, frozenset()]


async def test_a_requests_own_stop_tokens_come_beside_the_models() -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))
    model = _model(engine)

    await model.generate(_request(Sampling(max_tokens=2, stop_token_ids=(5, 7))))
    await model.generate(_request(Sampling(max_tokens=2, stop_token_ids=(5,), ignore_eos=True)))

    assert [asked.stop_ids for asked in engine.asked] == [{5, 7, ByteTokenizer.END}, {5}]


async def test_a_closed_model_refuses_and_stops_its_engine() -> None:
    engine = ScriptedEngine(lambda _: letters("ok"))
    model = _model(engine)

    await model.close()

    assert engine.stopped
    with pytest.raises(Draining):
        await model.generate(_request())


async def test_live_settings_change_what_may_wait() -> None:
    model = _model(EchoEngine(), max_running=1, max_waiting=0)

    model.reconfigure(LiveConfig(max_waiting=5, stream_interval_s=0.3, target_wait_s=7.0))

    assert (model.admission.max_waiting, model.stream_interval_s) == (5, 0.3)
    assert model.admission.shedder.target_wait_s == 7.0
    assert len((await model.generate(_request(n=4))).choices) == 4


async def test_a_stream_tells_the_time_between_its_tokens() -> None:
    clock = ManualClock()
    model = TextModel(
        ScriptedEngine(lambda _: letters("abcdef", 2)),
        ByteTokenizer(),
        CARD,
        Limits(context_length=100, stream_interval_s=0.0),
        clock,
    )
    async for _ in model.stream(_request()):
        clock.advance(1.0)

    readings = {metric: dict(samples) for metric, samples in model.report.read_metrics()}
    counts, total, _ = readings[generation.TIME_PER_OUTPUT_TOKEN]["m",]  # type: ignore[misc]
    assert sum(counts) == 1
    assert total > 0
