"""The load tests' own logic: shapes, thresholds, and reading wrk."""

import pytest

from load_tests.benchmarks.common.wrk import parse_report
from load_tests.shapes import SHAPES, ramp, spike
from load_tests.thresholds import Thresholds, list_missed

REPORT = """Running 4s test @ http://127.0.0.1:8000/chat
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    16.52ms    5.35ms  80.11ms   91.06%
    Req/Sec     0.98k   108.09     1.12k    75.00%
  Latency Distribution
     50%   15.47ms
     75%   17.20ms
     90%  980.00us
     99%    1.20s
  3900 requests in 4.00s, 1.2MB read
  Socket errors: connect 0, read 1, write 0, timeout 2
  Non-2xx or 3xx responses: 4
Requests/sec:    974.51
Transfer/sec:      0.31MB
"""


def test_a_report_of_wrk_is_read_with_its_units_and_errors() -> None:
    load = parse_report(REPORT)

    assert (load.requests_s, load.p50_ms, load.p99_ms, load.errors) == (974.51, 15.47, 1200.0, 7)


def test_something_else_is_not_a_report() -> None:
    with pytest.raises(ValueError, match="unable to connect"):
        parse_report("unable to connect to 127.0.0.1")


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_starts_ends_and_stays_within_its_peak(name: str) -> None:
    shape = SHAPES[name]
    points = [shape(at / 10, 50, 60.0) for at in range(600)]

    assert all(point is not None and 1 <= point[0] <= 50 for point in points)
    assert max(point[0] for point in points if point) == 50 or name == "ramp"
    assert shape(60.0, 50, 60.0) is None


def test_a_ramp_rises_and_a_spike_falls_again() -> None:
    rise = [ramp(at, 50, 60.0) for at in (0, 30, 59)]
    assert [point[0] for point in rise if point] == [1, 25, 49]
    peak = [spike(at, 50, 60.0) for at in (10, 30, 50)]
    assert [point[0] for point in peak if point] == [5, 50, 5]


def test_a_missed_threshold_is_told_in_a_sentence() -> None:
    limits = Thresholds(error_share=0.01, p95_ms=100, min_requests=10)

    assert list_missed(limits, requests=100, failures=1, p95_ms=100) == []
    assert "raised" in list_missed(limits, requests=100, failures=0, p95_ms=1, broken=2)[0]
    said = list_missed(limits, requests=5, failures=5, p95_ms=101)
    assert len(said) == 3
    assert "100.00%" in said[1]
