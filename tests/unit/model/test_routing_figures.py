"""What a model's replica tells its callers, for them to choose among replicas."""

import pytest
from pydantic import ValidationError

from deployments.model.load_stats import RoutingStats
from deployments.model.spec import LiveConfig


def test_an_idle_replica_has_all_its_places_and_no_speed_yet() -> None:
    assert RoutingStats().summary(0, 0, 8, 0.0) == {
        "running": 0,
        "queued": 0,
        "weight": 1.0,
        "free": 1.0,
        "speed": 0.0,
    }


def test_what_is_taken_and_waited_for_is_not_free() -> None:
    figures = RoutingStats()
    assert figures.summary(4, 0, 8, 0.0)["free"] == 0.5
    assert figures.summary(8, 20, 8, 0.0)["free"] == 0.0


def test_speed_is_that_of_one_sequence_and_outlives_the_load() -> None:
    figures = RoutingStats()
    assert figures.summary(4, 0, 8, 200.0)["speed"] == 50.0
    assert figures.summary(0, 0, 8, 0.0)["speed"] == 50.0
    for _ in range(20):
        found = figures.summary(8, 0, 8, 80.0)["speed"]
    assert found == 10.0


def test_small_changes_are_rounded_away() -> None:
    """Serve tells every caller of each change."""
    figures = RoutingStats()
    assert figures.summary(3, 0, 100, 151.0) == figures.summary(3, 0, 100, 150.0)


def test_an_operator_gives_weights_to_all_or_by_host() -> None:
    figures = RoutingStats(host="gpu-1")
    figures.reconfigure(LiveConfig(weight=2.0))
    assert figures.weight == 2.0
    figures.reconfigure(LiveConfig(weight={"gpu-1": 3.0, "*": 0.5}))
    assert figures.weight == 3.0
    figures.reconfigure(LiveConfig())
    assert figures.weight == 3.0
    figures.reconfigure(LiveConfig(weight={"gpu-2": 3.0, "*": 0.5}))
    assert figures.weight == 0.5
    figures.reconfigure(LiveConfig(weight={"gpu-2": 3.0}))
    assert figures.weight == 1.0


def test_a_weight_below_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="weight"):
        LiveConfig(weight=-1.0)
