"""Roles: each may do what its name says, and none operates the cluster."""

import pytest

from cluster.auth.roles import scopes_of
from cluster.tenants.caller import Caller, Role, Scope


@pytest.mark.parametrize("role", Role)
def test_no_role_operates_the_cluster(role: Role) -> None:
    caller = Caller("acme", "ana", scopes_of(role), kind="user")

    assert scopes_of(role)
    assert not caller.allows(Scope.ADMIN)


def test_each_rank_may_do_what_the_one_below_may() -> None:
    ranks = [Role.VIEWER, Role.DEVELOPER, Role.ADMIN, Role.OWNER]

    for lower, higher in zip(ranks, ranks[1:], strict=False):
        assert scopes_of(lower) < scopes_of(higher)
    assert scopes_of(Role.OWNER) == set(Scope) - {Scope.ADMIN, Scope.METRICS_READ}


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (Role.VIEWER, Scope.GENERATE),
        (Role.VIEWER, Scope.KEYS_READ),
        (Role.BILLING, Scope.GENERATE),
        (Role.BILLING, Scope.KEYS_READ),
        (Role.DEVELOPER, Scope.USERS_READ),
        (Role.ADMIN, Scope.TENANT_WRITE),
    ],
)
def test_what_a_role_must_not_do(role: Role, scope: Scope) -> None:
    assert scope not in scopes_of(role)
