"""The report of a load test: what its table and its charts say, gaps included."""

import xml.etree.ElementTree as ET

import pytest

from load_tests.charts import line_chart
from load_tests.report import build_files, group_by_route
from load_tests.timeline import RequestSample, build_series, choose_step

SVG = "{http://www.w3.org/2000/svg}"
MACHINE = {"cpu": "a CPU", "usable_cores": 2, "load_1_min": 0.5, "python": "3.11"}
SAMPLES = [
    *(RequestSample(at / 10, "chat", 100.0 + at, failed=False, users=3) for at in range(100)),
    *(RequestSample(5.0, "captions", 10.0, failed=True, users=4) for _ in range(2)),
]


def test_every_route_has_its_figures_and_times_are_those_of_successes() -> None:
    routes = group_by_route(SAMPLES)

    assert (routes["chat"].requests, routes["chat"].failures) == (100, 0)
    assert routes["chat"].p95_ms == pytest.approx(194.05)
    assert (routes["captions"].requests, routes["captions"].failures) == (2, 2)


def test_series_have_a_point_for_every_step_of_time() -> None:
    found = build_series(SAMPLES)

    assert found["requests"]["requests/s"][5] == (5.0, 12.0)
    failures = [(float(at), 2.0 if at == 5 else 0.0) for at in range(10)]
    assert found["failures"]["failures/s"] == failures
    assert found["users"]["users"][5] == (5.0, 4.0)
    assert list(found["latency"]) == ["p50", "p95", "p99"]


def test_a_long_run_is_told_in_longer_steps() -> None:
    assert choose_step([RequestSample(3600.0, "chat", 1.0, failed=False, users=1)]) == 15.0


def test_the_report_names_what_was_missed_and_every_chart_is_beside_it() -> None:
    files = build_files(SAMPLES, ["chat: p95 is 900 ms"], {"shape": "soak"}, MACHINE, {"boom": 2})

    text = files["report.md"]
    assert "MISSED" in text
    assert "- chat: p95 is 900 ms" in text
    assert "| chat | 100 |" in text
    assert "- 2 x boom" in text
    for name in ("requests", "latency", "failures", "users"):
        assert f"({name}.svg)" in text
        assert ET.fromstring(files[f"{name}.svg"]).tag == f"{SVG}svg"


def test_a_run_without_faults_says_so() -> None:
    text = build_files(SAMPLES, [], {}, MACHINE, {})["report.md"]

    assert "Every threshold was met." in text


def test_a_gap_in_a_series_is_a_gap_in_its_line() -> None:
    line = [(0.0, 1.0), (1.0, 2.0), (2.0, float("nan")), (3.0, 1.0), (4.0, 2.0)]

    drawn = ET.fromstring(line_chart("a & b", {"p50": line}, marks=[(2.0, "kill <it>")]))

    assert len(drawn.findall(f"{SVG}polyline")) == 2
    texts = [text.text for text in drawn.findall(f"{SVG}text")]
    assert "a & b" in texts
    assert "kill <it>" in texts


def test_a_chart_of_nothing_is_still_a_chart() -> None:
    assert ET.fromstring(line_chart("nothing", {"none": []})).findall(f"{SVG}polyline") == []
