"""Outcomes as values, and the readings of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

POST = "post"  # the kind of subject that is a post of the library
MAX_AGE_S = 35 * 86_400.0
MAX_AHEAD_S = 300.0
MICRO = 1_000_000
NAMES = {  # of outcomes that a post's metrics have a field for
    "impression": "impressions",
    "click": "clicks",
    "like": "likes",
    "comment": "comments",
    "share": "shares",
    "save": "saves",
    "conversion": "conversions",
}
IMPRESSION = "impression"
ENGAGEMENTS = tuple(name for name in NAMES if name != IMPRESSION)


@dataclass(frozen=True, slots=True)
class Outcome:
    """`count` times `name` happened to a subject, `at` (Unix seconds). `value` is the worth of all
    of them together in millionths of `currency` (empty: none). `user` is the tenant's own name of
    who did it, `id` the caller's: a second outcome with the same id is not counted.
    """

    id: str
    name: str
    count: int
    value: int
    currency: str
    subject_kind: str
    subject: str
    user: str
    request_id: str
    at: float

    @property
    def day(self) -> str:
        """UTC."""
        return datetime.fromtimestamp(self.at, UTC).date().isoformat()


@dataclass(frozen=True, slots=True)
class DailyOutcomes:
    """What happened to one subject on one day (UTC): counts by name of outcome, worth by
    currency, in millionths."""

    day: str
    counts: Mapping[str, int]
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class PublishedPostOutcome:
    """What came of one post of the library: `published` (Unix seconds), how often it was seen, and
    how often anything of ENGAGEMENTS was done with it."""

    published: float
    platform: str
    body: str
    impressions: int
    engagements: int
