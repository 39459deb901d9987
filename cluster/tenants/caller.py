"""Who is asking: resolved once from a credential, then passed explicitly to every stage."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

from cluster.runtime.pickle_compat import version_tolerant


class Scope(StrEnum):
    """What a credential may do. A route names the scope that it needs."""

    GENERATE = "generate"
    MODELS_READ = "models:read"
    TENANT_READ = "tenant:read"
    TENANT_WRITE = "tenant:write"
    KEYS_READ = "keys:read"
    KEYS_WRITE = "keys:write"
    USERS_READ = "users:read"
    USERS_WRITE = "users:write"
    USAGE_READ = "usage:read"
    AUDIT_READ = "audit:read"
    WEBHOOKS_READ = "webhooks:read"
    WEBHOOKS_WRITE = "webhooks:write"
    CACHE_READ = "cache:read"
    CACHE_WRITE = "cache:write"
    MEDIA_READ = "media:read"
    MEDIA_WRITE = "media:write"
    METRICS_READ = "metrics:read"  # figures of the whole cluster, for Prometheus
    ADMIN = "admin"  # operates the cluster: every scope, in every tenant

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Where a newer version sends a scope that is unknown here, it stays a word, and opens
        nothing."""
        return _scope, (self.value,)


_SCOPES = {scope.value: scope for scope in Scope}


def _scope(value: str) -> str:
    return _SCOPES.get(value, value)


class Role(StrEnum):
    """What a user is in their tenant; `cluster/auth/roles.py` maps roles to scopes."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    BILLING = "billing"


class Priority(StrEnum):
    """How urgent a request is to its tenant; a plan says how urgent it may claim to be."""

    INTERACTIVE = "interactive"
    STANDARD = "standard"
    BATCH = "batch"


@version_tolerant
@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's authenticated key or user. It crosses processes, so it holds no secret.

    `scopes` is what the credential may do; `key_id` is the public part of the key, or the id of
    the user, fit for logs. `weight` is the tenant's share of a saturated model, `expires` when the
    key ends (Unix seconds; None: never, or a user).
    """

    tenant: str
    key_id: str
    scopes: frozenset[Scope]
    plan: str = "default"
    kind: Literal["key", "user"] = "key"
    weight: float = 1.0
    expires: float | None = None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes
