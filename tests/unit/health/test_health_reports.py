"""The cluster's view of dependencies, merged of what its replicas see."""

import pytest

from cluster.health.report import (
    DependencyStatus,
    HealthReport,
    merge_reports,
    worst_state,
)


def seen(replica: int, state: str, since: float = 10.0, **changes: object) -> HealthReport:
    status = DependencyStatus("store", "store", state, "Nothing works.", since, 20.0, 0.1)
    for name, value in changes.items():
        object.__setattr__(status, name, value)
    return HealthReport(f"replica-{replica}", "node", (status,))


@pytest.mark.parametrize(
    ("states", "merged"),
    [
        (["up", "up"], "up"),
        (["down", "down"], "down"),
        (["up", "down"], "degraded"),
        (["degraded", "degraded"], "degraded"),
        (["degraded", "up"], "degraded"),
        (["down", "unknown"], "down"),
        (["unknown", "up"], "up"),
        (["off", "off"], "off"),
        (["unknown"], "unknown"),
    ],
)
def test_it_is_down_if_all_who_look_say_so_and_degraded_if_some_do(
    states: list[str], merged: str
) -> None:
    [summary] = merge_reports(seen(number, state) for number, state in enumerate(states))

    assert summary.status.state == merged
    assert len(summary.reports) == len(states)


def test_a_fault_that_some_see_says_how_many_and_since_when() -> None:
    reports = [
        seen(1, "up", 5.0),
        seen(2, "down", 30.0, detail="no route", latency_s=0.4),
        seen(3, "down", 25.0, detail="no route"),
    ]

    [summary] = merge_reports(reports)

    status = summary.status
    assert status.detail == "down for 2 of 3 replicas: no route"
    assert (status.since, status.latency_s) == (25.0, 0.4)


def test_the_worst_of_all_dependencies_is_the_cluster_s_state() -> None:
    def worst(*states: str) -> str:
        statuses = tuple(
            DependencyStatus(f"part-{number}", "x", state, "")
            for number, state in enumerate(states)
        )
        return worst_state(merge_reports([HealthReport("replica", "node", statuses)])).value

    assert worst("up", "off", "unknown") == "up"
    assert worst("up", "degraded") == "degraded"
    assert worst("degraded", "down", "off") == "down"
    assert worst() == "up"
