"""What a replica answers to whoever scrapes: who it is, its process, its own figures."""

from dataclasses import dataclass, field

import pytest

from cluster.metrics.catalogue import limits, process
from cluster.metrics.replica_metrics import ReplicaMetrics


@dataclass
class Id:
    unique_id: str = "abc"


@dataclass
class Identity:
    deployment: str = "Limiter"
    replica_id: Id = field(default_factory=Id)


def test_a_report_names_the_replica_and_measures_its_process() -> None:
    metrics = ReplicaMetrics(lambda: 0.5, lambda: [(limits.BUCKETS, [((), 7)])])

    replica, report = metrics.report("metrics", Identity())

    assert replica == "abc"
    assert report[limits.BUCKETS.name] == [((), 7)]
    assert report[process.LOOP_LAG.name] == [(("Limiter",), 0.5)]
    for metric in (process.CPU, process.MEMORY, process.OPEN_FILES, process.THREADS):
        [(labels, value)] = report[metric.name]
        assert labels == ("Limiter",)
        assert isinstance(value, int | float)
        assert value > 0


def test_figures_that_need_a_question_first_are_given_with_it() -> None:
    _, report = ReplicaMetrics(float).report(
        "metrics", Identity(), lambda: [(limits.BUCKETS, [((), 1)])]
    )
    assert report[limits.BUCKETS.name] == [((), 1)]


def test_there_is_one_report() -> None:
    with pytest.raises(KeyError):
        ReplicaMetrics(float).report("secrets", Identity())
