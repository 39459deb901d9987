"""Hours of the week by outcomes, and what-ifs over them."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from deployments.content.best_time import HOURS, MIN_POSTS, PostOutcome, week_profile
from deployments.content.features import features
from deployments.content.what_if import what_if

MONDAY = datetime(2026, 9, 7, tzinfo=UTC)
BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")


def outcomes(zone: ZoneInfo, weeks: int = 8, seed: int = 1) -> list[PostOutcome]:
    """Four posts a day; those at 18 in `zone`, and Saturdays, do better."""
    chance = np.random.default_rng(seed)
    found = []
    for day in range(7 * weeks):
        for hour in (8, 12, 18, 21):
            local = (MONDAY + timedelta(days=day)).replace(tzinfo=zone, hour=hour)
            rate = 0.05 * (2.0 if hour == 18 else 1.0) * (1.6 if local.weekday() == 5 else 1.0)
            done = int(chance.binomial(1_000, rate))
            found.append(PostOutcome(local.timestamp(), 1_000, done))
    return found


def test_the_planted_hour_is_found_in_the_zone_across_a_change_of_the_clock() -> None:
    profile = week_profile(outcomes(BERLIN), BERLIN)

    assert profile.posts == 8 * 7 * 4
    [best, *_] = profile.best(3)
    assert best.hour == 5 * 24 + 18
    assert best.is_certain
    assert best.low > 1.5
    assert {hour.hour % 24 for hour in profile.best(7) if hour.posts} == {18}


def test_an_hour_without_posts_is_guessed_from_its_day_and_its_neighbours() -> None:
    profile = week_profile(outcomes(UTC_ZONE), UTC_ZONE)
    empty = profile.hours[3 * 24 + 17]

    assert empty.posts == 0
    assert 1 < empty.index < profile.hours[3 * 24 + 18].index


def test_equal_hours_are_certain_of_nothing() -> None:
    flat = [PostOutcome(each.at, 1_000, 50) for each in outcomes(UTC_ZONE)]

    assert all(hour.index == pytest.approx(1) for hour in week_profile(flat, UTC_ZONE).hours)
    assert not any(hour.is_certain for hour in week_profile(flat, UTC_ZONE).hours)


@pytest.mark.parametrize("count", [0, 1, MIN_POSTS - 1])
def test_too_few_outcomes_say_so(count: int) -> None:
    profile = week_profile(outcomes(UTC_ZONE)[:count], UTC_ZONE)

    assert profile.hours == ()
    assert str(count) in profile.reason


def test_a_single_hour_of_the_day_is_nothing_to_compare() -> None:
    same = [PostOutcome(each.at - each.at % 604_800, 100, 5) for each in outcomes(UTC_ZONE)]

    assert "1 different" in week_profile(same, UTC_ZONE).reason


def test_a_what_if_finds_the_platforms_habits_and_the_best_hour() -> None:
    row = features("Do you know our roastery? Come by, we have a cup for you!", "instagram")
    hours = np.ones(HOURS)
    hours[42] = 1.5

    options = what_if(row, "instagram", hours)

    assert len(options) == HOURS
    best = options[0]
    assert (best.hour, best.hashtags) == (42, 5)
    assert 60 <= best.characters <= 300
    assert best.score >= 1.4 * options[1].score
