"""Which replicas are left out, and which are not."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cluster.balancing.spec import EjectionSpec
from tests.unit.balancing.judged_fleet import SPEC, JudgedFleet


def test_a_failing_replica_is_left_out() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    fleet.end("r0", None, 5)
    fleet.end("r0", 0.1, 5)
    assert fleet.judge() == {"r0": "failing"}


def test_a_few_failures_say_nothing() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    fleet.end("r0", None, SPEC.min_requests - 1)
    assert fleet.judge() == {}


def test_failures_are_forgotten_with_the_window() -> None:
    fleet = JudgedFleet(3)
    fleet.end("r0", None, 20)
    assert fleet.judge(after_s=SPEC.window_s + 1) == {}


def test_a_replica_ten_times_as_slow_is_left_out() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    fleet.end("r0", 1.0, 5)
    assert fleet.judge() == {"r0": "slow"}


def test_twice_as_slow_is_slow_enough_to_stay() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    fleet.end("r0", 0.2, 20)
    assert fleet.judge() == {}


def test_one_long_answer_makes_no_slow_replica() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    fleet.end("r0", 0.1, 9)
    fleet.end("r0", 60.0)
    assert fleet.judge() == {}


def test_a_replica_that_takes_requests_and_hangs_is_slow_before_any_has_ended() -> None:
    fleet = JudgedFleet(3)
    fleet.usual(["r1", "r2"])
    for _ in range(5):
        fleet.send("r0", alive=True)
    assert fleet.judge() == {}
    assert fleet.judge(after_s=1.0) == {"r0": "slow"}


def test_a_replica_without_a_sign_of_life_is_left_out() -> None:
    fleet = JudgedFleet(3)
    fleet.end("r0", 0.1)
    fleet.judge(after_s=0.1)
    fleet.send("r0")
    assert fleet.judge(after_s=SPEC.silence_s - 0.2) == {}
    fleet.usual(["r1", "r2"])
    assert fleet.judge(after_s=0.3) == {"r0": "silent"}


def test_any_later_sign_of_life_counts() -> None:
    fleet = JudgedFleet(2)
    fleet.send("r0")
    fleet.now += 1.0
    fleet.ejection.mark_alive("r0", fleet.now)
    assert fleet.judge(after_s=SPEC.silence_s) == {}


def test_a_caller_who_gave_a_call_up_for_silence_is_believed() -> None:
    fleet = JudgedFleet(2)
    fleet.send("r0").condemned = True
    assert fleet.judge(after_s=SPEC.silence_s - 0.01) == {"r0": "silent"}


def test_silence_of_all_of_them_is_no_replicas_fault() -> None:
    fleet = JudgedFleet(2)
    fleet.send("r0")
    fleet.send("r1")
    assert fleet.judge(after_s=60.0) == {}


def test_a_fault_of_all_is_not_taken_for_a_fault_of_each() -> None:
    fleet = JudgedFleet(4)
    for name in fleet.seats:
        fleet.end(name, None, 20)
    assert fleet.judge() == {}


@given(st.floats(0.001, 100.0), st.floats(0.0, 1.4), st.integers(2, 8), st.integers())
def test_a_uniformly_slow_fleet_ejects_nobody(
    median_s: float, sigma: float, size: int, seed: int
) -> None:
    """Whatever the answers' lengths: lognormal up to what Azure's published traces show."""
    fleet, random = JudgedFleet(size), Random(seed)
    for name in fleet.seats:
        for _ in range(40):
            fleet.end(name, median_s * random.lognormvariate(0.0, sigma))
    assert fleet.judge() == {}


def test_a_single_replica_is_never_left_out() -> None:
    fleet = JudgedFleet(1)
    fleet.end("r0", None, 50)
    assert fleet.judge() == {}


def test_nothing_is_left_out_where_that_is_turned_off() -> None:
    fleet = JudgedFleet(3, EjectionSpec(enabled=False))
    fleet.end("r0", None, 50)
    assert fleet.judge() == {}


def test_the_clearest_case_goes_first() -> None:
    fleet = JudgedFleet(4, EjectionSpec(share=0.25))
    fleet.usual(["r0", "r1"])
    fleet.end("r2", 1.0, 20)
    fleet.end("r3", 5.0, 20)
    assert fleet.judge() == {"r3": "slow"}
