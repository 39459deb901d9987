"""What becomes of a call when replicas die, hang, refuse, or are not there."""

import asyncio

import pytest

from cluster.resilience.attempts import OVERTAKEN
from cluster.resilience.failure_class import (
    AllUpstreamsBusy,
    ReplicaLost,
    Unavailable,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamRefused,
)
from cluster.resilience.retry_budget import FLOOR
from cluster.runtime.problems import (
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Problem,
    RateLimited,
)
from tests.cluster.polling import eventually
from tests.unit.resilience.scripted import Sent, World

LOST = ReplicaLost("m")


async def test_an_ordinary_call_is_one_attempt_under_its_own_id() -> None:
    world = World("a", "b")
    assert await world.call() in ("a", "b")
    assert [sent.call for sent in world.sent] == ["c"]


async def test_an_attempt_knows_where_it_was_and_how_it_failed() -> None:
    world = World("a", "b")
    world.ends = {"a": LOST}
    while not any(sent.to == "a" for sent in world.sent):
        await world.call()

    assert all(sent.replica == sent.to for sent in world.sent)
    failed = world.clock.monotonic(), LOST.slug
    assert all(sent.ending == (failed if sent.to == "a" else None) for sent in world.sent)


@pytest.mark.parametrize("problem", [LOST, Draining("it ends")])
async def test_a_lost_replica_is_replaced_by_another_under_an_id_of_its_own(
    problem: Problem,
) -> None:
    world = World("a", "b", "c")
    world.ends = {"a": problem, "b": problem}
    for number in range(4):
        assert await world.call(f"call{number}") == "c"
    for number in range(4):
        attempts = [sent for sent in world.sent if sent.call.startswith(f"call{number}")]
        ids = [f"call{number}", f"call{number}~2", f"call{number}~3"]
        assert [sent.call for sent in attempts] == ids[: len(attempts)]
        assert len({sent.to for sent in attempts}) == len(attempts)


@pytest.mark.parametrize(
    "problem",
    [
        InvalidRequest("no"),
        RateLimited("slow down", 1.0, "fair-share"),
        ModelFailed("m"),
        DeadlineExceeded("queue"),
    ],
)
async def test_what_another_replica_would_say_as_well_is_not_tried_again(problem: Problem) -> None:
    world = World("a", "b")
    world.ends = {"a": problem, "b": problem}
    with pytest.raises(type(problem)):
        await world.call()
    assert len(world.sent) == 1


async def test_a_busy_replica_is_left_for_another_one_if_there_is_one() -> None:
    busy = Overloaded("busy")
    world = World("a", "b")
    world.ends = {"a": busy}
    assert {await world.call(str(n)) for n in range(4)} == {"b"}
    alone = World("a")
    alone.ends = {"a": busy}
    with pytest.raises(Overloaded, match="busy"):
        await alone.call()
    assert len(alone.sent) == 1


async def test_a_call_is_tried_so_often_and_then_refused_with_a_time_to_come_back() -> None:
    world = World("a", "b", "c", "d", retries=2)
    world.ends = dict.fromkeys("abcd", LOST)
    with pytest.raises(Unavailable) as refused:
        await world.call()
    assert len(world.sent) == 3
    assert refused.value.status == 503
    assert "Retry-After" in refused.value.headers


async def test_what_is_left_of_the_deadline_is_carried_on() -> None:
    world = World("a", "b")

    def slowly(sent: Sent) -> None:
        world.clock.advance(4)

    world.ends, world.on_send = {"a": LOST, "b": LOST}, slowly
    with pytest.raises(Unavailable):
        await world.call(timeout_s=10)
    assert [sent.timeout_s for sent in world.sent] == [10, 6, 2]


async def test_nothing_is_tried_again_when_time_is_up() -> None:
    world = World("a", "b")
    world.ends = {"a": LOST, "b": LOST}
    world.on_send = lambda _: world.clock.advance(11)
    with pytest.raises(Unavailable):
        await world.call(timeout_s=10)
    assert len(world.sent) == 1


async def test_retries_of_many_calls_stay_within_the_budget() -> None:
    world = World("a", "b", "c", retry_share=0.1, breaker={"failures": 1.0, "min_requests": 1000})
    world.ends = dict.fromkeys("abc", LOST)
    for number in range(200):
        with pytest.raises(Unavailable):
            await world.call(str(number))
    figures = world.calls.figures()
    assert figures.retries <= 0.1 * figures.calls + FLOOR


