"""What the forecast says of load one cold start ahead, and how cold starts are measured."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.autoscaling.forecast import Forecast
from cluster.autoscaling.scaler import ColdStartEstimator

HORIZON_S = 60.0


def fed(
    loads: list[float], every_s: float = 5.0, season_s: float = 86_400.0, quantile: float = 0.9
):  # type: ignore[no-untyped-def]
    forecast = Forecast(season_s, quantile)
    for index, load in enumerate(loads):
        forecast.observe(index * every_s, load, HORIZON_S)
    return forecast, (len(loads) - 1) * every_s


def test_steady_load_is_expected_to_stay() -> None:
    forecast, now = fed([40.0] * 400)
    assert forecast.predict(now, HORIZON_S) == pytest.approx(40.0, rel=0.01)


def test_nothing_is_said_before_anything_was_seen() -> None:
    assert math.isnan(Forecast(86_400.0, 0.9).predict(0.0, HORIZON_S))


def test_the_margin_is_the_quantile_of_its_own_errors() -> None:
    noise = random.Random(7)
    loads = [max(0.0, noise.gauss(50.0, 7.0)) for _ in range(2000)]
    low, now = fed(loads, quantile=0.5)
    high, _ = fed(loads, quantile=0.95)

    assert 50.0 < low.predict(now, HORIZON_S) < high.predict(now, HORIZON_S) < 75.0


def test_a_season_that_was_seen_is_foreseen() -> None:
    season_s = 7200.0

    def load(at: float) -> float:
        return 50.0 - 40.0 * math.cos(2 * math.pi * at / season_s)

    loads = [load(index * 5.0) for index in range(int(2.25 * season_s / 5))]
    forecast, now = fed(loads, season_s=season_s, quantile=0.5)
    blind, _ = fed(loads, season_s=1e9, quantile=0.5)
    coming, ahead_s = load(now + 600), 600.0

    assert forecast.predict(now, ahead_s) == pytest.approx(coming, rel=0.15)
    assert blind.predict(now, ahead_s) < 0.9 * coming


@given(st.lists(st.floats(0, 1e5), min_size=3, max_size=150), st.floats(1, 600))
def test_a_forecast_is_a_number_that_load_could_have(loads: list[float], ahead_s: float) -> None:
    forecast, now = fed(loads)
    found = forecast.predict(now, ahead_s)
    assert math.isfinite(found)
    assert found >= 0 or math.isnan(found)


def test_a_cold_start_is_from_asking_to_having() -> None:
    seen = ColdStartEstimator()
    assert math.isnan(seen.observe(0.0, 2, 2))
    seen.observe(10.0, 4, 2)
    seen.observe(30.0, 4, 3)

    assert seen.observe(50.0, 4, 4) == 40.0
    assert seen.observe(90.0, 4, 4) == 40.0


def test_replicas_that_have_become_slow_are_noticed_before_they_are_up() -> None:
    seen = ColdStartEstimator()
    for at, target, ready in ((0.0, 1, 1), (10.0, 2, 1), (30.0, 2, 2), (100.0, 3, 2)):
        seen.observe(at, target, ready)

    assert seen.observe(110.0, 3, 2) == 20.0
    assert seen.observe(300.0, 3, 2) == 200.0
    assert seen.observe(1e6, 3, 2) == 900.0, "one that never comes is not a slow one"


def test_a_rise_that_is_taken_back_is_no_cold_start() -> None:
    seen = ColdStartEstimator()
    for at, target, ready in ((0.0, 1, 1), (10.0, 5, 1), (20.0, 1, 1)):
        found = seen.observe(at, target, ready)
    assert math.isnan(found)
