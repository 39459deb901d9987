"""What a process knows of a deployment's replicas, told by routers and callers in any order."""

import asyncio
from collections import Counter
from threading import Thread

import pytest

from cluster.balancing.in_flight import MAX_AVOIDING, REPORT_WITHIN_S
from cluster.balancing.replica_set import ReplicaSet, replica_set
from cluster.balancing.replica_state import Dispatch, ReplicaInfo
from cluster.balancing.request_info import NOTHING, RoutingRequest
from cluster.balancing.spec import EjectionSpec, RoutingSpec
from cluster.runtime.clock import ManualClock, SystemClock

NAMES = ("r0", "r1", "r2")


class Setting:
    """A fleet with three replicas, all of which its router reaches."""

    def __init__(self, spec: RoutingSpec | None = None, *, pings: bool = False) -> None:
        self.clock = ManualClock()
        self.fleet = ReplicaSet(spec or RoutingSpec(), self.clock, pings=pings)
        self.there(*NAMES)

    def there(self, *names: str) -> None:
        self.names = names
        self.fleet.update(ReplicaInfo(name, f"node-{name}", stats={}) for name in names)

    def place(self, call: str, tokens: int = 10) -> Dispatch:
        placement = self.fleet.place(RoutingRequest(call, tokens), self.names)
        assert placement is not None
        return placement

    def outstanding(self) -> dict[str, tuple[int, int]]:
        standings = self.fleet.statuses().values()
        return {each.replica: (each.requests, each.tokens) for each in standings}

    def answer(self, call: str, seconds: float | None) -> str:
        """A whole call; returns the replica that it went to."""
        placement = self.place(call)
        self.fleet.alive(placement)
        outcome = "failed" if seconds is None else "ok"
        self.fleet.report(call, outcome, seconds or 0.1)
        self.fleet.ended(placement)
        return placement.state.replica

    def fail_all_of(self, name: str) -> None:
        """Until it is left out."""
        for number in range(200):
            call = f"{name}-{number}"
            self.fleet.avoid(call, frozenset(NAMES) - {name} if number % 3 == 0 else {name})
            failed = self.place(call).state.replica == name
            self.fleet.report(call, "failed" if failed else "ok", 0.1)
            self.clock.advance(0.05)
            if self.fleet.statuses()[name].ejected_because:
                return
        raise AssertionError(f"{name} is still in")


@pytest.fixture
def setting() -> Setting:
    return Setting()


IDLE = dict.fromkeys(NAMES, (0, 0))


def test_what_is_sent_is_outstanding_until_it_ends(setting: Setting) -> None:
    placement = setting.place("a", tokens=70)
    assert setting.fleet.placed("a") == placement.state.replica
    assert setting.outstanding()[placement.state.replica] == (1, 70)
    setting.fleet.ended(placement)
    assert setting.outstanding() == IDLE


@pytest.mark.parametrize("outcome", ["ok", "failed", "gone"])
def test_a_report_ends_it_as_well(setting: Setting, outcome: str) -> None:
    placement = setting.place("a")
    setting.fleet.report("a", outcome, 0.1)  # type: ignore[arg-type]
    assert setting.outstanding() == IDLE
    assert setting.fleet.placed("a") is None
    setting.fleet.ended(placement)
    assert setting.outstanding() == IDLE


def test_the_caller_may_report_after_the_router_saw_the_end(setting: Setting) -> None:
    placement = setting.place("a")
    setting.fleet.ended(placement)
    setting.fleet.report("a", "ok", 0.25)
    assert setting.fleet.statuses()[placement.state.replica].mean_s == 0.25


def test_a_call_that_nobody_reports_is_forgotten(setting: Setting) -> None:
    first = setting.place("a")
    setting.fleet.ended(first)
    setting.clock.advance(REPORT_WITHIN_S)
    setting.fleet.ended(setting.place("b"))
    assert setting.fleet.placed("a") is None
    assert setting.fleet.placed("b") is not None


def test_silence_does_not_end_a_call(setting: Setting) -> None:
    placement = setting.place("a")
    setting.fleet.report("a", "silent", 1.0)
    assert setting.outstanding()[placement.state.replica][0] == 1


