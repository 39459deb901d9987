"""Scopes of each role. No role has `Scope.ADMIN`, which is every right in every tenant.

viewer     reads the tenant, its models, usage, videos, posts, outcomes, documents, collections and
           cache metrics
billing    reads the tenant, its usage and its audit trail
editor     generates, clips videos, writes posts, documents and collections; reads the tenant and
           its models
approver   an editor who also approves posts
developer  a viewer who also generates, clips videos, writes posts, documents and collections,
           reports outcomes, manages keys and webhooks, clears the cache
admin      a developer who also approves posts, manages users and reads the audit trail
owner      everything in the tenant, the tenant itself included
operator   operates the cluster (scaling, health, logs, metrics) and sees no tenant's content; only
           the operator can grant it
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
        Scope.LIBRARY_READ,
        Scope.ANALYTICS_READ,
        Scope.DOCUMENTS_READ,
        Scope.SEARCH_READ,
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
    Scope.LIBRARY_WRITE,
    Scope.ANALYTICS_WRITE,
    Scope.DOCUMENTS_WRITE,
    Scope.SEARCH_WRITE,
}
_ADMIN = _DEVELOPER | {
    Scope.LIBRARY_APPROVE,
    Scope.USERS_READ,
    Scope.USERS_WRITE,
    Scope.AUDIT_READ,
}
_OWNER = _ADMIN | {Scope.TENANT_WRITE}
_EDITOR = frozenset(
    {
        Scope.GENERATE,
        Scope.MODELS_READ,
        Scope.TENANT_READ,
        Scope.MEDIA_READ,
        Scope.MEDIA_WRITE,
        Scope.LIBRARY_READ,
        Scope.LIBRARY_WRITE,
        Scope.DOCUMENTS_READ,
        Scope.DOCUMENTS_WRITE,
        Scope.SEARCH_READ,
        Scope.SEARCH_WRITE,
    }
)
_APPROVER = _EDITOR | {Scope.LIBRARY_APPROVE}
_OPERATOR = frozenset(
    {Scope.CLUSTER_READ, Scope.CLUSTER_WRITE, Scope.METRICS_READ, Scope.TENANT_READ}
)

SCOPES = MappingProxyType(
    {
        Role.VIEWER: _VIEWER,
        Role.BILLING: _BILLING,
        Role.DEVELOPER: _DEVELOPER,
        Role.ADMIN: _ADMIN,
        Role.OWNER: _OWNER,
        Role.EDITOR: _EDITOR,
        Role.APPROVER: _APPROVER,
        Role.OPERATOR: _OPERATOR,
    }
)


def scopes_of(role: Role) -> frozenset[Scope]:
    return SCOPES[role]
