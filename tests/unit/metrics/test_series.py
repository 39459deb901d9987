"""Counting in one process: what is added is read, label sets are bounded."""

import pytest

from cluster.metrics.metric import OTHER, counter, gauge, histogram
from cluster.metrics.series import Counter, Gauge, Histogram, MetricSet

REQUESTS = counter(
    "mobula_tested_total", "Tested.", source="test", labels=("tenant", "code"), cap=3
)
WAITS = histogram(
    "mobula_tested_seconds", "Waited.", source="test", labels=("model",), buckets=(0.1, 1.0), cap=2
)
OPEN = gauge("mobula_tested_open", "Open.", source="test")


def test_events_are_counted_by_labels() -> None:
    requests = Counter(REQUESTS)
    requests.add(("a", "200"))
    requests.add(("a", "200"), 2)
    requests.add(("a", "500"))

    [(metric, samples)] = requests.read()

    assert metric is REQUESTS
    assert dict(samples) == {("a", "200"): 3, ("a", "500"): 1}


def test_label_sets_beyond_the_cap_share_one_by_their_first_label() -> None:
    requests = Counter(REQUESTS)
    for number in range(1_000):
        requests.add((f"tenant{number}", "200"))
    requests.add(("tenant0", "200"))

    [(_, samples)] = requests.read()

    assert dict(samples) == {
        ("tenant0", "200"): 2,
        ("tenant1", "200"): 1,
        ("tenant2", "200"): 1,
        (OTHER, "200"): 997,
    }


def test_observations_are_counted_in_buckets_that_hold_their_bound() -> None:
    waits = Histogram(WAITS)
    for seconds in (0.1, 0.2, 1.0, 30.0):
        waits.observe(("nano",), seconds)

    [(_, [(labels, value)])] = waits.read()

    assert labels == ("nano",)
    assert value == ((1, 2, 1), pytest.approx(31.3), {})


def test_an_exemplar_stands_for_its_bucket_until_the_next_one() -> None:
    waits = Histogram(WAITS)
    waits.observe(("nano",), 0.5)
    waits.exemplify(("nano",), 0.5, "first", 100.0)
    waits.exemplify(("nano",), 0.6, "second", 101.0)

    [(_, [(_, value)])] = waits.read()

    assert isinstance(value, tuple)
    assert value[2] == {1: ("second", 0.6, 101.0)}


def test_a_gauge_is_read_when_it_is_asked() -> None:
    values = [1.0]
    opened = Gauge(OPEN, lambda: values[0])
    values[0] = 7.0
    assert list(opened.read()) == [(OPEN, [((), 7.0)])]


def test_a_report_has_every_source_and_bounds_those_that_do_not() -> None:
    many = [((f"tenant{number}", "200"), 1.0) for number in range(50)]
    report = MetricSet(lambda: [(REQUESTS, many)], Gauge(OPEN, lambda: 2).read).report()

    assert report["mobula_tested_open"] == [((), 2)]
    assert len(report["mobula_tested_total"]) == 4
    assert sum(value for _, value in report["mobula_tested_total"]) == 50  # type: ignore[misc]


def test_a_source_that_fails_does_not_hide_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> float:
        raise RuntimeError("no figure today")

    report = MetricSet(Gauge(OPEN, fail).read, Counter(REQUESTS).read).report()

    assert list(report) == ["mobula_tested_total"]
    assert "no figure today" in caplog.text


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("mobula_things", ()),
        ("things_total", ()),
        ("mobula_Things_total", ()),
        ("mobula_things_total", ("replica",)),
        ("mobula_things_total", ("le",)),
        ("mobula_things_total", ("WorkerId",)),
    ],
)
def test_names_that_prometheus_would_not_take_are_refused(
    name: str, labels: tuple[str, ...]
) -> None:
    with pytest.raises(ValueError, match=r"is no (name|label)"):
        counter(name, "Things.", source="test", labels=labels)


def test_buckets_rise_and_belong_to_histograms() -> None:
    with pytest.raises(ValueError, match="do not rise"):
        histogram("mobula_waits_seconds", "Waits.", source="test", buckets=(1.0, 0.5))
    with pytest.raises(ValueError, match="only histograms"):
        histogram("mobula_waits_seconds", "Waits.", source="test", buckets=())
