"""When a second replica is asked: late enough, seldom enough, and only one of them answers."""

import asyncio
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.resilience.hedging import HedgePolicy, TrackedQuantile, first_success
from cluster.resilience.spec import HedgeSpec
from cluster.runtime.problems import ModelFailed


@pytest.mark.parametrize("quantile", [0.5, 0.9, 0.95, 0.99])
def test_the_estimate_rests_where_the_quantile_is(quantile: float) -> None:
    random, tracked = Random(7), TrackedQuantile(quantile)
    values = [random.lognormvariate(-1.0, 0.7) for _ in range(20_000)]
    below = 0
    for number, value in enumerate(values):
        below += number >= 10_000 and value <= tracked.value
        tracked.observe(value)
    assert below / 10_000 == pytest.approx(quantile, abs=0.02)


def test_the_estimate_follows_a_model_that_gets_slower() -> None:
    random, tracked = Random(7), TrackedQuantile(0.9)
    for scale in (0.1, 1.0):
        for _ in range(2000):
            tracked.observe(scale * random.uniform(0.8, 1.2))
    assert tracked.value == pytest.approx(1.16, rel=0.15)


def test_nothing_is_hedged_before_enough_is_known() -> None:
    hedging = HedgePolicy(HedgeSpec(least_s=0.5))
    for _ in range(19):
        hedging.observe(0.1)
    assert hedging.delay_s() is None
    hedging.observe(0.1)
    assert hedging.delay_s() == 0.5


@given(st.lists(st.booleans(), max_size=400), st.floats(0.01, 0.5))
def test_hedges_stay_within_their_share_of_the_calls(steps: list[bool], share: float) -> None:
    hedging, calls, hedges = HedgePolicy(HedgeSpec(share=share)), 0, 0
    for is_call in steps:
        if is_call:
            hedging.called(1.0)
            calls += 1
        else:
            hedges += hedging.take(1.0)
        assert hedges <= share * calls


class Runner:
    """One of two attempts: waits for `go`, then gives `end` or raises it."""

    def __init__(self, end: str | Exception) -> None:
        self.end = end
        self.go = asyncio.Event()
        self.asked = asyncio.Event()
        self.cancelled = False

    async def run(self) -> str:
        self.asked.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


async def test_a_first_attempt_in_time_is_the_only_one() -> None:
    first, second = Runner("first"), Runner("second")
    first.go.set()
    assert await first_success(first.run(), 10.0, second.run) == "first"
    assert not second.asked.is_set()


async def test_the_first_good_answer_counts_and_the_other_attempt_is_cancelled() -> None:
    first, second = Runner("first"), Runner("second")
    second.go.set()
    assert await first_success(first.run(), 0.0, second.run) == "second"
    await asyncio.sleep(0)
    assert first.cancelled


async def test_a_failed_attempt_leaves_it_to_the_other() -> None:
    first, second = Runner("first"), Runner(ModelFailed("m"))
    second.go.set()
    racing = asyncio.create_task(first_success(first.run(), 0.0, second.run))
    await second.asked.wait()
    first.go.set()
    assert await racing == "first"


async def test_when_both_fail_the_first_one_s_problem_is_told() -> None:
    problem = ModelFailed("m", "the first")
    first, second = Runner(problem), Runner(ModelFailed("m", "the second"))
    first.go.set()
    second.go.set()
    with pytest.raises(ModelFailed, match="the first"):
        await first_success(first.run(), 0.0, second.run)


async def test_nothing_is_raced_where_there_is_no_second_attempt() -> None:
    first = Runner("first")
    racing = asyncio.create_task(first_success(first.run(), 0.0, lambda: None))
    await first.asked.wait()
    first.go.set()
    assert await racing == "first"


async def test_whoever_leaves_takes_both_attempts_along() -> None:
    first, second = Runner("first"), Runner("second")
    racing = asyncio.create_task(first_success(first.run(), 0.0, second.run))
    await second.asked.wait()
    racing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await racing
    await asyncio.sleep(0)
    assert first.cancelled
    assert second.cancelled
