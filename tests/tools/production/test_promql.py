"""Expressions over the catalogue, and what cannot be one."""

import pytest

from cluster.metrics.metric import counter, gauge, histogram
from cluster.production.promql import Queries, WrongQuery, ended, like, share, unlike

CALLS = counter("mobula_tested_calls_total", "Tested.", source="x", labels=("model", "outcome"))
WAITS = histogram(
    "mobula_tested_wait_seconds", "Tested.", source="x", labels=("model",), buckets=(0.5, 1.0)
)
UP = gauge("mobula_tested_up", "Tested.", source="x", labels=("dependency",))
SCRAPE = gauge("mobula_tested_scrape", "Tested.", source="scrape", labels=("deployment",))
Q = Queries({"job": "$job", "model": like("$model"), "replica": like("$replica")})
RULES = Queries(keep=("job",), window="5m")


def test_a_rate_is_summed_over_replicas_and_goes_by_grafanas_interval() -> None:
    assert Q.rate(CALLS, "model", outcome="failed") == (
        'sum by (model) (rate(mobula_tested_calls_total{job="$job",model=~"$model",'
        'replica=~"$replica",outcome="failed"}[$__rate_interval]))'
    )


def test_rules_keep_the_installation() -> None:
    assert RULES.rate(CALLS, "model", outcome=unlike("left")) == (
        'sum by (job, model) (rate(mobula_tested_calls_total{outcome!~"left"}[5m]))'
    )
    assert RULES.aggregate("min", UP) == "min by (job) (mobula_tested_up)"


def test_a_quantile_keeps_the_bounds() -> None:
    assert RULES.quantile(0.95, WAITS, "model") == (
        "histogram_quantile(0.95, sum by (job, model, le)"
        " (rate(mobula_tested_wait_seconds_bucket[5m])))"
    )


def test_whole_bounds_are_found_in_either_format() -> None:
    """Text 0.0.4 has le="1", OpenMetrics le="1.0"."""
    assert 'le=~"1(\\\\.0)?"' in RULES.within(1.0, WAITS)
    assert 'le="0.5"' in RULES.within(0.5, WAITS)


def test_what_the_scrape_tells_is_of_no_replica() -> None:
    assert Q.select(SCRAPE) == 'mobula_tested_scrape{job="$job"}'


def test_what_every_replica_counts_alike_counts_once() -> None:
    assert RULES.shared(CALLS, "model") == (
        "max by (job, model) (sum by (job, replica, model) (rate(mobula_tested_calls_total[5m])))"
    )


def test_a_mean_and_a_share_are_nothing_where_there_is_nothing() -> None:
    assert RULES.mean(WAITS).endswith(
        "/ (sum by (job) (rate(mobula_tested_wait_seconds_count[5m])) > 0)"
    )
    assert share("a", "b") == "(a) / (b > 0)"


def test_a_deployment_whose_last_replica_ended_is_counted_too() -> None:
    assert ended("up", "15m", ("job",)) == (
        "count by (job) (count_over_time(up[15m])) - (count by (job) (up)"
        " or 0 * count by (job) (count_over_time(up[15m])))"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(lambda: Q.rate(UP), id="rate of a gauge"),
        pytest.param(lambda: Q.rate(CALLS, "tenant"), id="by a label it lacks"),
        pytest.param(lambda: Q.rate(CALLS, tenant="a"), id="where a label it lacks"),
        pytest.param(lambda: Q.select(WAITS), id="a histogram as such"),
        pytest.param(lambda: Q.select(UP, suffix="bucket"), id="buckets of a gauge"),
        pytest.param(lambda: Q.within(0.7, WAITS), id="a bound it lacks"),
        pytest.param(lambda: Q.select(SCRAPE, replica="a"), id="a replica of the scrape"),
    ],
)
def test_what_no_series_can_answer_is_refused(wrong: object) -> None:
    assert callable(wrong)
    with pytest.raises(WrongQuery):
        wrong()
