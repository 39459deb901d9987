"""Calls that nobody waits for any more are charged for what their model says they have used."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable

import pytest

from cluster.runtime.clock import Deadline, SystemClock
from cluster.runtime.problems import (
    DeadlineExceeded,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Problem,
    RateLimited,
)
from cluster.tenants.caller import Caller, Priority, Scope
from cluster.tenants.plan import Plan, RequestClass
from cluster.tenants.units import UsageAmounts
from deployments.contracts.cache import NO_DIRECTIVES
from deployments.contracts.generation import (
    Chunk,
    Completion,
    GenerateRequest,
    Sampling,
    TokenUsage,
)
from deployments.ingress.context import AdmittedRequest, ModelWaitTimer
from deployments.ingress.model_registry import ModelRegistry
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import MeteredCall, UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.limiter.unlimited import NullLimiter
from tests.api.fakes import Records, WordsModel

REQUEST = GenerateRequest(
    "r", Caller("acme", "k", frozenset({Scope.GENERATE})), "words", Sampling(), prompt="a b"
)


class SettlingModel(WordsModel):
    """Waits for ever; what a call has used is told once `told` is set."""

    def __init__(self, usage: TokenUsage | Problem, chunks: tuple[Chunk, ...] = ()) -> None:
        super().__init__()
        self.usage = usage
        self.chunks = chunks
        self.told = asyncio.Event()
        self.failure: Problem | None = None

    def begin(self, request: GenerateRequest) -> "SettlingModel":
        return self

    async def generate(self, request: GenerateRequest | None = None) -> Completion:  # type: ignore[override]
        self.opened.set()
        if self.failure is not None:
            raise self.failure
        await asyncio.Event().wait()
        raise AssertionError

    async def stream(self, request: GenerateRequest | None = None) -> AsyncGenerator[Chunk, None]:  # type: ignore[override]
        for chunk in self.chunks:
            yield chunk
        if self.failure is not None:
            raise self.failure
        await asyncio.Event().wait()

    def settlement(self) -> Awaitable[TokenUsage]:
        async def settled() -> TokenUsage:
            await self.told.wait()
            if isinstance(self.usage, Problem):
                raise self.usage
            return self.usage

        return settled()


def _path(model: SettlingModel, records: Records) -> ModelPipeline:
    models = ModelRegistry({"words": model}, SystemClock())
    return ModelPipeline(models, UsageRecorder(records, TokenEstimator({})))


async def _admitted() -> AdmittedRequest:
    clock, plan = SystemClock(), Plan(id="p")
    return AdmittedRequest(
        "r",
        REQUEST.caller,
        plan,
        Deadline.after(60, clock),
        0,
        Priority.STANDARD,
        NO_DIRECTIVES,
        ModelWaitTimer(clock),
        permit=await NullLimiter().admit("acme", plan, RequestClass.GENERATE),
    )


async def _settled(path: ModelPipeline) -> None:
    async with asyncio.timeout(60):
        await path.recorder.settlements.close()


async def test_a_whole_answer_that_was_left_is_charged_when_its_model_has_told() -> None:
    admitted = await _admitted()
    model, records = SettlingModel(TokenUsage(2, 70)), Records()
    path = _path(model, records)
    task = asyncio.create_task(path.generate(REQUEST, admitted))
    await model.opened.wait()

    task.cancel()
    await asyncio.wait([task])

    assert records.usage == []
    model.told.set()
    await _settled(path)
    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=2, output_tokens=70))]
    assert path.recorder.counters.failed == 0


async def test_a_stream_that_was_left_costs_more_than_it_has_shown() -> None:
    admitted = await _admitted()
    model = SettlingModel(TokenUsage(2, 9), (Chunk(0, "one", tokens=1, prompt_tokens=2),))
    records = Records()
    path = _path(model, records)
    stream = path.stream(REQUEST, admitted)
    await anext(stream)

    await stream.aclose()

    model.told.set()
    await _settled(path)
    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=2, output_tokens=9))]


async def test_a_deadline_costs_what_was_generated() -> None:
    admitted = await _admitted()
    model, records = SettlingModel(TokenUsage(2, 5)), Records()
    model.failure = DeadlineExceeded("model")
    model.told.set()
    path = _path(model, records)

    with pytest.raises(DeadlineExceeded):
        await path.generate(REQUEST, admitted)

    await _settled(path)
    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=2, output_tokens=5))]


async def test_where_the_model_cannot_tell_what_was_shown_is_charged() -> None:
    admitted = await _admitted()
    chunk = Chunk(0, "one", tokens=1, prompt_tokens=2)
    model, records = SettlingModel(Overloaded("The replica is gone."), (chunk,)), Records()
    path = _path(model, records)
    stream = path.stream(REQUEST, admitted)
    await anext(stream)
    await stream.aclose()
    model.told.set()

    await _settled(path)

    assert records.usage == [("acme", "words", UsageAmounts(input_tokens=2, output_tokens=1))]


@pytest.mark.parametrize(
    ("problem", "failed"),
    [
        (ModelFailed("words"), 1),
        (InvalidRequest("The engine does not take these parameters."), 0),
        (RateLimited("Too many.", 1.0, "fair-share"), 0),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_failure_costs_nothing_and_a_refusal_is_no_failure(
    problem: Problem, failed: int, streamed: bool
) -> None:
    admitted = await _admitted()
    model, records = SettlingModel(TokenUsage(2, 70)), Records()
    model.failure = problem
    path = _path(model, records)

    answer = anext(path.stream(REQUEST, admitted)) if streamed else path.generate(REQUEST, admitted)
    with pytest.raises(type(problem)):
        await answer

    await _settled(path)
    assert records.usage == []
    assert path.recorder.counters.failed == failed


async def test_a_call_that_has_ended_does_not_hold_its_request() -> None:
    """They would hold each other, and the garbage collector runs seldom in a replica."""
    admitted, model = await _admitted(), WordsModel()

    await _path(model, Records()).generate(REQUEST, admitted)

    [call] = admitted.timer.calls
    assert isinstance(call, MeteredCall)
    assert call.timer is None
    assert call.ended_at >= call.opened_at > 0