async def test_a_dead_model_is_left_alone_after_the_minimum_volume() -> None:
    world = World("a", breaker={"min_requests": 10}, retries=0)
    world.ends = {"a": LOST}
    for number in range(100):
        with pytest.raises(Unavailable):
            await world.call(str(number))
    assert len(world.sent) == 10
    assert world.calls.figures().refused == 90


async def test_the_caller_s_own_faults_never_open_the_breaker() -> None:
    faults: list[Problem] = [
        InvalidRequest("no"),
        RateLimited("slow down", 1.0, "fair-share"),
        Overloaded("busy"),
        DeadlineExceeded("queue"),
    ]
    world = World("a", breaker={"min_requests": 1})
    for number in range(100):
        world.ends = {"a": faults[number % len(faults)]}
        with pytest.raises(Problem):
            await world.call(str(number), timeout_s=0.1)
    leaving = world.start("leaving")
    world.ends = {"a": None}
    await asyncio.sleep(0)
    leaving.cancel()
    assert world.calls.figures().breaker.state == "closed"


async def test_a_caller_who_leaves_takes_the_attempt_along() -> None:
    world = World("a")
    world.ends = {"a": None}
    call = world.start()
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert world.sent[0].cancelled
    assert world.fleet.placed("c") is None


async def test_calls_given_up_after_a_slow_call_s_time_open_the_breaker() -> None:
    world = World("a", breaker={"min_requests": 10, "slow_s": 30})
    world.ends = {"a": None}
    for patience_s, state in ((29, "closed"), (31, "open")):
        calls = [world.start(f"{patience_s}-{number}") for number in range(10)]
        await asyncio.sleep(0)
        world.clock.advance(patience_s)
        for call in calls:
            call.cancel()
        await asyncio.wait(calls)
        assert world.calls.figures().breaker.state == state


async def test_without_a_replica_a_call_waits_for_one_as_long_as_it_is_told() -> None:
    world = World(patience_s=6)
    call = world.start()
    await world.later(5.9)
    assert not call.done()
    await world.later(0.2)
    with pytest.raises(Unavailable) as refused:
        await call
    assert refused.value.extensions["retry_after_s"] > 0


async def test_without_a_replica_no_call_waits_until_its_deadline() -> None:
    world = World(patience_s=60)
    call = world.start(timeout_s=3)
    await world.later(2.9)
    with pytest.raises(Unavailable):
        await call


async def test_where_others_would_answer_nobody_waits_for_a_replica() -> None:
    world = World(patience_s=60, fallback=["other"])
    call = world.start()
    await world.later(0.3)
    with pytest.raises(Unavailable):
        await call


async def test_a_model_left_alone_for_want_of_replicas_is_tried_once_there_is_one() -> None:
    world = World(fallback=["other"], breaker={"min_requests": 1, "open_s": 60})
    call = world.start()
    await world.later(0.3)
    with pytest.raises(Unavailable):
        await call
    with pytest.raises(Unavailable):
        await world.call("refused")
    world.have("a")
    assert await world.call("probe1") == "a"
    assert await world.call("probe2") == "a"
    assert world.calls.figures().breaker.state == "closed"


async def test_a_stream_that_no_replica_accepts_goes_to_another_one() -> None:
    world = World("a", "b", lasts=True)
    world.ends = {"a": None, "b": None}
    call = world.start()
    await asyncio.sleep(0)
    world.ends = {}
    await world.later(6)
    assert await call != world.sent[0].to
    assert world.sent[1].call == "c~2"


async def test_a_stream_that_was_accepted_is_left_where_it_is() -> None:
    world = World("a", "b", lasts=True)
    world.ends = {"a": None, "b": None}
    call = world.start()
    await asyncio.sleep(0)
    world.sent[0].accepted = True
    await world.later(60)
    assert not call.done()
    world.sent[0].settle("late, but there")
    assert await call == "late, but there"


async def test_the_fleet_is_told_of_silence_and_the_only_replica_is_waited_for() -> None:
    world = World("a")
    world.ends = {"a": None}
    call = world.start()
    await world.later(30)
    assert world.sent[0].silent
    assert not call.done()
    call.cancel()


