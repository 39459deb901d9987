"""For how long replicas are left out, and how they come back."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.balancing.spec import EjectionSpec
from tests.unit.balancing.judged_fleet import CALLS, SPEC, JudgedFleet


def test_it_comes_back_by_one_good_request_at_a_time() -> None:
    fleet = JudgedFleet(3).ejected()
    assert not fleet.ejection.probe("r0", "early", fleet.now)
    fleet.now += SPEC.base_s
    assert fleet.ejection.probe("r0", "first", fleet.now)
    assert not fleet.ejection.probe("r0", "second", fleet.now)
    fleet.ejection.ended("r0", "other", None, fleet.now)
    assert fleet.out == {"r0": "failing"}
    fleet.ejection.ended("r0", "first", 0.1, fleet.now)
    assert fleet.out == {}


def test_each_time_in_a_row_it_is_out_twice_as_long() -> None:
    fleet = JudgedFleet(3).ejected()
    expected = SPEC.base_s
    for _ in range(8):
        assert not fleet.ejection.probe("r0", "early", fleet.now + expected - 0.01)
        fleet.now += expected
        assert fleet.ejection.probe("r0", "trial", fleet.now)
        fleet.ejection.ended("r0", "trial", None, fleet.now)
        expected = min(SPEC.longest_s, 2 * expected)
    assert expected == SPEC.longest_s


def test_after_a_good_while_it_starts_anew() -> None:
    fleet = JudgedFleet(3).ejected()
    for seconds in (None, None, 0.1):
        fleet.now += SPEC.longest_s
        assert fleet.ejection.probe("r0", "trial", fleet.now)
        fleet.ejection.ended("r0", "trial", seconds, fleet.now)
    fleet.now += SPEC.longest_s + SPEC.window_s
    fleet.ejected()
    fleet.now += SPEC.base_s
    assert fleet.ejection.probe("r0", "again", fleet.now)


def test_a_slow_replica_that_is_still_slow_stays_out() -> None:
    fleet = JudgedFleet(3).ejected("slow")
    fleet.now += SPEC.base_s
    fleet.ejection.probe("r0", "trial", fleet.now)
    fleet.ejection.ended("r0", "trial", 1.0, fleet.now)
    assert fleet.out == {"r0": "slow"}
    fleet.now += 2 * SPEC.base_s
    fleet.ejection.probe("r0", "trial", fleet.now)
    fleet.ejection.ended("r0", "trial", 0.12, fleet.now)
    assert fleet.out == {}


def test_a_trial_that_nobody_waits_for_makes_way_for_the_next() -> None:
    fleet = JudgedFleet(3).ejected()
    fleet.now += SPEC.base_s
    fleet.ejection.probe("r0", "trial", fleet.now)
    fleet.ejection.gave_up("r0", "trial")
    assert fleet.ejection.probe("r0", "next", fleet.now)


def test_a_silent_trial_is_over_after_the_time_for_silence() -> None:
    fleet = JudgedFleet(3).ejected()
    fleet.now += SPEC.base_s
    fleet.ejection.probe("r0", "trial", fleet.now)
    fleet.send("r0", "trial")
    fleet.judge(after_s=SPEC.silence_s)
    assert fleet.out == {"r0": "silent"}


def test_a_trial_whose_call_has_ended_unseen_makes_way_for_the_next() -> None:
    fleet = JudgedFleet(3).ejected()
    fleet.now += SPEC.base_s
    assert fleet.ejection.probe("r0", "trial", fleet.now)
    assert not fleet.ejection.probe("r0", "another trial", fleet.now)

    fleet.judge()  # no call "trial" is open

    assert fleet.ejection.probe("r0", "another trial", fleet.now)


def test_a_silent_replica_is_asked_for_a_sign_of_life_before_it_gets_a_request() -> None:
    fleet = JudgedFleet(3, pings=True).ejected("silent")
    assert fleet.ejection.to_ping(fleet.now, 1.0) == []
    fleet.now += SPEC.base_s
    assert not fleet.ejection.probe("r0", "trial", fleet.now)
    assert fleet.ejection.to_ping(fleet.now, 1.0) == ["r0"]
    assert fleet.ejection.to_ping(fleet.now, 1.0) == []
    fleet.ejection.ponged("r0", True, fleet.now)
    assert fleet.ejection.probe("r0", "trial", fleet.now)
    fleet.send("r0", "trial", alive=True)
    assert fleet.judge() == {}


def test_no_sign_of_life_doubles_its_time() -> None:
    fleet = JudgedFleet(3, pings=True).ejected("silent")
    fleet.now += SPEC.base_s
    fleet.ejection.to_ping(fleet.now, 1.0)
    fleet.ejection.ponged("r0", False, fleet.now)
    assert fleet.ejection.to_ping(fleet.now + 2 * SPEC.base_s - 0.01, 1.0) == []
    assert fleet.ejection.to_ping(fleet.now + 2 * SPEC.base_s, 1.0) == ["r0"]


def test_a_question_that_nobody_answers_for_is_asked_again() -> None:
    fleet = JudgedFleet(3, pings=True).ejected("silent")
    fleet.now += SPEC.base_s
    assert fleet.ejection.to_ping(fleet.now, 1.0) == ["r0"]
    assert fleet.ejection.to_ping(fleet.now + 1.0, 1.0) == ["r0"]


def test_a_fleet_that_shrinks_takes_back_what_it_may_not_leave_out() -> None:
    fleet = JudgedFleet(4)
    fleet.usual(["r2", "r3"])
    fleet.end("r0", None, 20)
    fleet.end("r1", None, 20)
    assert fleet.judge().keys() == {"r0", "r1"}
    fleet.ejection.members(["r0", "r1", "r2"])
    assert len(fleet.out) == 1


EVENTS = st.tuples(
    st.sampled_from(["end", "send", "wait", "try", "ping", "shrink"]),
    st.integers(0, 5),
    st.one_of(st.none(), st.floats(0.001, 20.0)),
)


@given(
    st.integers(1, 6),
    st.sampled_from([0.2, 0.5, 0.9]),
    st.booleans(),
    st.lists(EVENTS, max_size=80),
)
def test_never_more_than_the_share_is_out_and_everybody_comes_back(
    size: int, share: float, pings: bool, events: list[tuple[str, int, float | None]]
) -> None:
    fleet = JudgedFleet(size, EjectionSpec(share=share, min_requests=2), pings=pings)
    for what, number, seconds in events:
        name = f"r{number % len(fleet.seats)}"
        if what == "end":
            fleet.end(name, seconds, 3)
        elif what == "send":
            fleet.send(name, alive=seconds is None)
        elif what == "wait":
            fleet.now += seconds or 0.0
        elif what == "try":
            fleet.ejection.probe(name, next(CALLS), fleet.now)
        elif what == "ping" and fleet.ejection.to_ping(fleet.now, 1.0):
            fleet.ejection.ponged(name, seconds is None, fleet.now)
        elif what == "shrink" and len(fleet.seats) > 1:
            fleet.seats.popitem()
            fleet.ejection.members(fleet.seats)
        fleet.judge()
        assert len(fleet.out) <= int(share * len(fleet.seats))
    _all_come_back(fleet)


def _all_come_back(fleet: JudgedFleet) -> None:
    """Once time has passed, a good answer to a trial is all that it takes."""
    fleet.now += 2 * SPEC.longest_s
    for name in fleet.ejection.to_ping(fleet.now, 1.0):
        fleet.ejection.ponged(name, True, fleet.now)
    for name in fleet.out:
        assert fleet.ejection.probe(name, f"last-{name}", fleet.now)
        fleet.ejection.ended(name, f"last-{name}", 0.0001, fleet.now)
    assert fleet.out == {}
