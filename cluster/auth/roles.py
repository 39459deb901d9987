"""Scopes of each role. No role operates the cluster: `Scope.ADMIN` and `Scope.METRICS_READ` are
for keys only.

viewer     reads the tenant, its models, usage, videos and cache metrics
billing    reads the tenant, its usage and its audit trail
developer  a viewer who also generates, clips videos, manages keys and webhooks, clears the cache
admin      a developer who also manages users and reads the audit trail
owner      everything in the tenant, the tenant itself included
"""

from types import MappingProxyType

from cluster.tenants.caller import Role, Scope

_VIEWER = frozenset(
    {
        Scope.MODELS_READ,
        Scope.TENANT_READ,
        Scope.USAGE_READ,
        Scope.CACHE_READ,
        Scope.MEDIA_READ,
    }
)
_BILLING = frozenset({Scope.TENANT_READ, Scope.USAGE_READ, Scope.AUDIT_READ})
_DEVELOPER = _VIEWER | {
    Scope.GENERATE,
    Scope.KEYS_READ,
    Scope.KEYS_WRITE,
    Scope.WEBHOOKS_READ,
    Scope.WEBHOOKS_WRITE,
    Scope.CACHE_WRITE,
    Scope.MEDIA_WRITE,
}
_ADMIN = _DEVELOPER | {Scope.USERS_READ, Scope.USERS_WRITE, Scope.AUDIT_READ}
_OWNER = _ADMIN | {Scope.TENANT_WRITE}

SCOPES = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.BILLING: _BILLING,
        Role.DEVELOPER: _DEVELOPER,
        Role.ADMIN: _ADMIN,
        Role.OWNER: _OWNER,
    }
)


def scopes_of(role: Role) -> frozenset[Scope]:
    return SCOPES[role]
