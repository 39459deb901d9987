"""What a chaos run counts as failed, lost or leaked, told on runs that are written down here."""

from dataclasses import replace
from typing import Any

import pytest

from load_tests.benchmarks.common.measurement import Measurement
from load_tests.benchmarks.faults.chaos.faults import (
    FAULTS,
    GROUPS,
    FaultAction,
    InjectedFault,
    parse_faults,
    schedule_faults,
)
from load_tests.benchmarks.faults.chaos.invariants import FinalState, calm, check_invariants, effect
from load_tests.benchmarks.faults.chaos.outcomes import RequestOutcome, RequestResult
from load_tests.benchmarks.faults.chaos.resource_samples import ResourceGrowth

QUIET = {"handlers": 0, "running": 0, "waiting": 0, "submitted": 9, "finished": 7} | {
    "cancelled": 1,
    "failed": 1,
}
CLEAN = FinalState(
    charged=0, slots=0, replicas=1, engines={"Model:echo": [QUIET]}, chain="", wrong=""
)


def engine(**counts: int) -> FinalState:
    return replace(CLEAN, engines={"Model:echo": [QUIET | counts]})


def result(
    at: float, ending: RequestOutcome = RequestOutcome.WHOLE, took: float = 0.1, **fields: Any
) -> RequestResult:
    status = 200 if ending in (RequestOutcome.WHOLE, RequestOutcome.IN_BAND) else 0
    return RequestResult(
        "echo", **{"stream": False, "status": status} | fields, at=at, took=took, ending=ending
    )


def injected(
    name: str, at: float, streams: int = 0, recovery_s: float = 1.0, wrong: str = ""
) -> InjectedFault:
    return InjectedFault(FAULTS[name], at, FaultAction("it", streams), recovery_s, wrong)


def missed(
    results: list[RequestResult],
    injected_faults: list[InjectedFault],
    after: FinalState = CLEAN,
    growths: tuple[ResourceGrowth, ...] = (),
) -> list[str]:
    measurements = check_invariants(
        results, injected_faults, after, growths, recovery_limit_s=30, service_s=0.1
    )
    return [measurement.name for measurement in measurements if not measurement.met]


def test_a_run_in_which_all_is_answered_and_charged_keeps_every_bound() -> None:
    results = [result(at / 10, tokens=5) for at in range(100)]

    assert missed(results, [injected("kill-model", 5)], replace(CLEAN, charged=500)) == []


def test_one_unary_request_that_failed_is_a_miss() -> None:
    results = [result(1), result(2, RequestOutcome.PROBLEM, status=502)]

    assert missed(results, []) == ["unary requests that failed"]


@pytest.mark.parametrize(
    "ending",
    [RequestOutcome.CUT, RequestOutcome.UNTYPED, RequestOutcome.UNANSWERED, RequestOutcome.SILENT],
)
def test_an_ending_without_a_word_is_a_miss_of_its_own(ending: RequestOutcome) -> None:
    assert "ended otherwise than by an answer or a problem" in missed(
        [result(1), result(2, ending)], []
    )


def test_what_was_on_a_killed_ingress_replica_is_counted_apart() -> None:
    fault = injected("kill-ingress", at=5.0)
    torn, later = result(4.95, RequestOutcome.UNANSWERED), result(5.6, RequestOutcome.UNANSWERED)

    assert missed([result(1), torn], [fault]) == []
    assert "unary requests that failed" in missed([result(1), later], [fault])


def test_a_refusal_while_the_limits_keeper_was_away_is_counted_apart() -> None:
    refused = result(6, RequestOutcome.PROBLEM, status=429)

    assert missed([result(1), refused], [injected("kill-limiter", 5)]) == []
    assert missed([result(1), refused], [injected("kill-talk", 5)]) == [
        "unary requests that failed"
    ]


def test_streams_may_break_on_a_killed_replica_in_band_and_nowhere_else() -> None:
    broken = [result(1, RequestOutcome.IN_BAND, took=5, stream=True) for _ in range(3)]

    assert missed([result(1), *broken], [injected("kill-talk", 5.5, streams=3)]) == []
    assert missed([result(1), *broken], [injected("kill-talk", 5.5, streams=2)]) == [
        "broken, of those on killed replicas"
    ]
    assert "broken in planned events" in missed(
        [result(1), *broken], [injected("scale-down", 5.5, 3)]
    )


