"""What `bench panels` and `bench alerts` conclude from what Prometheus answers."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from cluster.production.alerts.files import alert_rules
from cluster.production.alerts.slo import Objectives
from cluster.production.dashboards.panel import Color, Panel, PanelUnit, Shown, falling, rising
from load_tests.benchmarks.faults import bench_alerts, bench_panels
from load_tests.benchmarks.faults.bench_alerts import TrialResult, build_measurements
from load_tests.benchmarks.faults.injections.watched_cluster import WatchedCluster
from load_tests.benchmarks.faults.monitoring.alert_trials import TRIALS, AlertTrial
from load_tests.benchmarks.faults.monitoring.picture import draw
from load_tests.benchmarks.faults.monitoring.watching import Line, every_panel, filled_in, lines_of
from load_tests.benchmarks.faults.monitoring.wrong_panels import (
    PANELS,
    PanelView,
    blamed_requests,
    color_of,
    look,
)

STORE = "mobula_store_transaction_seconds"


class ScriptedPrometheus:
    """Answers queries about `metric` with one series, others with none."""

    def __init__(self, metric: str, value: float, labels: Mapping[str, str] | None = None) -> None:
        self._metric, self._value, self._labels = metric, value, labels or {}
        self.asked: list[str] = []

    def query_range(self, expression: str, since: float, until: float, step_s: float) -> Any:
        self.asked.append(expression)
        if self._metric not in expression:
            return []
        return [(self._labels, [(since, self._value), (until, self._value)])]

    def query(self, expression: str) -> Any:
        self.asked.append(expression)
        return [(self._labels, self._value)] if self._metric in expression else []


def test_a_query_is_asked_as_grafana_would() -> None:
    expression = 'sum(rate(a{job="$job",model=~"$model"}[$__rate_interval])) + b[$__range]'

    assert filled_in(expression, 120) == 'sum(rate(a{job="mobula",model=~".*"}[20s])) + b[120s]'


def test_every_query_of_every_panel_can_be_filled_in() -> None:
    for _, panel in every_panel():
        assert not any("$" in filled_in(each, 60) for each in panel.expressions), panel.title


def test_lines_have_the_legends_of_their_labels() -> None:
    panel = Panel("t", (Shown("up", "{{kind}}, p95"),), unit=PanelUnit.SECONDS)
    prometheus = ScriptedPrometheus("up", 1.0, {"kind": "write"})

    assert lines_of(prometheus, panel, 0, 10) == [Line("write, p95", [(0, 1.0), (10, 1.0)])]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "color"), [(0.0, Color.GREEN), (1.0, Color.YELLOW), (9.0, Color.RED)]
)
def test_a_value_has_the_color_of_the_last_threshold_that_it_reaches(
    value: float, color: Color
) -> None:
    assert color_of(Panel("t", (), thresholds=rising(1, 5)), value) is color


@pytest.mark.parametrize(
    ("value", "color"), [(0.0, Color.RED), (1.0, Color.YELLOW), (9.0, Color.GREEN)]
)
def test_what_is_good_while_it_is_high_is_red_below_its_first_threshold(
    value: float, color: Color
) -> None:
    assert color_of(Panel("t", (), thresholds=falling(1, 5)), value) is color


def test_a_panel_without_data_needs_a_reason() -> None:
    empty, filled = bench_panels.look_at_panels(ScriptedPrometheus(STORE, 1.0), 0)  # type: ignore[arg-type]

    assert ("mobula-cluster", "Time of a transaction") in filled
    assert ("mobula-overview", "Store") in filled
    assert any(not reason for _, _, reason in empty)


def test_what_is_beyond_its_threshold_is_named() -> None:
    views = look(ScriptedPrometheus(f"{STORE}_bucket", 3.0, {"kind": "write"}), 0, 10)  # type: ignore[arg-type]

    wrong = {view.panel.title: view.wrong for view in views if view.wrong}
    assert wrong == {"Store": ("write, p95",)}


def test_only_panels_about_requests_blame_them() -> None:
    views = [PanelView(panel, [], ("acme",)) for panel in PANELS]

    blamed = blamed_requests(views)

    assert {"Tenants: failed: acme", "Models: failed calls: acme"} <= blamed
    assert "Store: acme" not in blamed


def test_the_picture_has_a_row_for_each_fault_and_names_what_is_wrong() -> None:
    line = Line("a <write>", [(0.0, 1.0), (10.0, 4.0), (20.0, float("nan"))])
    views = [
        PanelView(panel, [line], ("a <write>",) if not number else ())
        for number, panel in enumerate(PANELS)
    ]

    picture = ElementTree.fromstring(draw({"slow-store": views, "leak": views}))

    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert {"slow-store", "leak"} <= set(texts)
    assert texts.count("a <write>") == 2
    lines = [element for element in picture.iter() if element.tag.endswith("polyline")]
    assert len(lines) == 2 * len(PANELS)


def test_rows_of_an_earlier_picture_stay_where_they_are_not_drawn_again() -> None:
    line = Line("a", [(0.0, 1.0), (10.0, 4.0)])
    wrong = [PanelView(panel, [line], ("a",)) for panel in PANELS]
    calm = [PanelView(panel, [line], ()) for panel in PANELS]

    picture = draw({"leak": calm, "slow-store": calm}, draw({"full-disk": wrong, "leak": wrong}))

    rows = re.findall(r'<g id="([a-z-]+)"', picture)
    assert rows == ["full-disk", "leak", "slow-store"]
    texts = [each.text for each in ElementTree.fromstring(picture).iter() if each.text == "a"]
    assert len(texts) == len(PANELS)


def test_every_trial_waits_for_alerts_that_exist_and_looks_at_panels_that_exist() -> None:
    assert len(TRIALS) == 12
    names = {rule.name for rule in alert_rules(Objectives())}
    titles = {panel.title for panel in PANELS}
    for trial in TRIALS.values():
        assert set(trial.alerts) <= names
        assert set(trial.panels) <= titles
        assert bool(trial.panels) == bool(trial.legend)
        assert trial.limit_s(1.0) > trial.limit_s(0.1) >= 30


def test_an_alert_that_does_not_fire_is_a_target_missed() -> None:
    missed = build_measurements(TrialResult("leak", 60.0, is_named=False))
    met = build_measurements(TrialResult("leak", 60.0, "MobulaMemoryLeak", 40.0, is_named=True))

    assert [each.met for each in missed] == [False, False]
    assert [each.met for each in met] == [True, True]


def test_a_trial_ends_when_its_alert_fires(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_alerts, "POLL_S", 0.0)
    entered: list[str] = []

    @contextmanager
    def inject(cluster: WatchedCluster) -> Iterator[None]:
        entered.append("fault")
        yield
        entered.append("mended")

    class Prometheus(ScriptedPrometheus):
        def query(self, expression: str) -> Any:
            return [({"alertname": "MobulaStoreSlow"}, 1.0)] if entered else []

    trial = AlertTrial("slow-store", inject, ("MobulaStoreSlow",), ("Store",), "write")
    prometheus = Prometheus(f"{STORE}_bucket", 3.0, {"kind": "write"})

    result, views = bench_alerts.run_trial(object(), prometheus, trial, 0.1)  # type: ignore[arg-type]

    assert entered == ["fault", "mended"]
    assert (result.fired, result.is_named) == ("MobulaStoreSlow", True)
    assert result.wrong == {"Store": ["write, p95"]}
    assert len(views) == len(PANELS)
