"""How many Clipper replicas there should be, and what becomes of reports that make no sense."""

import math
from types import SimpleNamespace
from typing import Any

import pytest

from deployments.video.scaling import QueueScalingPolicy, replicas_for


@pytest.mark.parametrize(
    ("queued", "running", "jobs", "current", "wanted"),
    [
        pytest.param(0, 0, 1, 3, 1, id="one stays"),
        pytest.param(3, 1, 1, 1, 4, id="one for each job"),
        pytest.param(3, 2, 2, 1, 3, id="two jobs in each"),
        pytest.param(0, 4, 4, 4, 1, id="fewer when there is less"),
        pytest.param(math.nan, 1, 1, 2, 2, id="no number"),
        pytest.param(math.inf, 1, 1, 2, 2, id="without end"),
        pytest.param(-5, 1, 1, 2, 2, id="less than nothing"),
    ],
)
def test_there_is_a_seat_for_every_job(
    queued: float, running: float, jobs: int, current: int, wanted: int
) -> None:
    assert replicas_for(queued, running, jobs, current) == wanted


def context(metrics: Any, current: int = 2) -> Any:
    return SimpleNamespace(target_num_replicas=current, aggregated_metrics=metrics)


def test_every_replica_reports_the_whole_queue_so_nothing_is_added_up() -> None:
    metrics = {"queued": {"a": 3.0, "b": 2.0}, "running": {"a": 1.0, "b": 1.0}}

    assert QueueScalingPolicy(jobs=2)(context(metrics)) == (2, {})
    assert QueueScalingPolicy()(context(metrics)) == (4, {})


@pytest.mark.parametrize(
    "metrics",
    [
        pytest.param({}, id="nothing reported yet"),
        pytest.param({"queued": {}, "running": {}}, id="no replica reported"),
        pytest.param({"queued": {"a": 1.0}}, id="half a report"),
        pytest.param({"queued": {"a": None}, "running": {"a": 1}}, id="no number"),
        pytest.param(None, id="none"),
    ],
)
def test_a_report_that_makes_no_sense_changes_nothing(metrics: Any) -> None:
    assert QueueScalingPolicy()(context(metrics, current=3)) == (3, {})