def test_calls_that_nobody_follows_leave_no_trace(setting: Setting) -> None:
    placement = setting.fleet.place(NOTHING, NAMES)
    assert placement is not None
    setting.fleet.ended(placement)
    assert setting.outstanding() == IDLE


def test_a_second_attempt_avoids_the_first_ones_replica(setting: Setting) -> None:
    first = setting.place("a").state.replica
    for number in range(10):
        call = f"a~{number}"
        setting.fleet.avoid(call, frozenset({first}))
        assert setting.place(call).state.replica != first


def test_where_there_is_no_elsewhere_it_goes_where_it_was(setting: Setting) -> None:
    setting.fleet.avoid("a", frozenset(NAMES))
    assert setting.place("a").state.replica in NAMES


def test_what_shall_be_avoided_is_kept_for_a_bounded_number_of_calls(setting: Setting) -> None:
    for number in range(MAX_AVOIDING + 1):
        setting.fleet.avoid(str(number), frozenset({"r0", "r1"}))
    assert setting.place(str(MAX_AVOIDING)).state.replica == "r2"
    assert Counter(setting.place("0").state.replica for _ in range(3)) != {"r2": 3}


def test_a_replica_that_refused_is_not_asked_again_for_that_call(setting: Setting) -> None:
    first = setting.place("a")
    setting.fleet.refused(first)
    assert setting.place("a").state is not first.state
    setting.fleet.ended(first)
    assert sum(requests for requests, _ in setting.outstanding().values()) == 1


def test_calls_of_a_replica_that_leaves_are_followed_to_their_end(setting: Setting) -> None:
    """It drains: its streams go on."""
    placements = [setting.place(str(number)) for number in range(3)]
    leaving = next(each for each in placements if each.state.replica == "r0")
    setting.there("r1", "r2")
    assert setting.outstanding() == {"r1": (1, 10), "r2": (1, 10)}
    assert setting.fleet.placed(leaving.call) == "r0"
    for placement in placements:
        setting.fleet.ended(placement)
        setting.fleet.report(placement.call, "ok", 1.0)
    assert setting.outstanding() == {"r1": (0, 0), "r2": (0, 0)}
    assert setting.fleet.placed(leaving.call) is None


def test_a_dead_replica_gets_nothing_more(setting: Setting) -> None:
    setting.fleet.lost("r0")
    assert {setting.place(str(number)).state.replica for number in range(6)} == {"r1", "r2"}


def test_a_router_is_given_only_what_it_reaches(setting: Setting) -> None:
    found = setting.fleet.place(RoutingRequest("a"), {"r1"})
    assert found is not None
    assert found.state.replica == "r1"
    assert setting.fleet.place(RoutingRequest("b"), {"elsewhere"}) is None


def test_a_failing_replica_is_left_out_and_comes_back_by_one_good_call() -> None:
    setting = Setting()
    setting.fail_all_of("r0")
    assert "r0" not in {setting.answer(str(number), 0.1) for number in range(12)}
    setting.clock.advance(setting.fleet.statuses()["r0"].ejected_for_s)
    trial = setting.place("trial")
    assert trial.state.replica == "r0"
    assert "r0" not in {setting.place(f"t{number}").state.replica for number in range(6)}
    setting.fleet.report("trial", "ok", 0.1)
    assert setting.fleet.statuses()["r0"].ejected_because == ""
    assert "r0" in {setting.answer(f"b{number}", 0.1) for number in range(12)}


def test_a_call_that_avoids_the_replica_is_no_trial_of_it() -> None:
    setting = Setting()
    setting.fail_all_of("r0")
    setting.clock.advance(60.0)
    setting.fleet.avoid("a", frozenset({"r0"}))
    assert setting.place("a").state.replica != "r0"


def test_where_all_others_are_gone_an_ejected_replica_is_better_than_none() -> None:
    setting = Setting()
    setting.fail_all_of("r0")
    found = setting.fleet.place(RoutingRequest("a"), {"r0"})
    assert found is not None
    assert found.state.replica == "r0"


