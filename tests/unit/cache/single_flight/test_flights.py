"""Single flight in one process: one works, the others wait; time is virtual."""

import asyncio
import contextlib
import logging
import random
import traceback
from contextlib import aclosing

import pytest

from cluster.runtime.problems import (
    DeadlineExceeded,
    Draining,
    ModelFailed,
)
from cluster.tenants.caller import Priority
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.single_flight import SingleFlight
from tests.unit.cache.single_flight.replicas import (
    Keeping,
    Model,
    Replica,
    Waiter,
    settle,
    text_of,
    waiting,
)
from tests.unit.cache.single_flight.virtual_time import LoopClock, simulated

SEEDS = [0, 1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in range(2, 5))]


async def first_words(waiter: Waiter, count: int) -> list[str]:
    words = []
    async with aclosing(waiter.chunks()) as chunks:
        async for chunk in chunks:
            words.append(chunk.text)
            if len(words) == count:
                break
    return words


@simulated
async def test_a_hundred_equal_calls_are_one_computation() -> None:
    replica = Replica(Model())
    waiters = [replica.waiter() for _ in range(100)]
    answers = await asyncio.gather(*(waiter.result() for waiter in waiters))

    assert {text_of(answer) for answer in answers} == {"one two three four"}
    assert replica.model.calls == 1
    assert [waiter.collapsed for waiter in waiters] == [False] + [True] * 99
    await settle(replica)
    assert replica.flights.figures() == {
        "started": 1,
        "joined": 99,
        "cancelled": 0,
        "failed": 0,
        "open": 0,
    }


@simulated
async def test_streams_that_join_late_get_everything_from_the_first_chunk() -> None:
    replica = Replica(Model())

    async def late(after_s: float) -> list[str]:
        await asyncio.sleep(after_s)
        return await first_words(replica.waiter(streaming=True), 99)

    found = await asyncio.gather(*(late(after_s / 10) for after_s in range(20)))
    assert all(words == list(replica.model.words) for words in found)
    assert replica.model.calls == 1
    await settle(replica)


@simulated
async def test_a_stream_gives_each_chunk_as_it_comes() -> None:
    replica = Replica(Model(every_s=1.0))
    times = []
    async with aclosing(replica.waiter(streaming=True).chunks()) as chunks:
        async for _ in chunks:
            times.append(round(LoopClock().monotonic()))
    assert times == [1, 2, 3, 4]


@simulated
async def test_whole_answers_and_streams_share_a_flight() -> None:
    replica = Replica(Model())
    async with waiting(
        replica.text(streaming=True), replica.streamed(), replica.text()
    ) as streamed_first:
        assert await asyncio.gather(*streamed_first) == ["one two three four"] * 3
    async with waiting(replica.text(), replica.streamed()) as whole_first:
        assert await asyncio.gather(*whole_first) == ["one two three four"] * 2
    assert replica.model.calls == 2
    await settle(replica)


@simulated
async def test_a_leader_who_leaves_hands_over() -> None:
    replica = Replica(Model())
    async with waiting(replica.text(), replica.text(), replica.streamed()) as (leader, *others):
        leader.cancel()
        assert await asyncio.gather(*others) == ["one two three four"] * 2
    assert leader.cancelled()
    assert (replica.model.calls, replica.model.finished) == (1, 1)
    await settle(replica)


@simulated
async def test_the_work_has_ended_when_the_last_one_has_left() -> None:
    replica = Replica(Model())
    async with waiting(replica.text(), replica.streamed()) as tasks:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert replica.model.open == 0
    words = await first_words(replica.waiter(streaming=True), 1)
    assert (words, replica.model.open) == (["one "], 0)
    assert replica.flights.figures()["cancelled"] == 2
    assert replica.flights.figures()["open"] == 0


