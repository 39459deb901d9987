"""Event kinds and the schemas of their payloads.

In: a kind and its data. Out: the validated data as JSON values; or ValueError, as an invalid event
is a bug. Schemas exclude secrets, prompts and responses: fields are closed and texts are short.
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
    KEY_UPDATED = "key.updated"
    KEY_EXPIRING = "key.expiring"
    TEAM_CREATED = "team.created"
    TEAM_UPDATED = "team.updated"
    TEAM_DELETED = "team.deleted"
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
    DEPENDENCY_DOWN = "dependency.down"
    DEPENDENCY_UP = "dependency.up"
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
    GENERATION_SUCCEEDED = "generation.succeeded"
    GENERATION_REFUSED = "generation.refused"
    GENERATION_FAILED = "generation.failed"
    GENERATION_CACHED = "generation.cached"
    POST_CREATED = "post.created"
    POST_UPDATED = "post.updated"
    POST_STATUS_CHANGED = "post.status_changed"
    POST_DELETED = "post.deleted"
    POST_DUE = "post.due"
    COLLECTION_CREATED = "collection.created"
    COLLECTION_UPDATED = "collection.updated"
    COLLECTION_REINDEXED = "collection.reindexed"
    COLLECTION_DELETED = "collection.deleted"
    SCALING_BOUND = "scaling.bound"
    SCALING_RELEASED = "scaling.released"


class EventPayload(BaseModel):
    """What an event of some kind says; closed, so that nothing slips in."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ResourceRef(EventPayload):
    """`id` of what was created, disabled, deleted..."""

    id: Short


class NamedResource(ResourceRef):
    name: Short = ""


class TenantCreated(NamedResource):
    plan: Short


class ResourceUpdated(ResourceRef):
    """`changed` names the fields that changed, not their values."""

    changed: tuple[Short, ...] = ()


class KeyCreated(NamedResource):
    """`expires` is Unix seconds; None: never."""

    scopes: tuple[Short, ...] = ()
    expires: float | None = None


class KeyRotated(ResourceRef):
    """The old key's `id` works until `expires` (Unix seconds)."""

    replaced_by: Short
    expires: float | None = None


class KeyExpiring(ResourceRef):
    expires: float


class UserCreated(ResourceRef):
    role: Short


class RefreshTokenReused(EventPayload):
    """A refresh token came twice, so the whole family was revoked."""

    user: Short
    family: Short = ""


class LimitHit(EventPayload):
    """`limit` as in RateLimit-Policy; `count` is how many requests met it since the last event.
    `key`, `team` or `end_user` (a digest of its name) is whose limit it is; none: the tenant's."""

    limit: Short
    request_class: Short = ""
    model: Short = ""
    count: Annotated[int, Field(ge=1)] = 1
    key: Short = ""
    team: Short = ""
    end_user: Short = ""


class BudgetThreshold(EventPayload):
    """`window` is the day or month (UTC), such as 2026-11-21 or 2026-11. `key` or `team` is whose
    budget it is; none: the tenant's. Of the unit `spend`, amounts are micro-currency."""

    unit: Short
    period: Literal["day", "month", "total"]
    window: Short
    percent: Annotated[int, Field(ge=1, le=100)]
    spent: Whole
    budget: Whole
    key: Short = ""
    team: Short = ""


class AuthorityChanged(EventPayload):
    """`authority` is embedded or redis; `replica` is who noticed."""

    authority: Short = ""
    replica: Short = ""


class DependencyChanged(ResourceRef):
    """Dependency `id` (GET /api/v1/health/dependencies) is away, or has come back, as `replica`
    sees it; `since` is Unix seconds, `state` what it is now, `detail` what is wrong."""

    dependency_kind: Short = ""
    state: Literal["up", "degraded", "down"]
    since: float
    detail: Short = ""
    replica: Short = ""


class WebhookDisabled(ResourceRef):
    reason: Short


class JobEnded(ResourceRef):
    """`work` is the job's kind, such as video.clips; `subject` what it was about: a video's id."""

    work: Short
    subject: Short = ""
    attempts: Whole = 0


class JobFailed(JobEnded):
    """`problem` and `status` are the slug and status of why."""

    problem: Short
    status: Annotated[int, Field(ge=400, le=599)]


class ClipReady(EventPayload):
    """Clip `number` (from 1) of `job`, cut from `video`, can be fetched."""

    job: Short
    number: Annotated[int, Field(ge=1)]
    video: Short = ""


class ScalingBound(ResourceRef):
    """The operator keeps deployment `id` at `floor` replicas or more, `ceiling` or less, up to
    `until` (Unix seconds; None: until it is taken back)."""

    floor: Whole | None = None
    ceiling: Whole | None = None
    until: float | None = None


class GenerationEnded(EventPayload):
    """Generations by HTTP that ended alike: `count` in the last minute or so; or one that was
    sampled, with its `request_id` and `ms` until the end of the response. `model` is empty where it
    is none of the cluster's, `problem` where there was none."""

    operation: Short
    model: Short = ""
    status: Annotated[int, Field(ge=100, le=599)]
    problem: Short = ""
    count: Annotated[int, Field(ge=1)] = 1
    request_id: Short = ""
    ms: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class PostChanged(ResourceRef):
    """Post `id` of the library, whose `revision` is now this; `changed` names the fields that
    changed, of which `version` is the text."""

    revision: Whole
    status: Short
    changed: tuple[Short, ...] = ()


