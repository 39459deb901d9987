"""How wishes become targets: bounds, steps, hysteresis, cooldown, and what a failure leaves."""

from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscaling.behavior import ScalingBehavior
from cluster.autoscaling.decision import Bounds, Decision
from cluster.autoscaling.metrics import MetricsSnapshot
from cluster.autoscaling.spec import ScalingSpec

OPEN = Bounds()
SPEC = ScalingSpec(
    min_replicas=1, max_replicas=20, step_up=4.0, step_down=2, cooldown_s=60.0, hysteresis=0.1
)


def run(
    wants: list[float | None], target: int = 4, spec: ScalingSpec = SPEC, every_s: float = 10.0
) -> list[Decision]:
    """Decisions on one policy's wishes, each taken up before the next."""
    governor, found = ScalingBehavior("model", spec), []
    for index, want in enumerate(wants):
        reading = MetricsSnapshot(1000.0 + index * every_s, target, target, requests=1.0)
        found.append(governor.decide(reading, {"queue": want}, OPEN))
        target = found[-1].target
    return found


def test_up_at_once_and_by_a_limited_factor() -> None:
    first, second = run([19.5, 19.5], target=2)

    assert (first.before, first.target, first.bound) == (2, 8, "step")
    assert (second.target, second.bound) == (20, "queue")
    assert "at most 4 times up" in first.reason


def test_down_only_after_the_cooldown_and_by_steps() -> None:
    found = run([9.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0], target=9)
    targets = [decision.target for decision in found]

    assert targets == [9, 9, 9, 9, 9, 9, 9, 7, 5]
    assert (found[1].bound, found[7].bound) == ("cooldown", "step")


def test_down_to_no_less_than_was_needed_meanwhile() -> None:
    assert [d.target for d in run([9.0] + [6.0] + [1.0] * 6, target=9)][-1] == 7


def test_a_need_that_barely_fits_one_less_keeps_the_target() -> None:
    targets = {decision.target for decision in run([7.6, *[7.4] * 30], target=8)}
    assert targets == {8}, "7.4 and a tenth more would need 9"


def test_a_failed_policy_keeps_what_is_there_but_not_from_growing() -> None:
    governor = ScalingBehavior("model", SPEC)
    reading = MetricsSnapshot(1000.0, 4, 4, requests=1.0)

    blind = governor.decide(reading, {"queue": None, "tokens": 1.0}, OPEN)
    pressed = governor.decide(reading, {"queue": None, "tokens": 6.0}, OPEN)

    assert (blind.target, blind.bound) == (4, "failure")
    assert (pressed.target, pressed.bound) == (6, "tokens")
    assert "failed: queue" in pressed.reason


def test_an_operators_bounds_act_at_once_and_end() -> None:
    governor = ScalingBehavior("model", SPEC)
    reading = MetricsSnapshot(1000.0, 10, 10, requests=1.0)

    capped = governor.decide(reading, {"queue": 10.0}, Bounds(ceiling=3))
    lifted = governor.decide(reading, {"queue": 1.0}, Bounds(floor=15))
    over = governor.decide(reading, {"queue": 10.0}, Bounds(ceiling=3, until=999.0))

    assert (capped.target, capped.bound) == (3, "ceiling")
    assert (lifted.target, lifted.bound) == (15, "floor")
    assert over.target == 10


def test_a_governor_that_starts_anew_takes_nothing_away_at_first() -> None:
    found = run([1.0] * 7, target=12)
    assert [decision.target for decision in found] == [12] * 7


def test_the_first_replica_is_not_given_up_before_it_is_up_nor_right_after() -> None:
    spec = SPEC.model_copy(update={"min_replicas": 0})
    governor = ScalingBehavior("model", spec)

    def target(at: float, before: int, ready: int) -> int:
        return governor.decide(MetricsSnapshot(at, before, ready, 0.0), {"queue": 0.0}, OPEN).target

    assert target(0.0, 0, 0) == 0
    assert target(10.0, 1, 0) == 1, "Serve started one for a call that has gone meanwhile"
    assert target(200.0, 1, 0) == 1
    assert target(210.0, 1, 1) == 1
    assert target(261.0, 1, 1) == 0


wishes = st.lists(st.one_of(st.none(), st.floats(0, 1e9)), min_size=1, max_size=40)
bounds = st.builds(
    Bounds, st.none() | st.integers(0, 99), st.none() | st.integers(0, 99), st.none() | st.just(9.9)
)


@given(wishes, bounds, st.integers(0, 40))
def test_no_target_is_ever_outside_the_bounds(
    wants: list[float | None], laid: Bounds, target: int
) -> None:
    governor = ScalingBehavior("model", SPEC)
    for index, want in enumerate(wants):
        reading = MetricsSnapshot(float(index), target, target, requests=1.0)
        decision = governor.decide(reading, {"queue": want}, laid)
        target = decision.target
        held = laid.is_active(reading.at)
        ceiling = min(20, max(1, laid.ceiling)) if held and laid.ceiling is not None else 20
        assert 1 <= target <= ceiling
        assert decision.reason


@given(st.floats(0, 30), st.integers(1, 20))
def test_a_steady_wish_never_turns_round(want: float, target: int) -> None:
    targets = [decision.target for decision in run([want] * 60, target=target)]
    steps = [after - before for before, after in zip(targets, targets[1:], strict=False)]
    assert all(step >= 0 for step in steps) or all(step <= 0 for step in steps)
    assert targets[-1] >= min(20, want)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=20), st.floats(0, 5))
def test_more_wished_for_never_gives_a_smaller_target(wants: list[float], more: float) -> None:
    fewer = run(list(wants))
    larger = run([want + more for want in wants])
    pairs = zip(fewer, larger, strict=True)
    assert all(one.target <= other.target for one, other in pairs)
