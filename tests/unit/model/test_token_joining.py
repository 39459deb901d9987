"""How long a token of a stream waits for others, in simulated time."""

import asyncio
from itertools import accumulate, pairwise

from hypothesis import given
from hypothesis import strategies as st

from deployments.contracts.engine import Tokens
from deployments.model.engines.sequences import TokenQueue
from deployments.model.spec import Limits, ModelSpec
from load_tests.benchmarks.common.virtual_time import run_in_virtual_time

INTERVAL_S = ModelSpec(id="m").stream_interval_s
SLACK_S = 1e-9

Batches = list[tuple[float, tuple[int, ...]]]


def read(arrivals: list[float]) -> Batches:
    """When each batch was read, and its tokens: token n was generated after `arrivals[n]`."""

    async def run() -> Batches:
        loop = asyncio.get_running_loop()
        began, queue, batches = loop.time(), TokenQueue(INTERVAL_S), []

        async def consume() -> None:
            while sum(len(ids) for _, ids in batches) < len(arrivals):
                ids = (await queue.get()).ids
                batches.append((loop.time() - began, ids))

        reader = asyncio.create_task(consume())
        await asyncio.sleep(0)
        for number, at in enumerate(arrivals):
            await asyncio.sleep(began + at - loop.time())
            queue.put(Tokens((number,)))
        await reader
        return batches

    return run_in_virtual_time(run())


def test_by_default_a_token_is_held_for_five_milliseconds_at_most() -> None:
    assert INTERVAL_S == Limits(context_length=100).stream_interval_s == 0.005


@given(st.lists(st.floats(0, 0.02), min_size=1, max_size=30))
def test_no_token_is_held_longer_than_the_interval(pauses: list[float]) -> None:
    arrivals = list(accumulate(pauses))

    batches = read(arrivals)

    assert [token for _, ids in batches for token in ids] == list(range(len(arrivals)))
    for at, ids in batches:
        assert at - arrivals[ids[0]] <= INTERVAL_S + SLACK_S
    for (earlier, _), (later, _) in pairwise(batches):
        assert later - earlier >= INTERVAL_S - SLACK_S


def test_a_token_after_a_quiet_moment_is_sent_at_once() -> None:
    arrivals = [0.0, 0.05, 0.1, 0.15]

    assert [round(at, 6) for at, _ in read(arrivals)] == arrivals


def test_tokens_within_the_interval_are_joined() -> None:
    arrivals = [0.0, 0.001, 0.002, 0.003]

    assert [ids for _, ids in read(arrivals)] == [(0,), (1, 2, 3)]
