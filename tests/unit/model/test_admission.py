"""Admission under load, in simulated time: shares, goodput, shedding, refusals by cause."""

from contextlib import ExitStack
from statistics import mean

import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import (
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    Overloaded,
    RateLimited,
)
from cluster.tenants.caller import Caller, Priority
from deployments.contracts.generation import GenerateRequest, Sampling
from deployments.model.queueing.admission import Admission
from tests.unit.model.model_simulation import Load, ModelSimulation

INTERACTIVE, STANDARD, BATCH = Priority.INTERACTIVE, Priority.STANDARD, Priority.BATCH
CAPACITY = 8.0  # requests a second: 8 places, 100 tokens on average, 10 ms each

SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.exhaustive) for seed in (2, 3))]
STREAMED = [False, pytest.param(True, marks=pytest.mark.exhaustive)]


def _request(tenant: str = "a", n: int = 1, **changes: object) -> GenerateRequest:
    caller = Caller(tenant, "k", frozenset())
    return GenerateRequest("r", caller, "m", Sampling(), prompt="", n=n, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("streamed", STREAMED, ids=["whole", "streamed"])
@pytest.mark.parametrize("seed", SEEDS)
def test_equal_tenants_share_equally_whatever_they_offer(seed: int, streamed: bool) -> None:
    loads = [Load("greedy", 20 * 6), Load("modest", 6)]
    model = ModelSimulation(loads, streamed=streamed, seed=seed)

    model.run(60)

    assert model.outcome("greedy").cost == pytest.approx(model.outcome("modest").cost, rel=0.1)


@pytest.mark.parametrize("streamed", STREAMED, ids=["whole", "streamed"])
@pytest.mark.parametrize("seed", SEEDS)
def test_weights_of_three_to_one_give_shares_of_three_to_one(seed: int, streamed: bool) -> None:
    loads = [Load("gold", 40, weight=3.0), Load("basic", 40)]
    model = ModelSimulation(loads, streamed=streamed, seed=seed)

    model.run(60)

    assert model.outcome("gold").cost == pytest.approx(3 * model.outcome("basic").cost, rel=0.1)


def test_shares_are_of_work_and_not_of_requests() -> None:
    loads = [
        Load("long", 10, tokens=lambda rng: rng.randint(150, 450)),
        Load("short", 60, tokens=lambda rng: rng.randint(5, 20)),
    ]
    model = ModelSimulation(loads)

    model.run(60)

    assert model.outcome("long").cost == pytest.approx(model.outcome("short").cost, rel=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_tenant_within_its_share_hardly_notices_five_times_the_load(seed: int) -> None:
    loads = [
        Load("a", 20, end_s=60),
        Load("b", 18.7, end_s=60),
        Load("victim", 1.3, start_s=5, end_s=60),
    ]
    model = ModelSimulation(loads, seed=seed)

    model.run(120)

    victim = model.outcome("victim")
    assert victim.goodput >= 0.95
    assert mean(victim.waits) < 1.0
    assert model.outcome("a").goodput < 0.3


def test_one_tenants_batch_work_is_not_starved_by_anothers_urgent_work() -> None:
    loads = [Load("a", 40, priority=INTERACTIVE), Load("b", 12, priority=BATCH, timeout_s=60)]
    model = ModelSimulation(loads)

    model.run(60)

    urgent, batch = model.outcome("a", INTERACTIVE).cost, model.outcome("b", BATCH).cost
    assert batch == pytest.approx(urgent, rel=0.1)


def test_a_tenants_own_batch_work_goes_on_beside_its_urgent_work() -> None:
    loads = [
        Load("a", CAPACITY * 0.95, priority=INTERACTIVE),
        Load("a", CAPACITY, priority=BATCH, timeout_s=120),
    ]
    model = ModelSimulation(loads)

    model.run(120)

    urgent, batch = model.outcome("a", INTERACTIVE), model.outcome("a", BATCH)
    assert urgent.answered > 4 * batch.answered
    assert batch.answered >= CAPACITY * 120 / 20
    assert mean(urgent.waits) < mean(batch.waits) / 4


def test_shedding_rises_with_overload_and_falls_after_it() -> None:
    model = ModelSimulation([Load("a", 40, start_s=10, end_s=40), Load("b", 2)])

    model.run(140)

    def highest(start: float, end: float) -> float:
        return max(level for at, level in model.levels if start <= at < end)

    assert highest(0, 10) == 0
    assert highest(20, 40) >= 3
    assert highest(135, 140) == 0
    assert model.outcome("b").goodput >= 0.95
    assert set(model.outcome("a").refused) == {"rate-limited", "overloaded"}


def test_a_tenant_alone_is_told_that_the_model_is_busy() -> None:
    model = ModelSimulation([Load("a", 40)])

    model.run(60)

    assert set(model.outcome("a").refused) == {"overloaded"}
    settled = model.outcome("a").waits[-100:]
    assert 1.0 < mean(settled) < 4.0


def test_load_under_capacity_is_all_answered() -> None:
    model = ModelSimulation([Load("a", 4, end_s=60), Load("b", 3, end_s=60)])

    model.run(100)

    assert model.outcome("a").goodput == model.outcome("b").goodput == 1.0


def test_choices_cost_their_tenant_as_much_as_requests() -> None:
    model = ModelSimulation([Load("a", 10, choices=4, prompt=0), Load("b", 40, prompt=0)])

    model.run(60)

    assert model.outcome("a").cost == pytest.approx(model.outcome("b").cost, rel=0.1)


def test_a_full_queue_makes_room_for_a_tenant_with_a_shorter_backlog() -> None:
    admission = Admission(1, 3, 2.0, ManualClock())
    running, *waiting = [admission.admit(_request("a")) for _ in range(4)]
    running.charge_prompt_tokens(10)

    newcomer = admission.admit(_request("b"))

    assert [place.refusal is None for place in waiting] == [True, True, False]
    assert isinstance(waiting[-1].refusal, RateLimited)
    assert waiting[-1].refusal.extensions["limit"] == "fair-share"
    assert admission.waiting == 3
    with pytest.raises(RateLimited):
        admission.admit(_request("a"))
    with running:
        pass
    assert waiting[0].granted == 1
    with waiting[0]:
        pass
    assert newcomer.granted == 1


def test_a_full_queue_drops_a_tenants_own_less_important_request() -> None:
    admission = Admission(1, 2, 2.0, ManualClock())
    admission.admit(_request())
    old, new = (admission.admit(_request(priority=BATCH)) for _ in range(2))

    urgent = admission.admit(_request(priority=INTERACTIVE))

    assert (old.refusal, urgent.refusal) == (None, None)
    assert isinstance(new.refusal, Overloaded)
    with pytest.raises(Overloaded):
        admission.admit(_request(priority=BATCH))


def test_more_choices_than_it_ever_holds_are_refused_by_name() -> None:
    with pytest.raises(InvalidRequest) as refused:
        Admission(2, 3, 2.0, ManualClock()).admit(_request(n=6))

    assert refused.value.param == "n"


def test_what_cannot_start_before_its_deadline_is_refused_early() -> None:
    clock = ManualClock()
    admission = Admission(1, 100, 60.0, clock)
    with admission.admit(_request()):
        clock.advance(5.0)
    for _ in range(4):
        admission.admit(_request())

    with pytest.raises(Overloaded, match="deadline"):
        admission.admit(_request(timeout_s=14.0))
    with pytest.raises(Overloaded, match="deadline"):
        admission.admit(_request(timeout_s=600.0, start_within_s=14.0))
    admission.admit(_request(timeout_s=16.0))
    admission.admit(_request("b", timeout_s=1.0))


def test_the_time_to_come_back_grows_with_the_queue_and_the_answers() -> None:
    clock = ManualClock()
    admission = Admission(2, 10, 2.0, clock)
    with admission.admit(_request()):
        clock.advance(4.0)
    with admission.admit(_request(n=12)), pytest.raises(Overloaded) as refused:
        admission.admit(_request())

    assert refused.value.headers["Retry-After"] == "20"  # 11 places, 2 s each, less the target


def test_a_place_is_free_again_after_an_error() -> None:
    admission = Admission(1, 0, 2.0, ManualClock())

    with pytest.raises(KeyError), admission.admit(_request()):
        raise KeyError

    assert admission.running == 0


def test_a_closed_admission_refuses_those_that_come_and_those_that_wait() -> None:
    admission = Admission(1, 5, 2.0, ManualClock())
    running = admission.admit(_request())
    with ExitStack() as places:
        waiting = [places.enter_context(admission.admit(_request(t))) for t in ("a", "b", "b")]

        admission.close()

        assert all(isinstance(place.refusal, Draining) for place in waiting)
        assert (running.refusal, admission.running, admission.waiting) == (None, 1, 0)
        with pytest.raises(Draining):
            admission.admit(_request())


def test_load_says_who_waits_and_how_long() -> None:
    clock = ManualClock()
    admission = Admission(1, 9, 2.0, clock)
    running = admission.admit(_request())
    for priority in (INTERACTIVE, BATCH, BATCH):
        admission.admit(_request(priority=priority))
    clock.advance(3.0)
    with running:
        pass
    clock.advance(0.5)

    assert admission.load() == {
        "running": 1,
        "queued": 2,
        "queued_interactive": 0,
        "queued_standard": 0,
        "queued_batch": 2,
        "queue_wait_s": 3.0,
    }


def test_a_deadline_that_passes_in_the_queue_names_it() -> None:
    clock = ManualClock()
    admission = Admission(1, 9, 2.0, clock)
    running, late = admission.admit(_request()), admission.admit(_request("b", timeout_s=1.0))

    clock.advance(1.0)
    with running:
        pass

    assert isinstance(late.refusal, DeadlineExceeded)
    assert "'queue'" in late.refusal.detail
