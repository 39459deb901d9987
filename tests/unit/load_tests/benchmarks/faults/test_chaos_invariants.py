"""What a chaos run counts as failed, lost or leaked, told on runs that are written down here."""

from dataclasses import replace
from typing import Any

import pytest

from load_tests.benchmarks.common.measurement import Figure
from load_tests.benchmarks.faults.chaos.faults import FAULTS, GROUPS, Blow, Hit, chosen, due
from load_tests.benchmarks.faults.chaos.invariants import Afterwards, calm, effect, verdicts
from load_tests.benchmarks.faults.chaos.outcomes import Ending, Shot
from load_tests.benchmarks.faults.chaos.resource_samples import Growth

QUIET = {"handlers": 0, "running": 0, "waiting": 0, "submitted": 9, "finished": 7} | {
    "cancelled": 1,
    "failed": 1,
}
CLEAN = Afterwards(
    charged=0, slots=0, replicas=1, engines={"Model:echo": [QUIET]}, chain="", wrong=""
)


def engine(**counts: int) -> Afterwards:
    return replace(CLEAN, engines={"Model:echo": [QUIET | counts]})


def shot(at: float, ending: Ending = Ending.WHOLE, took: float = 0.1, **fields: Any) -> Shot:
    status = 200 if ending in (Ending.WHOLE, Ending.IN_BAND) else 0
    return Shot(
        "echo", **{"stream": False, "status": status} | fields, at=at, took=took, ending=ending
    )


def hit(name: str, at: float, streams: int = 0, whole_s: float = 1.0, wrong: str = "") -> Hit:
    return Hit(FAULTS[name], at, Blow("it", streams), whole_s, wrong)


def missed(
    shots: list[Shot], hits: list[Hit], after: Afterwards = CLEAN, growths: tuple[Growth, ...] = ()
) -> list[str]:
    figures = verdicts(shots, hits, after, growths, whole_s=30, service_s=0.1)
    return [figure.name for figure in figures if not figure.met]


def test_a_run_in_which_all_is_answered_and_charged_keeps_every_bound() -> None:
    shots = [shot(at / 10, tokens=5) for at in range(100)]

    assert missed(shots, [hit("kill-model", 5)], replace(CLEAN, charged=500)) == []


def test_one_unary_request_that_failed_is_a_miss() -> None:
    shots = [shot(1), shot(2, Ending.PROBLEM, status=502)]

    assert missed(shots, []) == ["unary requests that failed"]


@pytest.mark.parametrize("ending", [Ending.CUT, Ending.UNTYPED, Ending.UNANSWERED, Ending.SILENT])
def test_an_ending_without_a_word_is_a_miss_of_its_own(ending: Ending) -> None:
    assert "ended otherwise than by an answer or a problem" in missed(
        [shot(1), shot(2, ending)], []
    )


def test_what_was_on_a_killed_ingress_replica_is_counted_apart() -> None:
    fault = hit("kill-ingress", at=5.0)
    torn, later = shot(4.95, Ending.UNANSWERED), shot(5.6, Ending.UNANSWERED)

    assert missed([shot(1), torn], [fault]) == []
    assert "unary requests that failed" in missed([shot(1), later], [fault])


def test_a_refusal_while_the_limits_keeper_was_away_is_counted_apart() -> None:
    refused = shot(6, Ending.PROBLEM, status=429)

    assert missed([shot(1), refused], [hit("kill-limiter", 5)]) == []
    assert missed([shot(1), refused], [hit("kill-talk", 5)]) == ["unary requests that failed"]


def test_streams_may_break_on_a_killed_replica_in_band_and_nowhere_else() -> None:
    broken = [shot(1, Ending.IN_BAND, took=5, stream=True) for _ in range(3)]

    assert missed([shot(1), *broken], [hit("kill-talk", 5.5, streams=3)]) == []
    assert missed([shot(1), *broken], [hit("kill-talk", 5.5, streams=2)]) == [
        "broken, of those on killed replicas"
    ]
    assert "broken in planned events" in missed([shot(1), *broken], [hit("scale-down", 5.5, 3)])


