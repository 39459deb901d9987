"""What callers send and get about tenants, plans, keys and users.

Shapes and sizes only; who may do what is in deployments/ingress/permissions.py and in the
administration itself. Instants are Unix seconds.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from cluster.runtime.numbers import FLOAT32
from cluster.tenants.caller import Role, Scope
from cluster.tenants.plan import Id, Plan
from cluster.tenants.policy import LimitPolicy
from cluster.tenants.settings import ContentWord, GenerationEvents, ModelName, ZoneName
from cluster.tenants.units import Unit
from deployments.contracts.limits import BucketKind

MAX_PAGE = 200
KEY_LIFE_S = 10 * 365 * 86_400  # no key outlives ten years
GRACE_LIMIT_S = 30 * 86_400
MAX_PASSWORD = 128

Label = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Email = Annotated[
    str, Field(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+$")
]
Password = Annotated[SecretStr, Field(max_length=MAX_PASSWORD)]
NewPassword = Annotated[SecretStr, Field(min_length=12, max_length=MAX_PASSWORD)]
Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
LifeS = Annotated[
    int, Field(ge=60, le=KEY_LIFE_S, description="Seconds from now until the key expires.")
]
Status = Literal["active", "suspended"]
UserStatus = Literal["active", "disabled"]


class Strict(BaseModel):
    """A body: closed, and nothing in it is converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Patch(Strict):
    """A body of which at least one field must be given."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if all(getattr(self, name) is None for name in type(self).model_fields):
            raise ValueError(f"give at least one of: {', '.join(type(self).model_fields)}")
        return self


class PageQuery(BaseModel):
    """Which part of a listing: at most `limit` entries after `cursor`, from the page before."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    cursor: Annotated[str, Field(max_length=400, pattern=r"^[A-Za-z0-9_-]+$")] | None = None


class PageResponse(BaseModel):
    """`next_cursor` is None on the last page."""

    next_cursor: str | None = None


def example(**values: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"example": values})


class EmptyBody(Strict):
    """A body that says nothing: an empty object."""

    model_config = example()


class TenantCreate(Strict):
    """Body of `POST /api/v1/tenants`."""

    model_config = example(id="acme", name="Acme GmbH", plan="default")

    id: Id
    name: Label
    plan: Id = "default"


class TenantPatch(Patch):
    """Body of `PATCH /api/v1/tenants/{tenant}`; plan and status are the operator's."""

    model_config = example(name="Acme AG")

    name: Label | None = None
    plan: Id | None = None
    status: Status | None = None


class TenantSettingsPatch(Strict):
    """Body of `PATCH /api/v1/tenants/{tenant}/settings`; null clears a setting."""

    model_config = example(default_model="nano")

    default_model: ModelName | None = None
    default_embedding_model: ModelName | None = None
    generation_events: GenerationEvents | None = None
    generation_event_ratio: (
        Annotated[float, Field(gt=0, le=1, allow_inf_nan=False), FLOAT32] | None
    ) = None
    authors_may_approve: bool | None = None
    default_style: ContentWord | None = None
    default_language: ContentWord | None = None
    default_platform: ContentWord | None = None
    zone: ZoneName | None = None

    @model_validator(mode="after")
    def _names_a_setting(self) -> Self:
        if not self.model_fields_set:
            raise ValueError(f"give at least one of: {', '.join(type(self).model_fields)}")
        return self


class TenantSettingsResponse(BaseModel):
    """What a tenant has set for itself; null: as the operator has configured it."""

    tenant: str
    default_model: str | None
    default_embedding_model: str | None
    generation_events: GenerationEvents | None
    generation_event_ratio: float | None
    authors_may_approve: bool | None
    default_style: str | None
    default_language: str | None
    default_platform: str | None
    zone: str | None


class TenantResponse(BaseModel):
    """One tenant."""

    id: str
    name: str
    plan: str
    status: Status
    created: float
    updated: float


class TenantPage(PageResponse):
    data: list[TenantResponse]


class PlanPage(PageResponse):
    data: list[Plan]


class LimitState(BaseModel):
    """One limit now, as the replica that answers knows it: other replicas' last second is missing.

    `remaining` is null while nobody can say. A rate is full again in `reset_s` seconds if nothing
    more is spent, and a budget's period ends then.
    """

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: BucketKind
    unit: Unit
    capacity: int
    remaining: int | None
    reset_s: int
    subject: Annotated[
        str, Field(description="`key:<account>` or `team:<id>`; empty: the tenant's.")
    ] = ""


class LimitsResponse(BaseModel):
    """What the tenant's plan allows, and what is left of it; and the same of the key that asks, and
    of its team, if they have limits."""

    tenant: str
    plan: Plan
    state: list[LimitState]
    key: LimitPolicy | None = None
    team: LimitPolicy | None = None


class KeyCreate(Strict):
    """Body of `POST /api/v1/tenants/{tenant}/keys`; without a life, the key gets the longest that
    its maker may give: ten years, or as long as the key that makes it. A key that a limited key
    makes shares its limits."""

    model_config = example(name="back end", scopes=["generate", "models:read"])

    name: Label
    scopes: Scopes
    expires_in_s: LifeS | None = None
    policy: LimitPolicy | None = None
    team: Id | None = None


class KeyPatch(Patch):
    """Body of `PATCH /api/v1/tenants/{tenant}/keys/{key}`. A policy replaces the whole one, `{}`
    removes it; the team "" is none."""

    model_config = example(name="old back end", expires_in_s=86_400)

    name: Label | None = None
    scopes: Scopes | None = None
    expires_in_s: LifeS | None = None
    policy: LimitPolicy | None = None
    team: Id | Literal[""] | None = None


class KeyRotation(Strict):
    """Body of `POST .../keys/{key}/rotate`: how long the old key goes on working."""

    model_config = example(grace_s=3600)

    grace_s: Annotated[int, Field(ge=0, le=GRACE_LIMIT_S)] = 3600


class KeyResponse(BaseModel):
    """One API key, without its secret. Keys of one `account` share the limits of `policy`."""

    id: str
    tenant: str
    name: str
    scopes: list[Scope]
    status: Literal["active", "expired", "revoked"]
    created: float
    created_by: str
    expires: float | None
    revoked: float | None
    replaced_by: str | None
    last_used: float | None
    policy: LimitPolicy | None = None
    team: str = ""
    account: str = ""


class NewKeyResponse(KeyResponse):
    """A key that was just made; `key` is shown once and not stored."""

    key: str


class KeyPage(PageResponse):
    data: list[KeyResponse]


class UserCreate(Strict):
    """Body of `POST /api/v1/tenants/{tenant}/users`."""

    model_config = example(email="ana@acme.example", password="a long passphrase", role="viewer")

    email: Email
    password: NewPassword
    role: Role


class UserPatch(Patch):
    """Body of `PATCH .../users/{user}`; any change ends the user's sessions."""

    model_config = example(role="developer")

    role: Role | None = None
    status: UserStatus | None = None
    password: NewPassword | None = None


class UserResponse(BaseModel):
    """One user, without the password."""

    id: str
    tenant: str
    email: str
    role: Role
    status: UserStatus
    created: float
    updated: float


class UserPage(PageResponse):
    data: list[UserResponse]
