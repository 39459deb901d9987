"""The catalogue: every kind of event, and the shape of what it says.

Flows in: a kind and its data, as the code that saw it happen states them. Flows out: the same
data, checked, fit for JSON; or ValueError, because a wrong event is a fault of ours. A shape has
no room for a secret, a prompt or an answer: fields are closed and texts are short.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Short = Annotated[str, Field(max_length=300, pattern=r"^[^\x00]*$")]
Whole = Annotated[int, Field(ge=0)]


class EventKind(StrEnum):
    """`<family>.<what happened>`; a webhook asks for kinds, families (`key.*`) or all (`*`)."""

    TENANT_CREATED = "tenant.created"
    TENANT_UPDATED = "tenant.updated"
    TENANT_SUSPENDED = "tenant.suspended"
    TENANT_RESUMED = "tenant.resumed"
    PLAN_CREATED = "plan.created"
    PLAN_UPDATED = "plan.updated"
    PLAN_DELETED = "plan.deleted"
    KEY_CREATED = "key.created"
    KEY_ROTATED = "key.rotated"
    KEY_REVOKED = "key.revoked"
    KEY_EXPIRING = "key.expiring"
    USER_CREATED = "user.created"
    USER_UPDATED = "user.updated"
    USER_DISABLED = "user.disabled"
    USER_DELETED = "user.deleted"
    REFRESH_REUSED = "auth.refresh_reused"
    LIMIT_HIT = "limit.hit"
    LIMIT_SHADOW_HIT = "limit.shadow_hit"
    BUDGET_THRESHOLD = "budget.threshold"
    AUTHORITY_DOWN = "authority.down"
    AUTHORITY_UP = "authority.up"
    WEBHOOK_CREATED = "webhook.created"
    WEBHOOK_UPDATED = "webhook.updated"
    WEBHOOK_DELETED = "webhook.deleted"
    WEBHOOK_ROTATED = "webhook.rotated"
    WEBHOOK_DISABLED = "webhook.disabled"
    WEBHOOK_TEST = "webhook.test"
    JOB_SUCCEEDED = "job.succeeded"
    JOB_PARTIAL = "job.partial"
    JOB_FAILED = "job.failed"
    JOB_CANCELED = "job.canceled"
    CLIP_READY = "clip.ready"
    SCALING_BOUND = "scaling.bound"
    SCALING_RELEASED = "scaling.released"


class Shape(BaseModel):
    """What an event of some kind says; closed, so that nothing slips in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Thing(Shape):
    """`id` of what was created, disabled, deleted..."""

    id: Short


class Named(Thing):
    name: Short = ""


class TenantCreated(Named):
    plan: Short


class Updated(Thing):
    """`changed` names the fields that changed, not their values."""

    changed: tuple[Short, ...] = ()


class KeyCreated(Named):
    """`expires` is Unix seconds; None: never."""

    scopes: tuple[Short, ...] = ()
    expires: float | None = None


class KeyRotated(Thing):
    """The old key's `id` works until `expires` (Unix seconds)."""

    replaced_by: Short
    expires: float | None = None


class KeyExpiring(Thing):
    expires: float


class UserCreated(Thing):
    role: Short


class RefreshReused(Shape):
    """A refresh token came twice, so the whole family was revoked."""

    user: Short
    family: Short = ""


class LimitHit(Shape):
    """`limit` as in RateLimit-Policy; `count` is how many requests met it since the last event."""

    limit: Short
    request_class: Short = ""
    model: Short = ""
    count: Annotated[int, Field(ge=1)] = 1


class BudgetThreshold(Shape):
    """`window` is the day or month (UTC), such as 2026-11-21 or 2026-11."""

    unit: Short
    period: Literal["day", "month"]
    window: Short
    percent: Annotated[int, Field(ge=1, le=100)]
    spent: Whole
    budget: Whole


