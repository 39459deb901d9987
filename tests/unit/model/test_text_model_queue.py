"""TextModel when all places are taken: who waits, who starts, who is refused, what is left."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import DeadlineExceeded, Draining, Overloaded, Problem, RateLimited
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.engine import Engine, TokenRequest, Tokens
from deployments.contracts.generation import Completion, GenerateRequest, ModelCard, Sampling
from deployments.model.engines.echo import EchoEngine
from deployments.model.spec import Limits
from deployments.model.text.text_model import TextModel
from deployments.model.text.tokenizer import ByteTokenizer
from tests.unit.model.scripted_engine import ScriptedEngine, letters

CARD = ModelCard("m", "echo", "echo", "1", 10_000, 0)


def _model(engine: Engine, **limits: object) -> TextModel:
    settings = replace(Limits(context_length=10_000, max_running=1), **limits)  # type: ignore[arg-type]
    return TextModel(engine, ByteTokenizer(), CARD, settings, ManualClock())


def _request(tenant: str = "a", **changes: object) -> GenerateRequest:
    request = GenerateRequest(
        request_id="r",
        caller=Caller(tenant, "k", frozenset()),
        model="m",
        sampling=Sampling(max_tokens=20),
        prompt="Hi",
        timeout_s=5.0,
    )
    return replace(request, **changes)  # type: ignore[arg-type]


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - a task that waits has no event for it
            await asyncio.sleep(0)


def _start(model: TextModel, request: GenerateRequest) -> "asyncio.Task[Completion]":
    return asyncio.create_task(model.generate(request))


async def _occupied(model: TextModel) -> AsyncGenerator[None, None]:
    """Hold the model's only place with a stream until closed."""
    async with aclosing(model.stream(_request("holder"))) as stream:
        await anext(stream)
        yield


def _answers(request: TokenRequest) -> Sequence[Tokens]:
    """The holder gets one token and no end; anybody else a whole answer."""
    return [Tokens((65,))] if request.tenant == "holder" else letters("ok")


async def test_the_engine_never_holds_more_than_it_runs() -> None:
    most = 0
    engine = ScriptedEngine(lambda _: letters("some letters"))
    model = _model(engine, max_running=3)

    def watch(request: TokenRequest) -> Sequence[Tokens]:
        nonlocal most
        most = max(most, engine.stats().running)
        return letters("some letters")

    engine._script = watch
    answers = await asyncio.gather(*(model.generate(_request(n=1 + i % 3)) for i in range(30)))

    assert all(c.text == "some letters" for answer in answers for c in answer.choices)
    assert most == 3
    assert model.admission.running == model.admission.waiting == 0


async def test_a_caller_that_waited_is_answered_in_its_turn() -> None:
    model = _model(ScriptedEngine(_answers))
    holder = _occupied(model)
    await anext(holder)
    waiting = _start(model, _request())
    await _until(lambda: model.report.load()["queued"] == 1)

    await holder.aclose()

    assert (await waiting).choices[0].text == "ok"


async def test_a_caller_that_leaves_the_queue_leaves_nothing_behind() -> None:
    engine = ScriptedEngine(_answers)
    model = _model(engine)
    holder = _occupied(model)
    await anext(holder)
    waiting = [_start(model, _request(n=2)) for _ in range(5)]
    await _until(lambda: model.report.load()["queued"] == 10)

    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)

    assert (model.report.load()["queued"], model.report.load()["running"]) == (0, 1)
    await holder.aclose()
    assert len(engine.asked) == 1
    assert model.report.load()["running"] == 0


@pytest.mark.parametrize("n", [1, 2])
async def test_a_deadline_that_passes_in_the_queue_names_it(n: int) -> None:
    engine = ScriptedEngine(_answers)
    model = _model(engine)
    holder = _occupied(model)
    await anext(holder)

    with pytest.raises(DeadlineExceeded) as whole:
        await model.generate(_request(n=n, timeout_s=0.01))
    with pytest.raises(DeadlineExceeded) as streamed:
        await anext(model.stream(_request(n=n, timeout_s=0.01)))

    assert whole.value.extensions["stage"] == streamed.value.extensions["stage"] == "queue"
    assert (model.report.load()["queued"], len(engine.asked)) == (0, 1)
    await holder.aclose()


async def test_choices_that_do_not_all_fit_start_one_after_the_other() -> None:
    engine = ScriptedEngine(lambda request: letters(f"seed {request.seed}"))
    model = _model(engine, max_running=2)

    sampling = Sampling(max_tokens=20, seed=1)
    answer = await model.generate(_request(n=5, sampling=sampling))
    chunks = [chunk async for chunk in model.stream(_request(n=5, sampling=sampling))]

    texts = [f"seed {seed}" for seed in range(1, 6)]
    assert [choice.text for choice in answer.choices] == texts
    assert ["".join(c.text for c in chunks if c.index == i) for i in range(5)] == texts
    assert chunks[-1].usage == answer.usage


