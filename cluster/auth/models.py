"""What the store keeps of credentials and of those who hold them: values, no behaviour.

Instants are Unix seconds. Nothing here opens anything: secrets are digests, hashes or sealed.
"""

from dataclasses import dataclass, field
from typing import Literal

from cluster.tenants.caller import Role, Scope

UserStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key `mob_<id>_<secret>`; `replaced_by` is the id of the key that it was rotated to."""

    id: str
    tenant: str
    name: str
    digest: bytes = field(repr=False)
    scopes: frozenset[Scope]
    bootstrap: bool
    created: float
    created_by: str
    expires: float | None = None
    revoked: float | None = None
    replaced_by: str | None = None
    last_used: float | None = None

    def status(self, now: float) -> Literal["active", "expired", "revoked"]:
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


@dataclass(frozen=True, slots=True)
class User:
    """Somebody who signs in; `password` is argon2id's encoded hash."""

    id: str
    tenant: str
    email: str
    password: str = field(repr=False)
    role: Role
    status: UserStatus
    valid_after: float
    created: float
    updated: float


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token `mrt_<id>_<secret>`; those of one sign-in share a family."""

    id: str
    family: str
    tenant: str
    user: str
    digest: bytes = field(repr=False)
    created: float
    expires: float
    used: float | None = None
    revoked: float | None = None


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A sign-in whose refresh tokens are revoked; its access tokens are refused `until` then."""

    family: str
    tenant: str
    user: str
    until: float


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair: `private` is sealed, `public` raw. It signs until `retires`."""

    id: str
    purpose: str
    private: bytes = field(repr=False)
    public: bytes
    created: float
    retires: float | None = None
