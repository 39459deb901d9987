"""What callers send and get about teams of keys. Instants are Unix seconds."""

from pydantic import BaseModel

from cluster.tenants.plan import Id
from cluster.tenants.policy import LimitPolicy
from deployments.ingress.schemas.admin import (
    Label,
    PageQuery,
    PageResponse,
    Patch,
    Strict,
    example,
)


class TeamQuery(PageQuery):
    """Whose teams: the caller's own tenant's, if none is named."""

    tenant: Id | None = None


class TeamCreate(Strict):
    """Body of `POST /api/v1/teams`."""

    model_config = example(
        id="research",
        name="Research",
        policy={"budgets": {"tokens": {"month": 10_000_000}}, "spend": {"amount": 50_000_000}},
    )

    id: Id
    name: Label
    policy: LimitPolicy | None = None


class TeamPatch(Patch):
    """Body of `PATCH /api/v1/teams/{team}`; a policy replaces the whole one, `{}` removes it."""

    model_config = example(name="Research and development")

    name: Label | None = None
    policy: LimitPolicy | None = None


class TeamResponse(BaseModel):
    """One team; `policy` null: it limits nothing."""

    id: str
    tenant: str
    name: str
    policy: LimitPolicy | None
    created: float
    updated: float


class TeamPage(PageResponse):
    data: list[TeamResponse]