@simulated
async def test_errors_go_to_those_who_wait_and_are_forgotten() -> None:
    replica = Replica(Model(failing=ModelFailed("nano")))
    found = await asyncio.gather(*(replica.text() for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [ModelFailed] * 3
    assert len({id(error) for error in found}) == 3
    depths = {len(traceback.extract_tb(e.__traceback__)) for e in found}  # type: ignore[union-attr]
    assert len(depths) == 1

    replica.model.failing = None
    assert await replica.text() == "one two three four"
    assert replica.model.calls == 2
    assert replica.flights.figures()["failed"] == 1
    await settle(replica)


@simulated
async def test_what_is_no_problem_keeps_its_cause() -> None:
    replica = Replica(Model(failing=KeyError("a bug")))
    with pytest.raises(RuntimeError) as caught:
        await replica.text()
    assert isinstance(caught.value.__cause__, KeyError)


@simulated
async def test_a_stream_that_has_begun_ends_with_the_error() -> None:
    replica = Replica(Model(failing=ModelFailed("nano")))
    words: list[str] = []
    with pytest.raises(ModelFailed):
        await replica.words(words)
    assert words == ["one "]
    await settle(replica)


@simulated
async def test_each_waiter_keeps_its_own_deadline() -> None:
    replica = Replica(Model(every_s=1.0))
    async with waiting(
        replica.text(), replica.text(timeout_s=1.5), replica.streamed(timeout_s=2.5)
    ) as tasks:
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert found[0] == "one two three four"
    for error in found[1:]:
        assert isinstance(error, DeadlineExceeded)
        assert error.extensions["stage"] == "model"
    assert replica.model.calls == 1
    await settle(replica)


@simulated
async def test_a_refresh_needs_nobody_and_there_is_one_at_most() -> None:
    replica = Replica(Model())
    assert [replica.flights.refresh(replica.ask()) for _ in range(3)] == [True, False, False]
    await asyncio.sleep(0.6)
    async with waiting(replica.text()) as (joined,):
        joined.cancel()
    await settle(replica)
    assert (replica.model.calls, replica.model.finished) == (1, 1)
    assert len(replica.keeping.held) == 1


@simulated
async def test_a_refresh_that_fails_is_counted_and_told_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    replica = Replica(Model(failing=ModelFailed("nano")))
    with caplog.at_level(logging.DEBUG, logger="mobula.cache"):
        replica.flights.refresh(replica.ask())
        await settle(replica)
    assert replica.flights.figures()["failed"] == 1
    assert [record.levelname for record in caplog.records] == ["DEBUG"]


@simulated
async def test_closing_ends_everything() -> None:
    replica = Replica(Model())
    async with waiting(replica.text(), replica.streamed()) as tasks:
        replica.flights.refresh(replica.ask(b"other" * 6 + b"ab"))
        await replica.flights.close()
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(error) for error in found] == [Draining, Draining]
    assert not replica.flights.refresh(replica.ask())
    with pytest.raises(Draining):
        await replica.text()
    assert replica.flights.figures()["open"] == 0
    assert replica.model.open == 0


@simulated
async def test_work_that_ends_without_an_answer_is_an_error() -> None:
    async def work(flight: InFlightComputation) -> None: ...

    with pytest.raises(RuntimeError):
        await SingleFlight(work, Keeping(), LoopClock()).result(Replica(Model()).ask())


@pytest.mark.parametrize("seed", SEEDS)
@simulated
async def test_a_thousand_callers_who_leave_at_any_moment_leave_nothing_open(seed: int) -> None:
    rng = random.Random(seed)
    replica = Replica(Model(every_s=0.01))
    replica.keeping.keeps = bool(seed % 2)

    async def call() -> None:
        await asyncio.sleep(rng.random() * 5)
        fields = {
            "key": rng.choice((b"a", b"b", b"c")) * 32,
            "priority": rng.choice(list(Priority)),
            "recompute": rng.random() < 0.1,
            "timeout_s": rng.choice((0.005, 0.02, 60.0)),
        }
        wait = replica.streamed(**fields) if rng.random() < 0.5 else replica.text(**fields)
        task = asyncio.ensure_future(wait)
        asyncio.get_running_loop().call_later(rng.random() * 0.06, task.cancel)
        with contextlib.suppress(asyncio.CancelledError, DeadlineExceeded):
            assert await task == "one two three four"

    await asyncio.gather(*(call() for _ in range(1000)))
    await settle(replica)
    figures = replica.flights.figures()
    assert figures["open"] == 0
    assert min(figures["cancelled"], figures["joined"], replica.model.finished) > 50
    assert figures["started"] >= replica.model.calls