async def test_a_reader_that_lingers_on_the_last_chunk_holds_no_place() -> None:
    model = _model(ScriptedEngine(lambda _: letters("ok", size=2)))
    async with aclosing(model.stream(_request())) as stream:
        assert (await anext(stream)).finish_reason == "stop"

        assert model.report.load()["running"] == 0
        assert (await model.generate(_request())).choices[0].text == "ok"


async def test_a_waiting_request_makes_room_when_a_quieter_tenant_comes() -> None:
    model = _model(ScriptedEngine(_answers), max_waiting=2)
    holder = _occupied(model)
    await anext(holder)
    old, new = _start(model, _request()), _start(model, _request())
    await _until(lambda: model.report.load()["queued"] == 2)

    other = _start(model, _request("b"))

    with pytest.raises(RateLimited) as displaced:
        await new
    assert displaced.value.extensions["limit"] == "fair-share"
    await holder.aclose()
    assert (await old).choices == (await other).choices


async def test_closing_tells_those_that_wait() -> None:
    model = _model(ScriptedEngine(_answers))
    holder = _occupied(model)
    await anext(holder)
    waiting = [_start(model, _request(n=n)) for n in (1, 3)]
    await _until(lambda: model.report.load()["queued"] == 4)

    await model.close()

    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(error) for error in found] == [Draining, Draining]
    await holder.aclose()


async def test_a_bad_request_is_told_so_at_once_though_the_model_is_busy() -> None:
    model = _model(ScriptedEngine(_answers), max_output_tokens=50, over_limit="refuse")
    holder = _occupied(model)
    await anext(holder)

    with pytest.raises(Problem, match="max_tokens"):
        await model.generate(_request(sampling=Sampling(max_tokens=51)))

    assert model.report.load()["queued"] == 0
    await holder.aclose()


async def test_a_long_prompt_that_is_refused_while_it_is_read_says_why() -> None:
    model = _model(ScriptedEngine(_answers), context_length=100_000, max_waiting=1)
    holder = _occupied(model)
    await anext(holder)
    reading = _start(model, _request(prompt="y" * 40_000, priority=Priority.BATCH))
    await _until(lambda: model.report.load()["queued"] == 1)

    urgent = _start(model, _request(priority=Priority.INTERACTIVE))

    with pytest.raises(RateLimited):
        await reading
    await holder.aclose()
    assert (await urgent).choices[0].text == "ok"


@pytest.mark.parametrize(
    ("clients", "weights"),
    [
        pytest.param({"a": 60, "b": 8}, {"a": 1.0, "b": 1.0}, id="equal weights"),
        pytest.param({"a": 20, "b": 20}, {"a": 3.0, "b": 1.0}, id="three to one"),
    ],
)
async def test_tenants_share_a_saturated_model_by_weight(
    clients: dict[str, int], weights: dict[str, float]
) -> None:
    engine = ScriptedEngine(lambda request: letters("x" * (5 + len(engine.asked) * 7 % 40)))
    model = _model(engine, max_running=4)
    written: Counter[str] = Counter()

    async def client(tenant: str) -> None:
        caller = Caller(tenant, "k", frozenset(), weight=weights[tenant])
        while sum(written.values()) < 20_000:
            answer = await model.generate(_request(caller=caller))
            if sum(written.values()) < 20_000:
                written[tenant] += 4 * answer.usage.completion_tokens + answer.usage.prompt_tokens

    await asyncio.gather(*(client(name) for name, many in clients.items() for _ in range(many)))

    assert written["a"] / weights["a"] == pytest.approx(written["b"] / weights["b"], rel=0.1)


async def test_a_slow_model_serves_a_crowd_and_forgets_it() -> None:
    model = _model(EchoEngine(4, tokens_per_second=2000.0), max_running=4, max_waiting=20)
    outcomes: Counter[str] = Counter()

    async def client(number: int) -> None:
        try:
            async with asyncio.timeout(0.001 if number % 5 == 0 else 60):
                await model.generate(_request(f"t{number % 3}", n=1 + number % 2))
            outcomes["answered"] += 1
        except TimeoutError:
            outcomes["gone"] += 1
        except (Overloaded, RateLimited):
            outcomes["refused"] += 1

    await asyncio.gather(*(client(number) for number in range(100)))

    assert sum(outcomes.values()) == 100
    assert outcomes["answered"] >= 8
    assert outcomes["refused"] > 0
    stats = model.engine.stats()
    assert (stats.running, stats.handlers) == (0, 0)
    assert (model.admission.running, model.admission.waiting) == (0, 0)
    assert model.admission.queue.shares == 0


async def test_a_stream_s_chunks_add_up_to_its_usage() -> None:
    """So that what a stream that is given up has cost is known from the chunks that came."""
    model = _model(ScriptedEngine(lambda _: letters("abcdef", size=2)), stream_interval_s=0.0)
    chunks = [chunk async for chunk in model.stream(_request(n=2))]

    usage = chunks[-1].usage
    assert usage is not None
    assert sum(chunk.tokens for chunk in chunks) == usage.completion_tokens
    assert [chunk.prompt_tokens for chunk in chunks if chunk.prompt_tokens] == [usage.prompt_tokens]
