"""The best time to post: which hours of the week did better than the others, by outcomes.

In: outcomes of posts with their times, a time zone. Out: an index for each hour of the week (1 is
the mean), with how sure it is; or, of too few outcomes, that nothing can be said. As the season of
cluster/autoscaling/forecast.py: a profile by the time of a season in which newer ones weigh more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

HOURS = 168  # of a week; hour 0 is Monday 0:00 to 1:00
MIN_POSTS = 50
MIN_HOURS = 5  # different ones, else there is nothing to compare
_DAY = 24
_HALF_LIFE_WEEKS = 12.0  # after which an outcome weighs half
_WEEK_S = 7 * 86_400
_CELL, _MARGIN = 8.0, 4.0  # weight of what an hour, a day is shrunk to, in posts
_NEIGHBOURS = np.array([0.25, 0.5, 0.25])  # of hours of the day
_Z = 1.64  # of an interval of 90 %

Profile = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PostOutcome:
    """What came of one post: `at` in seconds since 1970, how many saw it, how many did something
    with it."""

    at: float
    impressions: int
    engagements: int


@dataclass(frozen=True, slots=True)
class HourOfWeek:
    """`index` is the rate beside the mean (1.2: a fifth more), between `low` and `high` with 90 %.
    `posts` were published in this very hour."""

    hour: int
    index: float
    low: float
    high: float
    posts: int

    @property
    def is_certain(self) -> bool:
        """Whether the whole interval is above or below the mean."""
        return self.low > 1 or self.high < 1


@dataclass(frozen=True, slots=True)
class WeekProfile:
    """`hours` has all of the week in order; empty where `reason` says why nothing can be said."""

    posts: int
    hours: tuple[HourOfWeek, ...] = ()
    reason: str = ""

    def best(self, count: int) -> list[HourOfWeek]:
        """The hours with the highest index; of equal ones, those with more posts first."""
        return sorted(self.hours, key=lambda hour: (-hour.index, -hour.posts, hour.hour))[:count]


def week_profile(outcomes: Sequence[PostOutcome], zone: ZoneInfo) -> WeekProfile:
    """The profile of a week in `zone`: hours there, also across changes of the clock."""
    hours = np.array([_hour_of_week(outcome.at, zone) for outcome in outcomes], dtype=np.int64)
    different = len(np.unique(hours))
    if len(outcomes) < MIN_POSTS or different < MIN_HOURS:
        reason = (
            f"{len(outcomes)} outcomes in {different} different hours are too few: "
            f"{MIN_POSTS} in {MIN_HOURS} are needed."
        )
        return WeekProfile(len(outcomes), reason=reason)
    rates, weights = _rates(outcomes)
    effects, errors = _effects(hours, rates, weights)
    counts = np.bincount(hours, minlength=HOURS)
    low, high = np.exp(effects - _Z * errors), np.exp(effects + _Z * errors)
    index = np.exp(effects)
    return WeekProfile(
        len(outcomes),
        tuple(
            HourOfWeek(hour, float(index[hour]), float(low[hour]), float(high[hour]), int(count))
            for hour, count in enumerate(counts)
        ),
    )


def _hour_of_week(at: float, zone: ZoneInfo) -> int:
    local = datetime.fromtimestamp(at, zone)
    return local.weekday() * _DAY + local.hour


def _rates(outcomes: Sequence[PostOutcome]) -> tuple[Profile, Profile]:
    """The logarithm of each post's rate beside the mean one, and what it weighs."""
    seen = np.array([outcome.impressions for outcome in outcomes], dtype=np.float64)
    done = np.array([outcome.engagements for outcome in outcomes], dtype=np.float64)
    at = np.array([outcome.at for outcome in outcomes])
    rates = np.log((done + 1) / (seen + 20))
    weights = 0.5 ** ((at.max() - at) / _WEEK_S / _HALF_LIFE_WEEKS)
    return rates - np.average(rates, weights=weights), weights


def _effects(hours: NDArray[np.int64], rates: Profile, weights: Profile) -> tuple[Profile, Profile]:
    """Of each hour of the week: what its day and its hour of the day make, and what is left for
    itself, each shrunk to nothing by few posts; with standard errors."""
    days, times = hours // _DAY, hours % _DAY
    by_time = _shrunk_means(times, rates, weights, _DAY, _MARGIN)
    around = np.concatenate([by_time[-1:], by_time, by_time[:1]])
    by_time = np.convolve(around, _NEIGHBOURS, mode="valid")
    rest = rates - by_time[times]
    by_day = _shrunk_means(days, rest, weights, 7, _MARGIN)
    rest = rest - by_day[days]
    own = _shrunk_means(hours, rest, weights, HOURS, _CELL)
    effects = np.add.outer(by_day, by_time).ravel() + own
    noise = float(np.sqrt(np.average((rest - own[hours]) ** 2, weights=weights)))
    near = _weights_of(times, weights, _DAY)
    near = np.convolve(np.concatenate([near[-1:], near, near[:1]]), _NEIGHBOURS, mode="valid")
    known = np.tile(near, 7) / 7 + _weights_of(hours, weights, HOURS)
    return effects, noise / np.sqrt(known + 1)


def _shrunk_means(
    places: NDArray[np.int64], values: Profile, weights: Profile, size: int, prior: float
) -> Profile:
    sums = np.bincount(places, weights * values, minlength=size)
    return np.asarray(sums / (_weights_of(places, weights, size) + prior))


def _weights_of(places: NDArray[np.int64], weights: Profile, size: int) -> Profile:
    return np.asarray(np.bincount(places, weights, minlength=size), dtype=np.float64)
