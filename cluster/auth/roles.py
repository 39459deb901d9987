"""What a user may do, by their role. No role operates the cluster: `Scope.ADMIN` is for keys,
and so is `Scope.METRICS_READ`, because figures of the whole cluster are no tenant's.

viewer     sees the tenant, its models, its usage, its videos and how its cache does
billing    sees the tenant, its usage and its audit trail
developer  a viewer who also generates, clips videos, makes keys and webhooks, empties the cache
admin      a developer who also manages users and sees the audit trail
owner      everything in the tenant, also the tenant itself
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
