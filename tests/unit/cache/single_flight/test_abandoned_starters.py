"""A computation belongs to nobody: who started it may leave or be late; time is virtual."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass

import pytest

from cluster.runtime.problems import ClientGone, DeadlineExceeded, Draining, ModelFailed, Overloaded
from deployments.cache.single_flight.compute_leases import FOLLOWING_S
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.contracts.generation import Chunk, GenerateRequest
from tests.unit.cache.single_flight.replicas import (
    SAMPLED,
    Faulty,
    Keeping,
    Model,
    Replica,
    completion,
    fleet,
    nothing_is_open,
    settle,
    waiting,
)
from tests.unit.cache.single_flight.replicas import tier as new_shared_tier
from tests.unit.cache.single_flight.virtual_time import LoopClock, simulated

SAID = "one two three four"
WORDS = ["one ", "two ", "three ", "four"]
LONGEST_S = 600.0

current: ContextVar[str] = ContextVar("current", default="nobody")


@simulated
async def test_work_runs_in_the_context_of_no_caller() -> None:
    seen = []

    async def work(flight: InFlightComputation) -> None:
        seen.append(current.get())
        current.set("the work")
        flight.complete(completion(), None, "model")

    flights, replica = SingleFlight(work, Keeping(), LoopClock()), Replica(Model())
    current.set("the starter")
    await flights.result(replica.ask())
    flights.refresh(replica.ask())
    await asyncio.sleep(0.01)
    assert seen == ["nobody", "nobody"]
    assert current.get() == "the starter"


@dataclass
class Interrupted(Model):
    """Its first `breaks` calls are ended from outside after a word, as Serve ends the calls of a
    request whose client has left."""

    breaks: int = 1
    by: Callable[[], BaseException] = asyncio.CancelledError

    async def _said(self, asked: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        broken, told = self.calls <= self.breaks, 0
        async for chunk in super()._said(asked):
            if broken and told:
                raise self.by()
            yield chunk
            told += 1


@pytest.mark.parametrize("by", [asyncio.CancelledError, lambda: ClientGone("cancelled")])
@simulated
async def test_a_call_that_is_cancelled_by_somebody_else_is_made_again_for_those_who_wait(
    by: Callable[[], BaseException],
) -> None:
    replica = Replica(Interrupted(by=by))
    words: list[str] = []
    async with waiting(replica.words(words), replica.text(), replica.streamed()) as tasks:
        found = await asyncio.gather(*tasks)
    assert found == [None, SAID, SAID]
    assert "".join(words) == SAID
    assert replica.model.calls == 2
    await settle(replica)


@simulated
async def test_a_sampled_stream_that_is_cancelled_by_somebody_else_ends_with_a_problem() -> None:
    replica = Replica(Interrupted(every_s=1.0))
    words: list[str] = []
    with pytest.raises(ModelFailed):
        await replica.words(words, sampling=SAMPLED)
    assert words == ["#1 one "]
    await settle(replica)


@simulated
async def test_a_call_that_is_always_cancelled_is_never_called_a_shutdown() -> None:
    replica = Replica(Interrupted(breaks=99))
    found = await asyncio.gather(*(replica.text() for _ in range(3)), return_exceptions=True)
    assert all(isinstance(error, ModelFailed) for error in found), found
    assert not any(isinstance(error, Draining) for error in found)
    assert replica.model.calls < 10
    await settle(replica)


@simulated
async def test_work_that_is_cancelled_by_somebody_else_is_never_called_a_shutdown() -> None:
    async def work(flight: InFlightComputation) -> None:
        raise asyncio.CancelledError

    with pytest.raises(ModelFailed):
        await SingleFlight(work, Keeping(), LoopClock()).result(Replica(Model()).ask())


@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_who_has_more_time_than_the_starter_goes_on_with_the_same_computation(
    stream: bool,
) -> None:
    replica = Replica(Model())
    words: list[str] = []
    call = replica.streamed if stream else replica.text
    first = call(timeout_s=0.7)
    async with waiting(first, call(timeout_s=1.2), replica.words(words), call()) as tasks:
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert list(map(str, found[:2])) == [
        f"The deadline of {limit} s passed in stage 'model'." for limit in (0.7, 1.2)
    ]
    assert found[2:] == [None, SAID]
    assert words == (WORDS if stream else [SAID])
    assert (replica.model.calls, replica.model.finished) == (1, 1)
    await settle(replica)


@simulated
async def test_who_joins_late_with_more_time_extends_the_work() -> None:
    replica = Replica(Model(every_s=1.0))
    async with waiting(replica.streamed(timeout_s=2.0)) as first:
        await asyncio.sleep(1.9)
        async with waiting(replica.streamed(timeout_s=2.0)) as second:
            await asyncio.sleep(1.5)
            assert await replica.streamed(timeout_s=3.0) == SAID
        found = await asyncio.gather(*first, *second, return_exceptions=True)
    assert [type(each) for each in found] == [DeadlineExceeded, DeadlineExceeded]
    assert replica.model.calls == 1
    await settle(replica)


@simulated
async def test_the_work_ends_when_the_longest_time_is_up() -> None:
    replica = Replica(Model(every_s=1.0))
    async with waiting(replica.text(timeout_s=1.5), replica.text(timeout_s=2.5)) as tasks:
        await asyncio.sleep(2.0)
        assert replica.model.open == 1
        await asyncio.wait(tasks)
        assert LoopClock().monotonic() == pytest.approx(2.5, abs=0.01)
        assert replica.model.open == 0
    for task in tasks:
        with pytest.raises(DeadlineExceeded):
            task.result()
    await settle(replica)


@simulated
async def test_the_model_is_told_until_when_anybody_waits_for_it_to_begin() -> None:
    replica = Replica(Model(), Faulty(new_shared_tier()))  # type: ignore[arg-type]
    await replica.text(timeout_s=10.0)
    (seen,) = replica.model.seen
    assert seen.timeout_s == LONGEST_S
    assert seen.start_within_s == pytest.approx(9.999)
    await settle(replica)


@dataclass
class Busy(Model):
    """Refuses at once who does not wait for 5 s, as a model with a queue does."""

    async def _said(self, asked: GenerateRequest) -> AsyncGenerator[Chunk, None]:
        await asyncio.sleep(0.1)
        if asked.start_within_s is not None and asked.start_within_s < 5.0:
            raise Overloaded("It would not start before its deadline.", 5.0)
        async for chunk in super()._said(asked):
            yield chunk


@simulated
async def test_who_would_wait_longer_is_not_refused_for_the_starter_s_impatience() -> None:
    replica = Replica(Busy())
    async with (
        waiting(replica.text(timeout_s=4.0)) as first,
        waiting(replica.text(), replica.streamed()) as others,
    ):
        found = await asyncio.gather(*first, *others)
    assert found == [SAID] * 3
    assert replica.model.calls == 2
    with pytest.raises(Overloaded):
        await replica.text(timeout_s=4.0)
    await settle(replica)


@simulated
async def test_a_refresh_has_time_of_its_own() -> None:
    replica = Replica(Model())
    assert replica.flights.refresh(replica.ask(timeout_s=0.1))
    await settle(replica)
    assert replica.model.finished == 1
    (seen,) = replica.model.seen
    assert (seen.timeout_s, seen.start_within_s) == (LONGEST_S, None)


@pytest.mark.parametrize("moment_s", [0.0005, 0.0015, 0.3, 1.2])
@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_a_starter_who_leaves_at_any_stage_costs_nobody_the_answer(
    moment_s: float, stream: bool
) -> None:
    tier = Faulty(new_shared_tier())
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    call = replica.streamed if stream else replica.text
    starter = asyncio.ensure_future(call())
    await asyncio.sleep(moment_s)
    others = [asyncio.ensure_future(call()) for _ in range(3)]
    await asyncio.sleep(0)
    starter.cancel()
    assert await asyncio.gather(*others) == [SAID] * 3
    assert replica.model.calls == 1
    await settle(replica)


@pytest.mark.parametrize("sampling", [None, SAMPLED], ids=["greedy", "sampled"])
@pytest.mark.parametrize("stream", [False, True])
@simulated
async def test_a_leader_whose_callers_all_leave_goes_on_for_those_on_other_replicas(
    stream: bool, sampling: object
) -> None:
    tier = new_shared_tier()
    leader, other, third = fleet(3, tier)
    fields = {} if sampling is None else {"sampling": sampling}

    def call(replica: Replica) -> "asyncio.Future[str]":
        return asyncio.ensure_future((replica.streamed if stream else replica.text)(**fields))

    leaving = [call(leader), call(leader)]
    await asyncio.sleep(0.1)
    following = [call(other), call(other), call(third)]
    await asyncio.sleep(0.5)
    for task in leaving:
        task.cancel()
    found = await asyncio.gather(*following)
    assert found == [SAID if sampling is None else "#1 one two three four #1"] * 3
    assert LoopClock().monotonic() == pytest.approx(2.0, abs=0.3)
    assert (leader.model.calls, leader.model.finished) == (1, 1)
    await settle(leader, other, third)
    assert nothing_is_open(tier)


@simulated
async def test_a_leader_ends_once_its_last_follower_has_left() -> None:
    tier = new_shared_tier()
    leader, other = fleet(2, tier, Model(every_s=10.0))
    leaving = asyncio.ensure_future(leader.text())
    await asyncio.sleep(0.1)
    following = asyncio.ensure_future(other.text())
    await asyncio.sleep(0.5)
    leaving.cancel()
    await asyncio.sleep(5.0)
    assert leader.model.open == 1
    following.cancel()
    await asyncio.sleep(FOLLOWING_S + 0.6)
    assert leader.model.open == 0
    assert leader.model.calls == 1
    await settle(leader, other)
    assert nothing_is_open(tier)


@simulated
async def test_a_leader_whose_tier_has_gone_does_not_work_for_nobody() -> None:
    tier = Faulty(new_shared_tier())
    leader, other = fleet(2, tier, Model(every_s=10.0))
    leaving = asyncio.ensure_future(leader.text())
    await asyncio.sleep(0.1)
    following = asyncio.ensure_future(other.text())
    await asyncio.sleep(0.5)
    leaving.cancel()
    await asyncio.sleep(0.5)
    tier.down = True
    following.cancel()
    await asyncio.sleep(4.0)
    assert leader.model.open == 0
    with suppress(asyncio.CancelledError):
        await leaving
    await settle(leader, other)


@simulated
async def test_who_comes_while_the_last_one_leaves_is_answered() -> None:
    tier = Faulty(new_shared_tier())
    replica = Replica(Model(), tier)  # type: ignore[arg-type]
    for moment_s in (0.0, 0.0005, 0.001, 0.002):
        key = f"{moment_s:032.5f}".encode()
        starter = asyncio.ensure_future(replica.text(key=key))
        await asyncio.sleep(0.7)
        starter.cancel()
        await asyncio.sleep(moment_s)
        assert await replica.text(key=key) == SAID
    await settle(replica)