class PostStatusChanged(ResourceRef):
    """`transition` has led from `before` to `status`."""

    revision: Whole
    transition: Short
    before: Short
    status: Short


class PostDue(ResourceRef):
    """The time has come for which a post is scheduled, its time number `schedule`. `scheduled` is
    Unix seconds, in `zone`; whoever publishes the post then says so by a transition."""

    revision: Whole
    platform: Short
    scheduled: float
    zone: Short
    schedule: Whole


class CollectionReindexed(NamedResource):
    """Searches of collection `id` use what job `job` has made, by `model`."""

    job: Short
    model: Short = ""


PAYLOAD_MODELS: Mapping[EventKind, type[EventPayload]] = {
    EventKind.TENANT_CREATED: TenantCreated,
    EventKind.TENANT_UPDATED: ResourceUpdated,
    EventKind.TENANT_SUSPENDED: ResourceRef,
    EventKind.TENANT_RESUMED: ResourceRef,
    EventKind.PLAN_CREATED: ResourceRef,
    EventKind.PLAN_UPDATED: ResourceUpdated,
    EventKind.PLAN_DELETED: ResourceRef,
    EventKind.KEY_CREATED: KeyCreated,
    EventKind.KEY_ROTATED: KeyRotated,
    EventKind.KEY_REVOKED: ResourceRef,
    EventKind.KEY_UPDATED: ResourceUpdated,
    EventKind.TEAM_CREATED: NamedResource,
    EventKind.TEAM_UPDATED: ResourceUpdated,
    EventKind.TEAM_DELETED: ResourceRef,
    EventKind.KEY_EXPIRING: KeyExpiring,
    EventKind.USER_CREATED: UserCreated,
    EventKind.USER_UPDATED: ResourceUpdated,
    EventKind.USER_DISABLED: ResourceRef,
    EventKind.USER_DELETED: ResourceRef,
    EventKind.REFRESH_REUSED: RefreshTokenReused,
    EventKind.LIMIT_HIT: LimitHit,
    EventKind.LIMIT_SHADOW_HIT: LimitHit,
    EventKind.BUDGET_THRESHOLD: BudgetThreshold,
    EventKind.AUTHORITY_DOWN: AuthorityChanged,
    EventKind.AUTHORITY_UP: AuthorityChanged,
    EventKind.DEPENDENCY_DOWN: DependencyChanged,
    EventKind.DEPENDENCY_UP: DependencyChanged,
    EventKind.WEBHOOK_CREATED: ResourceRef,
    EventKind.WEBHOOK_UPDATED: ResourceUpdated,
    EventKind.WEBHOOK_DELETED: ResourceRef,
    EventKind.WEBHOOK_ROTATED: ResourceRef,
    EventKind.WEBHOOK_DISABLED: WebhookDisabled,
    EventKind.WEBHOOK_TEST: ResourceRef,
    EventKind.JOB_SUCCEEDED: JobEnded,
    EventKind.JOB_PARTIAL: JobEnded,
    EventKind.JOB_FAILED: JobFailed,
    EventKind.JOB_CANCELED: JobEnded,
    EventKind.CLIP_READY: ClipReady,
    EventKind.GENERATION_SUCCEEDED: GenerationEnded,
    EventKind.GENERATION_REFUSED: GenerationEnded,
    EventKind.GENERATION_FAILED: GenerationEnded,
    EventKind.GENERATION_CACHED: GenerationEnded,
    EventKind.POST_CREATED: PostChanged,
    EventKind.POST_UPDATED: PostChanged,
    EventKind.POST_STATUS_CHANGED: PostStatusChanged,
    EventKind.POST_DELETED: ResourceRef,
    EventKind.POST_DUE: PostDue,
    EventKind.COLLECTION_CREATED: NamedResource,
    EventKind.COLLECTION_UPDATED: ResourceUpdated,
    EventKind.COLLECTION_REINDEXED: CollectionReindexed,
    EventKind.COLLECTION_DELETED: NamedResource,
    EventKind.SCALING_BOUND: ScalingBound,
    EventKind.SCALING_RELEASED: ResourceRef,
}
FAMILIES = frozenset(kind.value.partition(".")[0] for kind in EventKind)


def validate_payload(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """`data` as JSON values. Raises ValueError for an unknown kind or an invalid payload."""
    return PAYLOAD_MODELS[EventKind(kind)].model_validate(dict(data)).model_dump(mode="json")


def is_pattern(pattern: str) -> bool:
    """Whether `pattern` is valid: `*`, `key.*` or `key.created`."""
    family, _, rest = pattern.partition(".")
    return pattern == "*" or (family in FAMILIES and rest == "*") or pattern in PAYLOAD_MODELS


def matches_any(patterns: list[str], kind: str) -> bool:
    """Whether one of the patterns matches this kind."""
    family = kind.partition(".")[0]
    return bool({"*", f"{family}.*", kind} & set(patterns))
