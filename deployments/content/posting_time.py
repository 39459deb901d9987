"""The best time to post as an operation of text analysis: the Text deployment runs it.

Flows in: outcomes of the caller's posts, a time zone; a draft where there is one. Flows out: the
best hours of the week; and for the draft, the best hour, number of hashtags and length together.
`best_time_to_post` alone calls it.
"""

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from deployments.content.best_time import HourOfWeek, PostOutcome, WeekProfile, week_profile
from deployments.content.features import COLUMN, features
from deployments.content.prior_scores import prior_scores
from deployments.content.validation import check_platform
from deployments.content.what_if import what_if
from deployments.contracts.embedding import Vectors
from deployments.contracts.text_analysis import OperationResult
from deployments.text.operation import AnalyzedText, Options, PlainOperation

POSTING_TIME = "posting-time"
MAX_OUTCOMES = 1_000
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIGITS = 3


class PostingTime(PlainOperation):
    """Implements TextOperation. Options: `platform`, `zone`, `outcomes` (rows of a time,
    impressions and engagements), `count` of the hours to name."""

    name = POSTING_TIME
    by = "hour-of-week@1"

    def analyze(
        self, text: AnalyzedText, options: Options, vectors: Vectors | None
    ) -> OperationResult:
        platform, count = options["platform"], options["count"]
        check_platform(platform)
        outcomes = [PostOutcome(*row) for row in options["outcomes"]]
        profile = week_profile(outcomes, ZoneInfo(options["zone"]))
        value = {
            "basis": "outcomes" if profile.hours else "none",
            "posts": profile.posts,
            "reason": profile.reason or None,
            "hours": [_hour(hour) for hour in profile.best(count)],
            "draft": _draft(text.text, platform, profile) if text.text.strip() else None,
        }
        return OperationResult(self.by, value)


def _hour(hour: HourOfWeek) -> dict[str, Any]:
    return {
        **_time(hour.hour),
        "index": round(hour.index, _DIGITS),
        "low": round(hour.low, _DIGITS),
        "high": round(hour.high, _DIGITS),
        "posts": hour.posts,
        "is_certain": hour.is_certain,
    }


def _draft(text: str, platform: str, profile: WeekProfile) -> dict[str, Any]:
    """The best combination for a draft, beside the draft as it is in a mean hour."""
    row = features(text, platform)
    index = np.array([hour.index for hour in profile.hours]) if profile.hours else None
    best = what_if(row, platform, index)[0]
    [now] = prior_scores(row[None, :], platform)
    return {
        "basis": "prior",
        "score": round(float(now), _DIGITS),
        "characters": int(row[COLUMN["characters"]]),
        "hashtags": int(row[COLUMN["hashtags"]]),
        "best": {
            **(_time(best.hour) if profile.hours else {"day": None, "hour": None}),
            "characters": best.characters,
            "hashtags": best.hashtags,
            "score": round(best.score, _DIGITS),
        },
    }


def _time(hour: int) -> dict[str, Any]:
    return {"day": DAYS[hour // 24], "hour": hour % 24}
