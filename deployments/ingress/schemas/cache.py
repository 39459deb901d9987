"""What callers send and get about the cache: what shall be worthless, and how it does.

Shapes only; which names there can be is in cluster/invalidation.
"""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cluster.invalidation.target import MAX_MODEL, Kind, Target, target_all
from cluster.tenants.plan import Id
from deployments.ingress.schemas.admin import Strict, example

Name = Annotated[str, Field(min_length=1, max_length=MAX_MODEL)]
_WHAT = ("tag", "prefix", "model", "everything")
_ONE = f"give one of: {', '.join(_WHAT)}"


class InvalidationTarget(BaseModel):
    """What is invalidated: one of the fields."""

    tag: Annotated[Name | None, Field(description="What is stored under this tag.")] = None
    prefix: Annotated[
        Name | None, Field(description="What is stored under any tag that starts so.")
    ] = None
    model: Annotated[Name | None, Field(description="What this model answered.")] = None
    everything: Annotated[bool, Field(description="All there is.")] = False

    def given(self) -> list[str]:
        return [name for name in _WHAT if getattr(self, name)]

    def target(self, tenant: str) -> Target:
        """Of this tenant, or EVERYBODY; everything, unless something is named."""
        if self.tag is not None:
            return Target("tag", self.tag)
        if self.prefix is not None:
            return Target("prefix", self.prefix)
        return target_all(tenant) if self.model is None else Target("model", self.model)


class InvalidationCreate(InvalidationTarget, Strict):
    """Body of `POST /api/v1/cache/invalidations`: exactly one field."""

    model_config = example(tag="post:17")

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.given()) != 1:
            raise ValueError(_ONE)
        return self


class TenantQuery(BaseModel):
    """Whose answers: the caller's own tenant's, if nothing is said; the rest is the operator's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: Id | None = None
    all_tenants: Annotated[bool, Field(description="Every tenant's; for the operator.")] = False

    @model_validator(mode="after")
    def _is_one_or_all(self) -> Self:
        if self.all_tenants and self.tenant is not None:
            raise ValueError("give tenant or all_tenants, not both")
        return self


class InvalidationQuery(InvalidationTarget, TenantQuery):
    """`DELETE /api/v1/cache`: at most one of what there is; none is everything."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if len(self.given()) > 1:
            raise ValueError(_ONE)
        return self


class InvalidationResponse(BaseModel):
    """What was invalidated: the requested target, or the whole tenant if too many targets of it
    were active.

    `tenant` is null for every tenant's; `seq` rises from one invalidation to the next.
    """

    tenant: str | None
    kind: Kind
    name: str
    seq: int
    visible_within_s: float


class TierStatsResponse(BaseModel):
    """One tier: what it did since its replicas started, and what it holds (-1: it cannot tell)."""

    model_config = ConfigDict(from_attributes=True)

    hits: int
    misses: int
    bytes: int
    entries: int
    evictions: int
    errors: int


class SemanticStatsResponse(BaseModel):
    """Answers given to requests of the same meaning, and how many of those checked were wrong."""

    model_config = ConfigDict(from_attributes=True)

    entries: int
    compared: int
    hits: int
    checks: int
    errors: int
    error: float | None
    error_upper: float
    bound: float


class CacheFigures(BaseModel):
    """What the cache did, summed over `replicas`; a tier that is off is null."""

    model_config = ConfigDict(from_attributes=True)

    replicas: int
    l1: TierStatsResponse | None
    l2: TierStatsResponse | None
    l3: TierStatsResponse | None
    coalesced: int
    stale_served: int
    errors_covered: int
    refreshes: int
    bypassed: int
    computed: int
    stored: int
    invalidated: int
    tokens_saved: int
    semantic: SemanticStatsResponse | None


class CacheStatsResponse(CacheFigures):
    """`tenant` is null for every tenant's figures."""

    tenant: str | None