async def test_a_call_that_dead_replicas_do_not_take_is_left_to_other_models() -> None:
    """Serve goes on asking them until its controller says that they are dead."""
    world = World("a", fallback=["other"])
    world.ends = {"a": None}
    call = world.start()
    await asyncio.sleep(0)
    placement = world.fleet._in_flight.calls["c"]
    world.fleet.refused(placement)
    await world.later(1)
    with pytest.raises(Unavailable):
        await call


async def test_a_late_call_is_hedged_and_the_loser_is_cancelled() -> None:
    world = World("a", "b", hedge={"quantile": 0.5, "share": 1.0, "least_s": 0.001})
    for number in range(20):
        await world.call(str(number))
    world.ends = {"a": None, "b": None}
    call = world.start("late")
    await eventually(lambda: world.sent[-1].call == "late~2", every_s=0)
    first, second = world.sent[-2:]
    assert {first.to, second.to} == {"a", "b"}
    second.settle("second")
    assert await call == "second"
    await asyncio.sleep(0)
    assert first.cancelled
    assert world.calls.figures().hedges == 1
    assert [sent.replica for sent in (first, second)] == [first.to, second.to]
    assert [sent.ending and sent.ending[1] for sent in (first, second)] == [OVERTAKEN, None]


async def test_a_hedged_stream_that_begins_as_its_caller_leaves_is_ended() -> None:
    world = World("a", "b", lasts=True, hedge={"quantile": 0.5, "share": 1.0, "least_s": 0.001})
    for number in range(20):
        await world.call(str(number))
    world.ends = {"a": None, "b": None}
    call = world.start("late")
    await eventually(lambda: world.sent[-1].call == "late~2", every_s=0)
    first, second = world.sent[-2:]
    second.settle("second")
    call.cancel()
    await asyncio.wait((call,))
    await asyncio.sleep(0)
    assert call.cancelled()
    assert first.cancelled
    assert second.cancelled
    assert world.fleet.placed("late") is world.fleet.placed("late~2") is None


async def test_a_replica_that_hedges_overtake_again_and_again_is_left_out() -> None:
    world = World("a", "b", "c", hedge={"quantile": 0.5, "share": 1.0, "least_s": 0.001})
    for number in range(20):
        await world.call(f"early{number}")
    world.ends = {"a": None}
    for number in range(30):
        await world.call(f"late{number}")
        world.clock.advance(0.2)
    assert world.fleet.statuses()["a"].ejected_because == "failing"
    assert world.calls.figures().breaker.failure_share == 0


async def test_a_lone_replica_is_never_hedged() -> None:
    world = World("a", hedge={"quantile": 0.5, "share": 1.0, "least_s": 0.001})
    for number in range(30):
        await world.call(str(number))
    world.ends = {"a": None}
    call = world.start("late")
    for _ in range(50):
        await asyncio.sleep(0.0002)
    world.sent[-1].settle("alone")
    assert await call == "alone"
    assert world.calls.figures().hedges == 0


@pytest.mark.parametrize("problem", [UpstreamFailed("m"), UpstreamRefused("m"), UpstreamBusy("no")])
async def test_another_upstream_is_asked_and_the_last_problem_told_as_it_is(
    problem: Problem,
) -> None:
    world = World("a", "b")
    world.ends = {"a": problem, "b": problem}
    with pytest.raises(type(problem)):
        await world.call()
    assert {sent.to for sent in world.sent} == {"a", "b"}


@pytest.mark.parametrize("problem", [UpstreamRefused("m"), UpstreamBusy("no")])
async def test_a_refusal_of_the_only_upstream_is_not_asked_for_again(problem: Problem) -> None:
    world = World("a")
    world.ends = {"a": problem}
    with pytest.raises(type(problem)):
        await world.call()
    assert len(world.sent) == 1


async def test_where_all_upstreams_are_busy_nothing_more_is_tried() -> None:
    world = World("a", "b")
    world.ends = {"a": AllUpstreamsBusy("no", 9.0), "b": AllUpstreamsBusy("no", 9.0)}
    with pytest.raises(AllUpstreamsBusy):
        await world.call()
    assert len(world.sent) == 1
