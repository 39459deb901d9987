"""The authenticated caller: resolved once from a credential, then passed to every stage."""

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
    LIBRARY_READ = "library:read"
    LIBRARY_WRITE = "library:write"
    LIBRARY_APPROVE = "library:approve"
    ANALYTICS_READ = "analytics:read"
    ANALYTICS_WRITE = "analytics:write"
    DOCUMENTS_READ = "documents:read"
    DOCUMENTS_WRITE = "documents:write"
    SEARCH_READ = "search:read"  # collections and vector stores, and queries of them
    SEARCH_WRITE = "search:write"
    CLUSTER_READ = "cluster:read"  # scaling, health and logs of the cluster, no tenant's data
    CLUSTER_WRITE = "cluster:write"  # bounds of scaling, levels of logs
    METRICS_READ = "metrics:read"  # metrics of the whole cluster, for Prometheus
    ADMIN = "admin"  # operates the cluster: every scope, in every tenant

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        """Pickles by value: an unknown scope of a newer version becomes text, grants nothing."""
        return _scope, (self.value,)


_SCOPES = {scope.value: scope for scope in Scope}


def _scope(value: str) -> str:
    return _SCOPES.get(value, value)


class Role(StrEnum):
    """A user's role in a tenant; `cluster/auth/roles.py` maps roles to scopes."""

    OWNER = "owner"
    ADMIN = "admin"
    DEVELOPER = "developer"
    VIEWER = "viewer"
    BILLING = "billing"
    EDITOR = "editor"
    APPROVER = "approver"
    OPERATOR = "operator"


class Priority(StrEnum):
    """The priority of a request; a plan limits the highest one."""

    INTERACTIVE = "interactive"
    STANDARD = "standard"
    BATCH = "batch"


@version_tolerant
@dataclass(frozen=True, slots=True)
class Caller:
    """A tenant's authenticated key or user. It is sent between processes and holds no secret.

    `scopes` are the credential's rights; `key_id` is the public part of the key, or the id of the
    user, and may be logged. `weight` is the tenant's share of a saturated model, `expires` the
    key's expiry (Unix seconds; None: never, or a user). `team` is the key's group of keys (empty:
    none). `end_user` is the tenant's own user for whom a request is made (OpenAI's `user` or
    `safety_identifier`), as the tenant names it; empty: not named.
    """

    tenant: str
    key_id: str
    scopes: frozenset[Scope]
    plan: str = "default"
    kind: Literal["key", "user"] = "key"
    weight: float = 1.0
    expires: float | None = None
    team: str = ""
    end_user: str = ""

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes
