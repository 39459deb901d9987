"""Records of credentials and users as they are stored.

Times are Unix seconds. Secrets are stored as digests, as hashes or encrypted.
"""

from dataclasses import dataclass, field
from typing import Literal

from cluster.tenants.caller import Role, Scope
from cluster.tenants.policy import LimitPolicy

UserStatus = Literal["active", "disabled"]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key `mob_<id>_<secret>`; `replaced_by` is the id of its successor.

    Keys of one `account` ("": its own id) share the limits of `policy`: successors by rotation, and
    keys that a limited key has made. `team` is the id of a team, or "".
    """

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
    policy: LimitPolicy | None = None
    team: str = ""
    account: str = ""

    @property
    def limits_account(self) -> str:
        """By which the limits of its policy are counted."""
        return self.account or self.id

    def status(self, now: float) -> Literal["active", "expired", "revoked"]:
        if self.revoked is not None:
            return "revoked"
        return "expired" if self.expires is not None and self.expires <= now else "active"


@dataclass(frozen=True, slots=True)
class User:
    """A user who signs in; `password` is argon2id's encoded hash."""

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
    """A session that has ended; its access tokens are refused until `until`."""

    family: str
    tenant: str
    user: str
    until: float


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An Ed25519 key pair: `private` is encrypted, `public` raw. It signs until `retires`."""

    id: str
    purpose: str
    private: bytes = field(repr=False)
    public: bytes
    created: float
    retires: float | None = None