def test_what_a_failed_request_was_charged_is_a_miss() -> None:
    results = [result(1, tokens=10), result(2, RequestOutcome.IN_BAND, stream=True, tokens=7)]

    assert missed(results, [injected("kill-talk", 1.5, 1)], replace(CLEAN, charged=10)) == []
    assert missed(results, [injected("kill-talk", 1.5, 1)], replace(CLEAN, charged=17)) == [
        "tokens charged"
    ]


def test_cached_responses_are_not_charged() -> None:
    results = [result(1, tokens=10), result(2, tokens=10, from_cache=True)]

    assert missed(results, [], replace(CLEAN, charged=10)) == []


def test_a_killed_ingress_replica_may_take_its_last_seconds_of_the_ledger_with_it() -> None:
    results = [result(1, tokens=10), result(4.5, tokens=10)]

    assert missed(results, [injected("kill-ingress", 5)], replace(CLEAN, charged=10)) == []
    assert missed(results, [injected("kill-ingress", 9)], replace(CLEAN, charged=10)) == [
        "tokens charged"
    ]


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (replace(CLEAN, slots=1), "slots still held"),
        (replace(CLEAN, replicas=2), "model replicas looked into"),
        (engine(handlers=1), "sequences still open in engines"),
        (engine(failed=0), "sequences that engines lost count of"),
        (replace(CLEAN, chain="broken at 7"), "the trail does not verify"),
        (replace(CLEAN, wrong="Model:echo: UNHEALTHY"), "not recovered at the end"),
    ],
)  # fmt: skip
def test_whatever_is_left_behind_is_a_miss(after: FinalState, name: str) -> None:
    assert missed([result(1)], [], after) == [name]


def test_a_cluster_that_heals_too_late_or_not_at_all_is_a_miss() -> None:
    assert missed([result(1)], [injected("kill-talk", 5, recovery_s=31)]) == ["longest recovery"]
    assert missed([result(1)], [injected("kill-talk", 5, wrong="no engine")]) == [
        "faults without recovery"
    ]


def test_growth_is_judged_beside_noise_and_python_objects_are_not() -> None:
    steady = ResourceGrowth("Ingress", "rss_mib", 300, 310, processes=2)
    leaking = ResourceGrowth("Ingress", "fds", 100, 140, processes=2)
    objects = ResourceGrowth("Ingress", "objects", 10, 1000, processes=2)

    assert missed([result(1)], [], growths=(steady, objects)) == []
    assert missed([result(1)], [], growths=(leaking,)) == ["fds of 2 Ingress"]


def test_the_effect_of_a_fault_is_what_clients_saw_around_it() -> None:
    fault = injected("kill-model", 50, recovery_s=4)
    results = [result(at, took=0.1) for at in range(0, 50, 2)] + [
        result(at, took=0.3) for at in range(50, 60)
    ]
    failed = result(51, RequestOutcome.PROBLEM, status=502, why="model_failed")

    found = effect(fault, [*results, failed])

    assert (found["unary"], found["failed"]) == (11, {"problem 502 model_failed": 1})
    assert found["p99_ms"] == pytest.approx(300)
    assert len(calm([fault], [*results, failed])) == 25


def test_a_killed_replica_may_add_one_service_time_to_p99() -> None:
    fault, before = injected("kill-model", 50), [result(at, took=0.1) for at in range(0, 40)]

    def after(took: float) -> list[RequestResult]:
        return [*before, *(result(at, took=took) for at in range(50, 60))]

    assert missed(after(took=0.2), [fault]) == []
    assert missed(after(took=0.21), [fault]) == ["added to p99 after it, at worst"]


def test_faults_are_chosen_by_name_and_group_and_spread_evenly() -> None:
    assert [fault.name for fault in parse_faults("kill-haproxy, gray")] == [
        "kill-haproxy",
        "freeze-model",
    ]
    assert parse_faults("none") == []
    assert {fault.group for fault in parse_faults("all")} == set(GROUPS) - {"redis"}
    with pytest.raises(ValueError, match="kill-model"):
        parse_faults("meteorite")
    assert list(schedule_faults(3, 1000)) == [250, 500, 750]


def test_a_figure_without_a_bound_is_only_told() -> None:
    assert Measurement("endings", "streams", 3).target == ""
