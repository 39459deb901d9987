"""What callers send and get to sign in, stay signed in and sign out."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from cluster.tenants.caller import Role, Scope
from deployments.ingress.schemas.admin import Email, NewPassword, Password, Strict, example

RefreshToken = Annotated[str, Field(min_length=1, max_length=4096)]


class Login(Strict):
    """Body of `POST /api/v1/auth/login`; without `tenant` only where one tenant has the email."""

    model_config = example(tenant="acme", email="ana@acme.example", password="a long passphrase")

    tenant: Annotated[str, Field(max_length=63)] | None = None
    email: Email
    password: Password


class Refresh(Strict):
    """Body of `POST /api/v1/auth/refresh` and `/logout`; a token can be used once."""

    model_config = example(refresh_token="mrt_0123456789ab_...")

    refresh_token: RefreshToken


class PasswordChange(Strict):
    """Body of `POST /api/v1/auth/password`: the password of today, and the one to come."""

    model_config = example(current="a long passphrase", new="another long passphrase")

    current: Password
    new: NewPassword


class TokensResponse(BaseModel):
    """A new pair; `expires_in` is the access token's life in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"
    expires_in: int


class CallerResponse(BaseModel):
    """Who the presented credential is. `email` and `role` are a user's."""

    tenant: str
    kind: Literal["key", "user"]
    id: str
    scopes: list[Scope]
    plan: str
    email: str | None = None
    role: Role | None = None


class JwksResponse(BaseModel):
    """Public keys that verify access tokens (RFC 7517)."""

    keys: list[dict[str, Any]]


class SigningKeyResponse(BaseModel):
    """The `kid` of the next signing key."""

    id: str