class AuthorityChanged(Shape):
    """`authority` is embedded or redis; `replica` is who noticed."""

    authority: Short = ""
    replica: Short = ""


class WebhookDisabled(Thing):
    reason: Short


class JobEnded(Thing):
    """`work` is the job's kind, such as video.clips; `subject` what it was about: a video's id."""

    work: Short
    subject: Short = ""
    attempts: Whole = 0


class JobFailed(JobEnded):
    """`problem` and `status` are the slug and status of why."""

    problem: Short
    status: Annotated[int, Field(ge=400, le=599)]


class ClipReady(Shape):
    """Clip `number` (from 1) of `job`, cut from `video`, can be fetched."""

    job: Short
    number: Annotated[int, Field(ge=1)]
    video: Short = ""


class ScalingBound(Thing):
    """The operator keeps deployment `id` at `floor` replicas or more, `ceiling` or less, up to
    `until` (Unix seconds; None: until it is taken back)."""

    floor: Whole | None = None
    ceiling: Whole | None = None
    until: float | None = None


SHAPES: Mapping[EventKind, type[Shape]] = {
    EventKind.TENANT_CREATED: TenantCreated,
    EventKind.TENANT_UPDATED: Updated,
    EventKind.TENANT_SUSPENDED: Thing,
    EventKind.TENANT_RESUMED: Thing,
    EventKind.PLAN_CREATED: Thing,
    EventKind.PLAN_UPDATED: Updated,
    EventKind.PLAN_DELETED: Thing,
    EventKind.KEY_CREATED: KeyCreated,
    EventKind.KEY_ROTATED: KeyRotated,
    EventKind.KEY_REVOKED: Thing,
    EventKind.KEY_EXPIRING: KeyExpiring,
    EventKind.USER_CREATED: UserCreated,
    EventKind.USER_UPDATED: Updated,
    EventKind.USER_DISABLED: Thing,
    EventKind.USER_DELETED: Thing,
    EventKind.REFRESH_REUSED: RefreshReused,
    EventKind.LIMIT_HIT: LimitHit,
    EventKind.LIMIT_SHADOW_HIT: LimitHit,
    EventKind.BUDGET_THRESHOLD: BudgetThreshold,
    EventKind.AUTHORITY_DOWN: AuthorityChanged,
    EventKind.AUTHORITY_UP: AuthorityChanged,
    EventKind.WEBHOOK_CREATED: Thing,
    EventKind.WEBHOOK_UPDATED: Updated,
    EventKind.WEBHOOK_DELETED: Thing,
    EventKind.WEBHOOK_ROTATED: Thing,
    EventKind.WEBHOOK_DISABLED: WebhookDisabled,
    EventKind.WEBHOOK_TEST: Thing,
    EventKind.JOB_SUCCEEDED: JobEnded,
    EventKind.JOB_PARTIAL: JobEnded,
    EventKind.JOB_FAILED: JobFailed,
    EventKind.JOB_CANCELED: JobEnded,
    EventKind.CLIP_READY: ClipReady,
    EventKind.SCALING_BOUND: ScalingBound,
    EventKind.SCALING_RELEASED: Thing,
}
FAMILIES = frozenset(kind.value.partition(".")[0] for kind in EventKind)


def checked(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as JSON values. Raises ValueError for an unknown kind or another shape."""
    return SHAPES[EventKind(kind)].model_validate(dict(data)).model_dump(mode="json")


def is_pattern(pattern: str) -> bool:
    """Whether `pattern` names something that can happen: `*`, `key.*` or `key.created`."""
    family, _, rest = pattern.partition(".")
    return pattern == "*" or (family in FAMILIES and rest == "*") or pattern in SHAPES


def wants(patterns: list[str], kind: str) -> bool:
    """Whether one of a webhook's patterns takes this kind."""
    family = kind.partition(".")[0]
    return bool({"*", f"{family}.*", kind} & set(patterns))
