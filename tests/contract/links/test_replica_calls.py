"""Calls of a model's replicas: the same by handle and over links."""

import asyncio
from contextlib import aclosing

import numpy as np
import pytest

from cluster.resilience.failure_class import ReplicaLost
from cluster.resilience.spec import HedgeSpec
from cluster.runtime.problems import DeadlineExceeded, InvalidRequest, Overloaded
from deployments.contracts.generation import Choice, Chunk, Completion, TokenUsage
from tests.cluster.polling import eventually
from tests.contract.links.linked_models import HandledModel, LinkedModel
from tests.contract.links.scripted_replica import embed_request, request

Model = LinkedModel | HandledModel


async def test_a_completion_is_the_replica_s(model: Model) -> None:
    found = await model.text.generate(request("hello"))
    assert found == Completion((Choice(0, "a: hello", "stop"),), TokenUsage(1, 2), "m")


async def test_replicas_take_turns_and_nothing_stays_outstanding(model: Model) -> None:
    for _ in range(4):
        await model.text.generate(request("hello"))
    assert [len(replica.asked) for replica in model.replicas.values()] == [2, 2]
    assert model.outstanding == 0
    assert model.text.figures().attempts == 4


async def test_chunks_come_in_order_and_the_last_has_the_usage(model: Model) -> None:
    chunks = [chunk async for chunk in model.text.stream(request("300 words"))]
    assert [chunk.text for chunk in chunks] == [*(f"{number} " for number in range(300)), "a"]
    assert chunks[-1] == Chunk(0, "a", "stop", usage=TokenUsage(1, 300))
    await eventually(lambda: model.running == model.outstanding == 0)


async def test_vectors_come_as_they_were_computed(model: Model) -> None:
    found = await model.vectors.embed(embed_request("x", "y"))
    assert np.array_equal(found.vectors, np.arange(6, dtype=np.float32).reshape(2, 3))
    assert found.model == "a"


@pytest.mark.parametrize("prompt", ["broken", "busy"])
async def test_a_replica_s_own_problem_is_raised_as_it_is(model: Model, prompt: str) -> None:
    kind = InvalidRequest if prompt == "broken" else Overloaded
    with pytest.raises(kind) as whole:
        await model.text.generate(request(prompt))
    with pytest.raises(kind) as streamed:
        await anext(model.text.stream(request(prompt)))
    with pytest.raises(kind):
        await model.vectors.embed(embed_request(prompt))
    assert type(whole.value) is type(streamed.value) is kind
    assert whole.value.detail == streamed.value.detail
    assert whole.value.extensions == streamed.value.extensions


async def test_a_problem_in_the_middle_of_a_stream_comes_after_its_chunks(model: Model) -> None:
    chunks = model.text.stream(request("3 words then break"))
    assert [(await anext(chunks)).text for _ in range(3)] == ["0 ", "1 ", "2 "]
    with pytest.raises(Overloaded) as raised:
        await anext(chunks)
    assert raised.value.headers == {"Retry-After": "3"}


async def test_a_call_that_hangs_ends_at_its_deadline_and_is_cancelled(model: Model) -> None:
    with pytest.raises(DeadlineExceeded):
        await model.text.generate(request("hang", timeout_s=0.05))
    with pytest.raises(DeadlineExceeded):
        await anext(model.text.stream(request("hang", timeout_s=0.05)))
    await eventually(lambda: model.running == model.outstanding == 0)
    assert model.cancelled == 2


async def test_a_caller_that_leaves_ends_its_call(model: Model) -> None:
    calling = asyncio.create_task(model.text.generate(request("hang")))
    await eventually(lambda: model.running == 1)
    calling.cancel()
    await eventually(lambda: model.running == model.outstanding == 0)
    assert model.cancelled == 1


async def test_a_stream_that_is_left_ends(model: Model) -> None:
    async with aclosing(model.text.stream(request("3 words then hang"))) as chunks:
        assert (await anext(chunks)).text == "0 "
    await eventually(lambda: model.running == model.outstanding == 0)
    assert model.cancelled == 1


async def test_an_abandoned_call_reports_what_its_replica_has_used(model: Model) -> None:
    call = model.text.begin(request("3 words then hang"))
    async with aclosing(call.stream()) as chunks:
        for _ in range(3):
            await anext(chunks)
    settlement = call.settlement()
    assert settlement is not None
    assert await settlement == TokenUsage(3, 3)


async def test_a_replica_that_dies_is_replaced_by_another(model: Model) -> None:
    calling = asyncio.create_task(model.text.generate(request("hang")))
    await eventually(lambda: model.running == 1)
    dying = next(name for name, replica in model.replicas.items() if replica.running)
    (other,) = (name for name in model.replicas if name != dying)
    await model.kill(dying)
    await eventually(lambda: len(model.replicas[other].running) == 1)
    assert model.text.figures().retries == 1
    calling.cancel()


async def test_a_stream_whose_replica_dies_breaks_in_band(model: Model) -> None:
    chunks = model.text.stream(request("3 words then hang"))
    for _ in range(3):
        await anext(chunks)
    dying = next(name for name, replica in model.replicas.items() if replica.running)
    await model.kill(dying)
    with pytest.raises(ReplicaLost):
        await anext(chunks)
    found = [chunk.text async for chunk in model.text.stream(request("2 words"))]
    assert found[-1] != dying


async def test_many_calls_at_once_keep_their_answers(model: Model) -> None:
    prompts = [f"prompt {number}" for number in range(200)]
    found = await asyncio.gather(*(model.text.generate(request(prompt)) for prompt in prompts))
    texts = [completion.choices[0].text.split(": ")[1] for completion in found]
    assert texts == prompts
    assert model.outstanding == 0


@pytest.mark.parametrize("kind", [LinkedModel, HandledModel], ids=["link", "serve"])
async def test_a_slow_call_is_hedged_and_the_slower_attempt_ends(kind: type[Model]) -> None:
    hedge = HedgeSpec(quantile=0.5, share=1.0, least_s=0.05)
    model = kind("a", "b", hedge=hedge)
    await model.start()
    try:
        for _ in range(30):
            await model.text.generate(request("hello"))
        for _ in range(2):  # one of them goes to the replica that hangs
            found = await model.text.generate(request("hang at a"))
            assert found.choices[0].text == "b: hang at a"
        await eventually(lambda: model.running == model.outstanding == 0)
        assert model.cancelled == model.text.figures().hedges == 1
    finally:
        await model.close()
