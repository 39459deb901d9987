"""What callers send and get about usage, the audit trail, events and webhooks.

Instants are Unix seconds, days are UTC, money is in millionths of the plan's currency.
"""

import re
from datetime import UTC, date, datetime, time
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cluster.administration.reports import MAX_ROWS
from cluster.runtime.numbers import FLOAT32
from cluster.tenants.plan import Id
from cluster.usage.report import GROUPS, Group
from deployments.ingress.schemas.admin import PageQuery, PageResponse, Patch, Strict, example

MAX_GRACE_S = 7 * 86_400
Url = Annotated[str, Field(min_length=1, max_length=2000)]
Kinds = Annotated[
    list[Annotated[str, Field(max_length=64)]],
    Field(min_length=1, max_length=50, description="`key.created`, a family `key.*`, or `*`."),
]
Text = Annotated[str, Field(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
Instant = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False), FLOAT32]
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def _day(given: object) -> object:
    """Pydantic takes `0` for 1970-01-01, and Unix seconds for the day that they fall on."""
    if isinstance(given, str) and _DAY.fullmatch(given):
        return date.fromisoformat(given)
    raise ValueError("must be a day such as 2026-01-31")


Day = Annotated[date, BeforeValidator(_day)]
UsageValue = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class UsageQuery(BaseModel):
    """Which days (both included; by default this month up to today), which usage of them, and how
    to split it. One of `team`, `end_user`, `tag` and `provider` at a time, and not with `key`.

    Grouped by tenant, and naming none, the operator sees all tenants.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Id | None = None
    since: Annotated[Day | None, Field(alias="from")] = None
    until: Annotated[Day | None, Field(alias="to")] = None
    group_by: Annotated[list[Group], Field(max_length=len(GROUPS))] = []
    key: UsageValue | None = None
    model: UsageValue | None = None
    team: UsageValue | None = None
    end_user: Annotated[
        Annotated[str, Field(min_length=1, max_length=512)] | None,
        Field(description="The tenant's own name of a user, or the pseudonym in a report."),
    ] = None
    tag: UsageValue | None = None
    provider: UsageValue | None = None
    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = MAX_ROWS
    cursor: Annotated[str, Field(max_length=4_000, pattern=r"^[A-Za-z0-9_-]+$")] | None = None


class UsageRow(BaseModel):
    """Exact amounts by unit, for one combination of what was grouped by."""

    group: dict[str, str]
    amounts: dict[str, int]
    cost: int
    revenue: int


class UsageResponse(PageResponse):
    """What was used from one day to another. `currency` is the plan's; null with the usage of
    several tenants.
    """

    since: Annotated[str, Field(serialization_alias="from")]
    until: Annotated[str, Field(serialization_alias="to")]
    currency: str | None
    data: list[UsageRow]


class AuditFilter(BaseModel):
    """Which records; `from` (included) and `to` (not included) are Unix seconds, more than 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Id | None = None
    actor: Text | None = None
    action: Text | None = None
    resource: Text | None = None
    outcome: Text | None = None
    request_id: Text | None = None
    since: Annotated[Instant | None, Field(alias="from", gt=0)] = None
    until: Annotated[Instant | None, Field(alias="to", gt=0)] = None

    @model_validator(mode="after")
    def _is_a_span(self) -> Self:
        if self.since is not None and self.until is not None and self.since >= self.until:
            raise ValueError("from must be less than to")
        return self


class AuditQuery(PageQuery, AuditFilter):
    """One page of them."""


class AuditEntryResponse(BaseModel):
    """One record, and its place in the chain of the process that wrote it."""

    writer: str
    seq: int
    at: float
    tenant: str
    actor: str
    action: str
    resource: str
    outcome: str
    request_id: str
    detail: dict[str, Any]
    mac: str


class AuditPage(PageResponse):
    data: list[AuditEntryResponse]


class AuditVerificationResponse(BaseModel):
    """Whether every record is as it was written; `findings` says where not, `notes` what else."""

    ok: bool
    records: int
    writers: int
    checkpoints: int
    rows: int
    lost: int
    alarms: int
    findings: list[str]
    notes: list[str]


class AuditPrune(Strict):
    """Body of `POST /api/v1/audit/prune`: a day (UTC, from its start) or Unix seconds."""

    model_config = example(before="2026-01-31")

    before: Annotated[Instant, Field(gt=0)] | Day

    @property
    def instant(self) -> float:
        """In Unix seconds."""
        if isinstance(self.before, date):
            return datetime.combine(self.before, time(), UTC).timestamp()
        return float(self.before)


class AuditPruneResponse(BaseModel):
    """How many records were removed, and the instant in Unix seconds."""

    removed: int
    before: float


class EventQuery(PageQuery):
    tenant: Id | None = None


class EventResponse(BaseModel):
    """Something that happened in the tenant."""

    id: str
    tenant: str
    kind: str
    at: float
    data: dict[str, Any]


class EventPage(PageResponse):
    data: list[EventResponse]


class WebhookCreate(Strict):
    """Body of `POST /api/v1/tenants/{tenant}/webhooks`."""

    model_config = example(url="https://hooks.acme.example/mobula", kinds=["key.*", "limit.hit"])

    url: Url
    kinds: Kinds = ["*"]


class WebhookPatch(Patch):
    """Body of `PATCH .../webhooks/{webhook}`."""

    model_config = example(status="disabled")

    url: Url | None = None
    kinds: Kinds | None = None
    status: Literal["active", "disabled"] | None = None


class WebhookRotation(Strict):
    """Body of `POST .../webhooks/{webhook}/rotate`: how long the old secret signs as well."""

    model_config = example(grace_s=86_400)

    grace_s: Annotated[int, Field(ge=0, le=MAX_GRACE_S)] = 86_400


class WebhookResponse(BaseModel):
    """One webhook, without its secret."""

    id: str
    tenant: str
    url: str
    kinds: list[str]
    status: Literal["active", "disabled"]
    created: float
    updated: float


class NewWebhookResponse(WebhookResponse):
    """`secret` verifies signatures; it is shown this once."""

    secret: str


class WebhookPage(PageResponse):
    data: list[WebhookResponse]


class DeliveryResponse(BaseModel):
    """How sending one event stands; `next` is when the next try is due, while it is pending."""

    id: str
    event: str
    kind: str
    status: Literal["pending", "delivered", "failed"]
    attempts: int
    next: float
    last_error: str | None


class DeliveryPage(PageResponse):
    data: list[DeliveryResponse]


class TestEventResponse(BaseModel):
    """The id of the event that was sent."""

    __test__ = False

    event: str
