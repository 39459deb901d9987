"""How texts of many calls are put together, over a model that notes what it is given."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Draining, ModelFailed, Overloaded
from deployments.contracts.embedding import Vectors
from deployments.model.encoders.batching import Batcher


class Lengths:
    """A text's vector is its length. With `gate` closed, batches wait."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.entered = asyncio.Event()
        self.failing = ""

    async def __call__(self, texts: Sequence[str]) -> Vectors:
        self.batches.append(list(texts))
        self.entered.set()
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.failing in texts:
            raise ModelFailed("lengths")
        return np.array([[len(text)] for text in texts], dtype=np.float32)


def batcher(model: Lengths, max_tokens: int = 100, max_waiting: int = 1000) -> Batcher:
    return Batcher(model, max_tokens, max_waiting, ManualClock())


async def submit(
    target: Batcher, *texts: str, tenant: str = "acme", urgent: bool = True
) -> list[float]:
    sizes = [max(1, len(text)) for text in texts]
    found = await target.submit(tenant, texts, sizes, urgent=urgent)
    return [float(row[0]) for row in found]


async def busy(target: Batcher, model: Lengths) -> "asyncio.Task[list[float]]":
    """A call whose batch is running and stays so."""
    model.gate.clear()
    task = asyncio.create_task(submit(target, "first"))
    await model.entered.wait()
    return task


async def until_waiting(target: Batcher, count: int) -> None:
    for _ in range(1000):
        if target.waiting == count:
            return
        await asyncio.sleep(0)
    raise AssertionError(f"{target.waiting} texts wait, not {count}")


@given(sizes=st.lists(st.integers(1, 60), min_size=1, max_size=40), limit=st.integers(1, 120))
async def test_every_text_gets_its_own_vector_within_the_token_limit(
    sizes: list[int], limit: int
) -> None:
    model = Lengths()
    target = batcher(model, limit)

    found = await submit(target, *("x" * size for size in sizes))

    assert found == sizes
    for batch in model.batches:
        assert len(batch) == 1 or len(batch) * max(map(len, batch)) <= limit
    assert target.waiting == target.running == 0


async def test_a_long_text_does_not_pad_many_short_ones() -> None:
    model = Lengths()
    short, long = ["x" * size for size in (4, 5) * 10], "y" * 60

    await submit(batcher(model, max_tokens=4_096), *short, long)

    assert model.batches == [sorted(short, key=len), [long]]


async def test_what_arrives_during_a_batch_becomes_the_next_one() -> None:
    model = Lengths()
    target = batcher(model)
    first = await busy(target, model)

    others = [asyncio.create_task(submit(target, "x" * size)) for size in (3, 1, 2)]
    await until_waiting(target, 3)
    model.gate.set()

    assert [await task for task in (first, *others)] == [[5], [3], [1], [2]]
    assert model.batches == [["first"], ["x", "xx", "xxx"]]


async def test_a_long_list_of_one_tenant_does_not_hold_up_another() -> None:
    model = Lengths()
    target = batcher(model, max_tokens=10)
    first = await busy(target, model)

    flood = asyncio.create_task(submit(target, *("x" * 5 for _ in range(100)), tenant="flood"))
    await until_waiting(target, 100)
    small = asyncio.create_task(submit(target, "small", tenant="small"))
    await until_waiting(target, 101)
    model.gate.set()

    assert await small == [5]
    assert not flood.done()
    assert any("small" in batch for batch in model.batches[:3])
    await asyncio.gather(first, flood)


async def test_a_caller_that_leaves_takes_its_texts_along() -> None:
    model = Lengths()
    target = batcher(model)
    first = await busy(target, model)
    leaving = asyncio.create_task(submit(target, "never", "computed"))
    staying = asyncio.create_task(submit(target, "stays"))
    await until_waiting(target, 3)

    leaving.cancel()
    await asyncio.wait([leaving])
    assert target.waiting == 1
    model.gate.set()

    assert await staying == [5]
    assert model.batches == [["first"], ["stays"]]
    await first


async def test_a_full_queue_says_when_to_come_back() -> None:
    model = Lengths()
    target = batcher(model, max_waiting=4)
    first = await busy(target, model)
    waiting = asyncio.create_task(submit(target, "a", "b", "c"))
    await until_waiting(target, 3)

    with pytest.raises(Overloaded) as refused:
        await submit(target, "d", "e")

    assert int(refused.value.headers["Retry-After"]) >= 1
    assert target.waiting == 3
    model.gate.set()
    await asyncio.gather(first, waiting)


async def test_batch_requests_may_fill_half_of_the_queue() -> None:
    model = Lengths()
    target = batcher(model, max_waiting=4)
    first = await busy(target, model)
    waiting = asyncio.create_task(submit(target, "a", "b"))
    await until_waiting(target, 2)

    with pytest.raises(Overloaded):
        await submit(target, "c", urgent=False)
    urgent = asyncio.create_task(submit(target, "c"))
    await until_waiting(target, 3)
    model.gate.set()
    await asyncio.gather(first, waiting, urgent)


async def test_a_batch_that_fails_fails_its_own_calls_only() -> None:
    model = Lengths()
    model.failing = "bad"
    target = batcher(model)

    with pytest.raises(ModelFailed):
        await submit(target, "bad", "good")

    assert await submit(target, "good") == [4]
    assert target.waiting == 0


async def test_a_text_that_the_model_cannot_take_costs_no_other_call_its_answer() -> None:
    model = Lengths()
    model.failing = "bad"
    target = batcher(model)
    first = await busy(target, model)
    calls = [
        asyncio.create_task(submit(target, *texts, tenant=tenant))
        for tenant, texts in (("a", ("good", "x")), ("b", ("bad",)), ("c", ("fine",)))
    ]
    await until_waiting(target, 4)
    model.gate.set()

    found = await asyncio.gather(first, *calls, return_exceptions=True)
    assert found[:2] == [[5], [4, 1]]
    assert isinstance(found[2], ModelFailed)
    assert found[3] == [4]
    assert target.waiting == target.running == 0


async def test_a_call_that_failed_leaves_nothing_in_line() -> None:
    model = Lengths()
    model.failing = "x" * 5
    target = batcher(model, max_tokens=5)
    first = await busy(target, model)
    long = asyncio.create_task(submit(target, *("x" * 5 for _ in range(30))))
    await until_waiting(target, 30)

    model.gate.set()
    with pytest.raises(ModelFailed):
        await long
    await first
    await until_waiting(target, 0)

    assert len(model.batches) <= 3


async def test_closing_refuses_what_waits_and_finishes_what_runs() -> None:
    model = Lengths()
    target = batcher(model)
    first = await busy(target, model)
    waiting = asyncio.create_task(submit(target, "waits"))
    await until_waiting(target, 1)

    closing = asyncio.create_task(target.close())
    with pytest.raises(Draining):
        await waiting
    model.gate.set()
    await closing

    assert await first == [5]
    with pytest.raises(Draining):
        await submit(target, "late")
