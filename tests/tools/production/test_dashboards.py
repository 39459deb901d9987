"""Dashboards: what they ask exists, what they draw fits, where they lead to is there."""

import json
import re
from itertools import combinations
from typing import Any

import pytest

from cluster.metrics.catalogue import CATALOGUE
from cluster.metrics.metric import MetricKind
from cluster.production.alerts.slo import Objectives
from cluster.production.dashboards import uids
from cluster.production.dashboards.files import own_files, ray_files
from cluster.production.dashboards.grafana import RAY_DASHBOARDS, SOURCE
from cluster.production.dashboards.panel import PanelUnit
from tests.tools.production.dashboard_files import RECORDED, dashboard, expressions, panels, texts
from tests.tools.production.promql_names import groupings, labels_of, metric_of, selectors

UIDS = [value for name, value in vars(uids).items() if name.isupper()]
EVERY = pytest.mark.parametrize("uid", UIDS)


def test_there_are_seven_and_the_overview_comes_first() -> None:
    assert list(texts()) == UIDS
    assert len(UIDS) == 7
    assert UIDS[0] == uids.OVERVIEW


@EVERY
def test_every_series_that_is_asked_for_is_declared_with_its_labels(uid: str) -> None:
    for expression in expressions(uid):
        for name, matched in selectors(expression):
            if name in RECORDED or name == "ALERTS":
                continue
            metric = metric_of(name)
            assert metric is not None, name
            assert matched <= labels_of(name), name
        assert groupings(expression) <= labels_of(expression), expression


@EVERY
def test_counters_are_asked_for_by_their_rate_and_only_they(uid: str) -> None:
    """A sum of counters falls when a replica ends."""
    for expression in expressions(uid):
        for name, _ in selectors(expression):
            metric = metric_of(name)
            if metric is None:
                continue
            is_counter = metric.kind is not MetricKind.GAUGE
            over = re.compile(rf"(?:rate|increase)\({name}[{{\[]")
            assert bool(over.search(expression)) == is_counter, expression


@EVERY
def test_rates_go_by_grafanas_interval_and_amounts_by_its_range(uid: str) -> None:
    """A rate over fewer than four scrapes has gaps; one over a fixed window hides what zooming in
    should show."""
    for panel in panels(uid):
        for target in panel["targets"]:
            for window in re.findall(r"(?:rate|increase)\([^\[]*\[([^\]]+)\]", target["expr"]):
                assert window in ("$__rate_interval", "$__range"), target["expr"]


@EVERY
def test_quantiles_keep_the_bounds_of_buckets(uid: str) -> None:
    for expression in expressions(uid):
        for inner in re.findall(r"histogram_quantile\([0-9.]+, sum by \(([^)]*)\)", expression):
            assert "le" in inner.split(", ")
        assert ("_bucket{" in expression) == (
            "histogram_quantile" in expression or "le=" in expression
        )


@EVERY
def test_every_query_is_of_the_chosen_installation_and_source(uid: str) -> None:
    for panel in panels(uid):
        assert panel["datasource"] == SOURCE
        for target in panel["targets"]:
            assert target["datasource"] == SOURCE
            for name, matched in selectors(target["expr"]):
                assert "job" in matched, name


@EVERY
def test_every_variable_is_used_and_every_used_one_is_there(uid: str) -> None:
    content = dashboard(uid)
    declared = {each["name"] for each in content["templating"]["list"]}
    texts_of = json.dumps([content["panels"], content["templating"]["list"]])
    used = set(re.findall(r"\$\{?([a-z_]+)(?::[a-z]+)?\}?", texts_of))
    assert {name for name in used if not name.startswith("__")} == declared


@EVERY
def test_values_of_variables_come_from_a_label_that_is_there(uid: str) -> None:
    for variable in dashboard(uid)["templating"]["list"]:
        if variable["type"] != "query":
            continue
        found = re.fullmatch(
            r'label_values\((\w+?)(\{job="\$job"\})?, (\w+)\)', variable["query"]["query"]
        )
        assert found is not None
        name, of_installation, label = found.groups()
        assert label in labels_of(name)
        assert metric_of(name) is not None
        assert bool(of_installation) == (label != "job")