def test_a_stopped_replica_is_left_out_at_the_word_of_a_caller() -> None:
    """The caller's watch is a little ahead of the router's."""
    setting = Setting()
    stopped = setting.place("a")
    for number in range(20):
        setting.fleet.avoid(str(number), frozenset({stopped.state.replica}))
        setting.answer(str(number), 0.1)
    setting.clock.advance(EjectionSpec().silence_s - 0.001)
    setting.fleet.report("a", "silent", EjectionSpec().silence_s)
    assert setting.fleet.statuses()[stopped.state.replica].ejected_because == "silent"
    setting.fleet.report("a", "failed", EjectionSpec().silence_s)
    assert setting.outstanding() == IDLE


def test_a_stopped_replica_is_asked_for_a_sign_of_life_first() -> None:
    setting = Setting(pings=True)
    stopped = setting.place("a")
    name = stopped.state.replica
    setting.clock.advance(EjectionSpec().silence_s)
    assert setting.fleet.statuses()[name].ejected_because == "silent"
    setting.clock.advance(EjectionSpec().base_s)
    assert name not in {setting.answer(str(number), 0.1) for number in range(6)}
    assert setting.fleet.to_ping(1.0) == [name]
    setting.fleet.ponged(name, answered=True)
    trial = setting.place("trial")
    assert trial.state.replica == name
    setting.fleet.alive(trial)
    setting.clock.advance(0.2)
    assert setting.fleet.statuses()[name].ejected_because == ""


def test_a_new_policy_keeps_what_is_known(setting: Setting) -> None:
    setting.answer("a", 0.5)
    setting.place("b")
    before = setting.outstanding()
    setting.fleet.configure(RoutingSpec(policy="least-time"))
    assert setting.outstanding() == before
    assert any(each.mean_s == 0.5 for each in setting.fleet.statuses().values())


async def test_once_all_are_dead_there_is_somebody_to_wait_for() -> None:
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    fleet.update([ReplicaInfo("r0")])
    assert await fleet.await_replica(0.0)
    fleet.lost("r0")
    assert not await fleet.await_replica(0.01)


async def test_nobody_waits_while_nobody_knows() -> None:
    """A handle's router is made at its first call: waiting for it before that would be for ever."""
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    assert (fleet.is_initialised, fleet.size) == (False, 0)
    assert await fleet.await_replica(0.0)


async def test_whoever_waits_for_a_replica_is_woken_by_news_from_any_thread() -> None:
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    fleet.update([])
    assert not await fleet.await_replica(0.01)
    waiting = [asyncio.create_task(fleet.await_replica(30.0)) for _ in range(3)]
    await asyncio.sleep(0)
    thread = Thread(target=fleet.update, args=([ReplicaInfo("r0")],))
    thread.start()
    assert await asyncio.gather(*waiting) == [True, True, True]
    thread.join()
    assert fleet.size == 1


def test_routers_and_callers_on_many_threads_lose_no_call() -> None:
    fleet = ReplicaSet(RoutingSpec(), SystemClock())
    fleet.update(ReplicaInfo(name) for name in NAMES)

    def work(own: int) -> None:
        for number in range(500):
            placement = fleet.place(RoutingRequest(f"{own}-{number}", 5), NAMES)
            assert placement is not None
            fleet.alive(placement)
            fleet.report(placement.call, "ok", 0.01)
            fleet.ended(placement)

    threads = [Thread(target=work, args=(own,)) for own in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    standings = fleet.statuses().values()
    assert [(each.requests, each.tokens) for each in standings] == [(0, 0)] * 3


def test_there_is_one_fleet_a_deployment() -> None:
    assert replica_set("Model:one") is replica_set("Model:one")
    assert replica_set("Model:one") is not replica_set("Model:two")


def test_a_request_for_one_replica_goes_there_and_elsewhere_once_it_is_gone(
    setting: Setting,
) -> None:
    for name in NAMES:
        placement = setting.fleet.place(RoutingRequest(replica=name), setting.names)
        assert placement is not None
        assert placement.state.replica == name
    setting.there("r0", "r2")

    placement = setting.fleet.place(RoutingRequest(replica="r1"), setting.names)

    assert placement is not None
    assert placement.state.replica in ("r0", "r2")
    assert setting.outstanding() == {"r0": (0, 0), "r2": (0, 0)}
