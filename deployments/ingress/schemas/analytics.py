"""What callers send and get about outcomes. Instants are Unix seconds, days are UTC."""

from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SkipValidation,
    field_validator,
    model_validator,
)

from cluster.outcomes.currencies import CURRENCIES
from cluster.outcomes.model import MICRO, Outcome
from cluster.runtime.numbers import FLOAT32
from cluster.tenants.plan import Id
from deployments.ingress.schemas.admin import Strict, example
from deployments.ingress.schemas.records import Day

MAX_EVENTS = 1_000
MAX_COUNT = 10**9
MAX_VALUE = 1e9
_VISIBLE = r"^[!-~]+$"
_EVENT = {
    "id": "evt-1", "name": "click", "count": 3, "subject": {"kind": "post", "id": "post_1"},
    "at": 1_790_000_000.0,
}  # fmt: skip


class OutcomeSubject(Strict):
    """`post` and the id of a post of the library, or another kind of the caller's own."""

    kind: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    id: Annotated[str, Field(max_length=128, pattern=_VISIBLE)]


class OutcomeEvent(Strict):
    """One outcome. `value` is what all `count` of them are worth together, in `currency`."""

    id: Annotated[str, Field(max_length=128, pattern=_VISIBLE)]
    name: Annotated[
        str,
        Field(
            pattern=r"^[a-z][a-z0-9_.-]{0,63}$",
            description="impression, click, like, comment, share, save, conversion, or your own.",
        ),
    ]
    count: Annotated[int, Field(ge=1, le=MAX_COUNT)] = 1
    value: Annotated[float, Field(ge=0, le=MAX_VALUE, allow_inf_nan=False), FLOAT32] | None = None
    currency: Annotated[str, Field(max_length=3)] | None = None
    subject: OutcomeSubject
    user: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    request_id: Annotated[str, Field(max_length=128, pattern=_VISIBLE)] | None = None
    at: Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False), FLOAT32] | None = None

    @field_validator("currency")
    @classmethod
    def _is_known(cls, currency: str | None) -> str | None:
        if currency is not None and currency not in CURRENCIES:
            raise ValueError("is no currency of ISO 4217, such as EUR")
        return currency

    @model_validator(mode="after")
    def _is_of_a_value(self) -> Self:
        if self.currency is not None and self.value is None:
            raise ValueError("currency: needs a value")
        return self

    def outcome(self, now: float) -> Outcome:
        return Outcome(
            id=self.id,
            name=self.name,
            count=self.count,
            value=round((self.value or 0.0) * MICRO),
            currency=self.currency or "",
            subject_kind=self.subject.kind,
            subject=self.subject.id,
            user=self.user or "",
            request_id=self.request_id or "",
            at=now if self.at is None else self.at,
        )


class OutcomeEvents(Strict):
    """Body of `POST /api/v1/analytics/events`. Each event is checked by itself, by the route."""

    model_config = example(events=[_EVENT])

    events: Annotated[
        list[SkipValidation[OutcomeEvent]], Field(min_length=1, max_length=MAX_EVENTS)
    ]


class OutcomeError(BaseModel):
    """The event at `index` was not stored."""

    index: int
    id: str | None
    errors: Annotated[
        list[dict[str, Any]], Field(description="`pointer`, `detail` and `type` of each fault.")
    ]


class OutcomeReceipt(BaseModel):
    """`duplicates` were stored before, under the same ids."""

    accepted: int
    duplicates: int
    rejected: int
    errors: list[OutcomeError]


class MetricsQuery(BaseModel):
    """Days, both included; by default the last 30."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Id | None = None
    since: Annotated[Day | None, Field(alias="from")] = None
    until: Annotated[Day | None, Field(alias="to")] = None


class PostDayMetrics(BaseModel):
    """`other` counts outcomes of the caller's own names; `values` are amounts by currency (empty
    text: without one)."""

    impressions: int = 0
    clicks: int = 0
    likes: int = 0
    comments: int = 0
    shares: int = 0
    saves: int = 0
    conversions: int = 0
    other: dict[str, int] = {}
    values: dict[str, float] = {}


class PostDay(PostDayMetrics):
    day: date


class PostMetricsResponse(BaseModel):
    """Days without outcomes are left out."""

    post: str
    since: date
    until: date
    total: PostDayMetrics
    data: list[PostDay]