@EVERY
def test_panels_lie_in_the_grid_and_on_nothing_else(uid: str) -> None:
    places = [panel["gridPos"] for panel in dashboard(uid)["panels"]]

    def overlaps(a: dict[str, int], b: dict[str, int]) -> bool:
        beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        return not (beside or a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"])

    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlaps(*pair)] == []
    numbers = [panel["id"] for panel in dashboard(uid)["panels"]]
    assert len(numbers) == len(set(numbers))


@EVERY
def test_every_panel_says_what_it_shows_in_which_unit(uid: str) -> None:
    titles = [panel["title"] for panel in panels(uid)]
    assert len(titles) == len(set(titles)) or uid == uids.SLO  # one row for each objective
    for panel in panels(uid):
        assert panel["description"] or uid in (uids.SLO,), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"] in set(PanelUnit)
        steps = [step["value"] for step in defaults["thresholds"]["steps"]]
        assert steps[0] is None
        assert steps[1:] == sorted(steps[1:])
        letters = [target["refId"] for target in panel["targets"]]
        assert letters == sorted(set(letters))


@EVERY
def test_series_of_one_panel_have_different_legends(uid: str) -> None:
    for panel in panels(uid):
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert len(legends) == len(set(legends)), panel["title"]
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert named <= groupings(target["expr"]), target["expr"]


@EVERY
def test_units_are_those_of_the_metrics(uid: str) -> None:
    """Seconds are not drawn as bytes; a quotient of two is a share."""
    units = {"seconds": PanelUnit.SECONDS, "bytes": PanelUnit.BYTES}
    for panel in panels(uid):
        for target in panel["targets"]:
            quantile = re.match(r"histogram_quantile", target["expr"])
            name = next((name for name, _ in selectors(target["expr"])), "")
            metric = metric_of(name)
            if quantile and metric is not None:
                assert panel["fieldConfig"]["defaults"]["unit"] == units[metric.unit]


def links(content: dict[str, Any]) -> set[str]:
    return set(re.findall(r'"/d/([A-Za-z0-9-]+)', json.dumps(content)))


@EVERY
def test_links_lead_to_dashboards_that_are_there(uid: str) -> None:
    rays = {name.removesuffix(".json") for name in ray_files()}
    assert rays == set(RAY_DASHBOARDS.values())
    assert rays <= links(dashboard(uid)) <= rays | set(UIDS)
    [ours] = [each for each in dashboard(uid)["links"] if each["type"] == "dashboards"]
    assert set(ours["tags"]) <= set(dashboard(uid)["tags"])


def test_the_overview_leads_to_every_other_one() -> None:
    assert set(UIDS) - {uids.OVERVIEW} <= links(dashboard(uids.OVERVIEW))


@EVERY
def test_alerts_and_deploys_are_annotated(uid: str) -> None:
    names = [each["name"] for each in dashboard(uid)["annotations"]["list"]]
    assert {"Alerts", "Deploys"} <= set(names)


def test_every_metric_is_on_a_panel() -> None:
    shown = {name for uid in UIDS for text in expressions(uid) for name, _ in selectors(text)}
    metrics = {metric.name for metric in map(metric_of, shown) if metric is not None}
    assert sorted(CATALOGUE.keys() - metrics) == []


def test_the_objectives_of_an_installation_are_on_its_dashboard() -> None:
    files = own_files(Objectives(available=0.995, prompt=0.9, first_token_s=1.0))
    text = files[f"{uids.SLO}.json"]

    assert "99.50%" in text
    assert re.search(r'le=~\\"1\(\\\\\\\\.0\)\?\\"', text)
    assert "/ 0.1" in text


def test_ray_generates_what_is_linked() -> None:
    for name, text in ray_files().items():
        content = json.loads(text)
        assert f"{content['uid']}.json" == name
        assert content["panels"]
