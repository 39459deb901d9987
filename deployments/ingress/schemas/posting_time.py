"""What callers send to learn the best time to post, and what they get."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from cluster.runtime.numbers import FLOAT32
from deployments.content.optimization.task import MAX_CHARACTERS
from deployments.content.posting_time import MAX_OUTCOMES
from deployments.ingress.schemas.content import EndUser, Name
from deployments.ingress.schemas.embeddings import ApiResponse
from deployments.ingress.schemas.text import check_characters

Count = Annotated[int, Field(ge=0, le=10**12)]
_LATEST = 253_402_300_799  # 31 December 9999


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PydanticCustomError("zone", "is no time zone, as Europe/Berlin is one") from None
    return name


class ReportedOutcome(BaseModel):
    """One post of yours: `at` is when it was published (Unix seconds), `engagements` what people
    did with it: likes, comments, shares, clicks together."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    at: Annotated[float, Field(ge=0, le=_LATEST), FLOAT32]
    impressions: Count
    engagements: Count


class PostingTimeRequest(BaseModel):
    """Body of `POST /api/v1/posts/best-time`: what came of posts of yours, or nothing, for those of
    the library; with a `text`, also the best hour, number of hashtags and length for it."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "example": {
                "platform": "instagram",
                "zone": "Europe/Berlin",
                "outcomes": [{"at": 1788278400, "impressions": 900, "engagements": 41}],
            }
        },
    )

    outcomes: Annotated[
        list[ReportedOutcome] | None,
        Field(
            max_length=MAX_OUTCOMES,
            description="Left out: of the posts in the library, for callers with `analytics:read`.",
        ),
    ] = None
    zone: Annotated[str, Field(max_length=64), AfterValidator(_check_zone)] = "UTC"
    platform: Name = "instagram"
    text: (
        Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(check_characters)] | None
    ) = None
    count: Annotated[int, Field(ge=1, le=168, description="Hours to name.")] = 5
    stream: bool = False
    user: EndUser | None = None


class TimeOfWeek(ApiResponse):
    """`index` is the rate of engagement beside your mean (1.2: a fifth more), between `low` and
    `high` with 90 %; `is_certain` where all of that is on one side of 1. `posts` were published in
    this very hour; of an hour without any, the index is that of its day and of the hours around."""

    day: str
    hour: int
    index: float
    low: float
    high: float
    posts: int
    is_certain: bool


class BestCombination(ApiResponse):
    """`day` and `hour` null: nothing is known of hours."""

    day: str | None
    hour: int | None
    characters: int
    hashtags: int
    score: float


class DraftTiming(ApiResponse):
    """The draft as it is, in a mean hour, and the best of all hours, numbers of hashtags and
    lengths. The score is a number to rank by (`prior`), times the hour's index."""

    basis: Literal["prior"]
    score: float
    characters: int
    hashtags: int
    best: BestCombination


class PostingTimeResponse(ApiResponse):
    """`hours` best first; none where `basis` is `none`, as `reason` says."""

    id: str
    object: Literal["post.timing"]
    created: int
    by: str
    zone: str
    source: Annotated[
        Literal["request", "library", "none"], Field(description="Where outcomes are from.")
    ]
    basis: Literal["outcomes", "none"]
    posts: int
    reason: str | None
    hours: list[TimeOfWeek]
    draft: DraftTiming | None