def test_what_a_failed_request_was_charged_is_a_miss() -> None:
    shots = [shot(1, tokens=10), shot(2, Ending.IN_BAND, stream=True, tokens=7)]

    assert missed(shots, [hit("kill-talk", 1.5, 1)], replace(CLEAN, charged=10)) == []
    assert missed(shots, [hit("kill-talk", 1.5, 1)], replace(CLEAN, charged=17)) == [
        "tokens charged"
    ]


def test_kept_answers_are_not_charged() -> None:
    shots = [shot(1, tokens=10), shot(2, tokens=10, kept=True)]

    assert missed(shots, [], replace(CLEAN, charged=10)) == []


def test_a_killed_ingress_replica_may_take_its_last_seconds_of_the_ledger_with_it() -> None:
    shots = [shot(1, tokens=10), shot(4.5, tokens=10)]

    assert missed(shots, [hit("kill-ingress", 5)], replace(CLEAN, charged=10)) == []
    assert missed(shots, [hit("kill-ingress", 9)], replace(CLEAN, charged=10)) == ["tokens charged"]


@pytest.mark.parametrize(
    ("after", "name"),
    [
        (replace(CLEAN, slots=1), "slots still held"),
        (replace(CLEAN, replicas=2), "model replicas looked into"),
        (engine(handlers=1), "sequences still open in engines"),
        (engine(failed=0), "sequences that engines lost count of"),
        (replace(CLEAN, chain="broken at 7"), "the trail does not verify"),
        (replace(CLEAN, wrong="Model:echo: UNHEALTHY"), "not whole at the end"),
    ],
)  # fmt: skip
def test_whatever_is_left_behind_is_a_miss(after: Afterwards, name: str) -> None:
    assert missed([shot(1)], [], after) == [name]


def test_a_cluster_that_heals_too_late_or_not_at_all_is_a_miss() -> None:
    assert missed([shot(1)], [hit("kill-talk", 5, whole_s=31)]) == ["longest until whole again"]
    assert missed([shot(1)], [hit("kill-talk", 5, wrong="no engine")]) == [
        "faults it was not whole after"
    ]


def test_growth_is_judged_beside_noise_and_python_objects_are_not() -> None:
    steady = Growth("Ingress", "rss_mib", 300, 310, processes=2)
    leaking = Growth("Ingress", "fds", 100, 140, processes=2)
    objects = Growth("Ingress", "objects", 10, 1000, processes=2)

    assert missed([shot(1)], [], growths=(steady, objects)) == []
    assert missed([shot(1)], [], growths=(leaking,)) == ["fds of 2 Ingress"]


def test_the_effect_of_a_fault_is_what_clients_saw_around_it() -> None:
    fault = hit("kill-model", 50, whole_s=4)
    shots = [shot(at, took=0.1) for at in range(0, 50, 2)] + [
        shot(at, took=0.3) for at in range(50, 60)
    ]
    failed = shot(51, Ending.PROBLEM, status=502, why="model_failed")

    found = effect(fault, [*shots, failed])

    assert (found["unary"], found["failed"]) == (11, {"problem 502 model_failed": 1})
    assert found["p99_ms"] == pytest.approx(300)
    assert len(calm([fault], [*shots, failed])) == 25


def test_a_killed_replica_may_add_one_service_time_to_p99() -> None:
    fault, before = hit("kill-model", 50), [shot(at, took=0.1) for at in range(0, 40)]

    def after(took: float) -> list[Shot]:
        return [*before, *(shot(at, took=took) for at in range(50, 60))]

    assert missed(after(took=0.2), [fault]) == []
    assert missed(after(took=0.21), [fault]) == ["added to p99 after it, at worst"]


def test_faults_are_chosen_by_name_and_group_and_spread_evenly() -> None:
    assert [fault.name for fault in chosen("kill-haproxy, gray")] == [
        "kill-haproxy",
        "freeze-model",
    ]
    assert chosen("none") == []
    assert {fault.group for fault in chosen("all")} == set(GROUPS) - {"redis"}
    with pytest.raises(ValueError, match="kill-model"):
        chosen("meteorite")
    assert list(due(3, 1000)) == [250, 500, 750]


def test_a_figure_without_a_bound_is_only_told() -> None:
    assert Figure("endings", "streams", 3).target == ""
