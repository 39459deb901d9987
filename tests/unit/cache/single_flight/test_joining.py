"""Who joins whose flight, and who takes another; time is virtual."""

import asyncio

import pytest

from cluster.runtime.problems import (
    DeadlineExceeded,
    Forbidden,
    ModelFailed,
    Problem,
    QuotaExceeded,
    RateLimited,
)
from cluster.tenants.caller import Priority
from deployments.cache.single_flight.in_flight import InFlightComputation
from deployments.cache.single_flight.single_flight import SingleFlight
from deployments.contracts.generation import Chunk
from tests.unit.cache.single_flight.replicas import (
    Keeping,
    Model,
    Replica,
    completion,
    entry,
    settle,
    text_of,
    waiting,
)
from tests.unit.cache.single_flight.virtual_time import LoopClock, simulated

REFUSALS = [
    RateLimited("too many", 1.0, "requests"),
    QuotaExceeded("spent", 1.0, "tokens"),
    Forbidden("may not"),
    DeadlineExceeded("queue", 1.0),
]


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.slug)
@simulated
async def test_what_was_refused_to_its_starter_is_tried_again_by_those_who_wait(
    refusal: Problem,
) -> None:
    replica = Replica(Model(failing=refusal))
    async with waiting(replica.text(), replica.text(), replica.streamed()) as tasks:
        await asyncio.sleep(1.0)
        replica.model.failing = None
        found = await asyncio.gather(*tasks, return_exceptions=True)
    assert type(found[0]) is type(refusal)
    assert found[1:] == ["one two three four"] * 2
    assert replica.model.calls == 2
    await settle(replica)


@simulated
async def test_tries_are_bounded() -> None:
    replica = Replica(Model(failing=Forbidden("may not")))
    found = await asyncio.gather(*(replica.text() for _ in range(20)), return_exceptions=True)
    assert {type(error) for error in found} == {Forbidden}
    assert replica.model.calls == 3
    await settle(replica)


@simulated
async def test_nobody_urgent_waits_for_work_that_is_not() -> None:
    replica = Replica(Model())
    batch, urgent = Priority.BATCH, Priority.INTERACTIVE
    async with waiting(replica.text(priority=batch)) as first:
        late = [replica.waiter(priority=urgent), replica.waiter(priority=urgent)]
        patient = replica.waiter(priority=batch)
        async with waiting(*(waiter.result() for waiter in (*late, patient))) as tasks:
            await asyncio.gather(*first, *tasks)
    assert [waiter.collapsed for waiter in (*late, patient)] == [False, True, True]
    assert patient.flight is late[0].flight
    assert [seen.priority for seen in replica.model.seen] == [batch, urgent]
    await settle(replica)


@simulated
async def test_who_wants_it_new_does_not_join_one_who_looks() -> None:
    replica = Replica(Model())
    waiters = [replica.waiter(recompute=anew) for anew in (False, True, True, False)]
    async with waiting(*(waiter.result() for waiter in waiters)) as tasks:
        await asyncio.gather(*tasks)
    assert [waiter.collapsed for waiter in waiters] == [False, False, True, True]
    assert replica.model.calls == 2
    await settle(replica)


@simulated
async def test_nobody_joins_what_was_begun_before_an_invalidation() -> None:
    replica = Replica(Model())
    async with waiting(replica.text()) as before:
        replica.keeping.as_of = 7
        async with waiting(replica.text(as_of=7), replica.text(as_of=7)) as after:
            await asyncio.gather(*before, *after)
    assert replica.model.calls == 2
    await settle(replica)


@simulated
async def test_an_answer_too_old_for_one_who_joined_is_taken_again() -> None:
    async def work(flight: InFlightComputation) -> None:
        await asyncio.sleep(1)
        created = LoopClock().wall() - 100 * (flight.lookup.max_age_s is None)
        answer = completion(f"asked by {flight.lookup.request.timeout_s}")
        flight.complete(answer, entry(answer, created=created), "l2")

    flights, replica = SingleFlight(work, Keeping(), LoopClock()), Replica(Model())
    easy = replica.ask(timeout_s=10.0)
    strict = replica.ask(timeout_s=20.0, max_age_s=50.0)
    async with waiting(flights.result(easy), flights.result(strict)) as tasks:
        found = await asyncio.gather(*tasks)
    assert [text_of(answer) for answer in found] == ["asked by 10.0", "asked by 20.0"]  # type: ignore[arg-type]


@simulated
async def test_what_nobody_has_read_may_be_told_differently_and_what_was_read_may_not() -> None:
    for read in (False, True):
        flight = InFlightComputation(Replica(Model()).ask(), LoopClock().wall())
        flight.append(Chunk(0, "good morning"))
        if not read:
            flight.complete(completion("good evening"), None, "l3")
            assert [chunk.text for chunk in flight.log] == ["good evening"]
            continue
        assert flight.read_chunk(0).text == "good morning"
        with pytest.raises(ModelFailed):
            flight.complete(completion("good evening"), None, "l3")
        flight.complete(completion("good morning, all"), None, "l3")
        assert [chunk.text for chunk in flight.log] == ["good morning", ", all"]
