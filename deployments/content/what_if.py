"""What if: a text at every hour of the week, with every number of hashtags, at every length.

In: a text's features, a platform, a week's profile where there is one. Out: the best combinations.
Every combination is scored: about 10^5 rows, one pass of the kernel of prior_scores.py.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from deployments.content.best_time import HOURS
from deployments.content.features import (
    COLUMN,
    ONE_BLOCK,
    Features,
    hashtag_fit,
    length_fit,
)
from deployments.content.platforms import Platform, platform
from deployments.content.prior_scores import prior_scores

LENGTHS = 40  # lengths that are tried, evenly spread
MAX_HASHTAGS = 15
_TAG_CHARACTERS = 11  # of a hashtag with its space, in the mean
_LEAST_CHANGE = 1e-7  # for a character: of equal combinations, the nearest to the text
_GROWS = ("body_characters", "words", "sentences")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One combination: `score` is the prior's times the hour's index."""

    hour: int
    hashtags: int
    characters: int
    score: float


def what_if(row: Features, platform_name: str, hours: NDArray[np.float64] | None) -> list[WhatIf]:
    """The best combination of each hour, best first. `hours` has the index of each hour of the
    week (None: all are alike). Raises KeyError for a platform that is not registered."""
    site = platform(platform_name)
    lengths, tags = _lengths(site), np.arange(min(site.max_hashtags, MAX_HASHTAGS) + 1)
    index = np.ones(HOURS) if hours is None else hours
    options = _rows(row, site, lengths, tags)
    rows = np.tile(options, (HOURS, 1))
    scores = prior_scores(rows, platform_name).reshape(HOURS, -1) * index[:, None]
    change = np.abs(options[:, COLUMN["body_characters"]] - row[COLUMN["body_characters"]])
    best = (scores - _LEAST_CHANGE * change).argmax(axis=1)
    found = [
        WhatIf(
            hour,
            int(options[place, COLUMN["hashtags"]]),
            int(options[place, COLUMN["characters"]]),
            float(scores[hour, place]),
        )
        for hour, place in enumerate(best)
    ]
    return sorted(found, key=lambda option: (-option.score, option.hour))


def _lengths(site: Platform) -> NDArray[np.int64]:
    low, high = site.ideal_chars
    return np.unique(np.linspace(low // 2, min(site.max_chars, 2 * high), LENGTHS).astype(np.int64))


def _rows(
    row: Features, site: Platform, lengths: NDArray[np.int64], tags: NDArray[np.int64]
) -> Features:
    """The row with every length and number of hashtags; what grows with the text grows along."""
    rows = np.tile(row, (len(lengths) * len(tags), 1))
    body = np.repeat(lengths, len(tags)).astype(np.float32)
    count = np.tile(tags, len(lengths)).astype(np.float32)
    growth = body / max(1.0, float(row[COLUMN["body_characters"]]))
    for name in _GROWS:
        rows[:, COLUMN[name]] *= growth
    size = body + _TAG_CHARACTERS * count
    rows[:, COLUMN["characters"]] = size
    rows[:, COLUMN["hashtags"]] = count
    rows[:, COLUMN["is_one_block"]] = (row[COLUMN["paragraphs"]] <= 1) & (body > ONE_BLOCK)
    rows[:, COLUMN["length_fit"]] = [length_fit(int(each), site.ideal_chars) for each in size]
    rows[:, COLUMN["hashtag_fit"]] = [hashtag_fit(int(each), site.usual_hashtags) for each in count]
    return rows
