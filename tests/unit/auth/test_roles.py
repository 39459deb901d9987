"""Roles: each may do what its name says, and none operates the cluster."""

import pytest

from cluster.administration.actor import Actor
from cluster.auth.roles import scopes_of
from cluster.runtime.problems import Forbidden
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
    clusters = {Scope.METRICS_READ, Scope.CLUSTER_READ, Scope.CLUSTER_WRITE}
    assert scopes_of(Role.OWNER) == set(Scope) - {Scope.ADMIN} - clusters


def test_an_editor_writes_posts_that_an_approver_approves() -> None:
    editor, approver = scopes_of(Role.EDITOR), scopes_of(Role.APPROVER)

    assert {Scope.GENERATE, Scope.MEDIA_WRITE, Scope.LIBRARY_WRITE} < editor
    assert {Scope.DOCUMENTS_WRITE, Scope.SEARCH_WRITE} < editor
    assert approver == editor | {Scope.LIBRARY_APPROVE}
    assert approver < scopes_of(Role.ADMIN)


def test_an_operator_has_the_cluster_and_no_tenants_content() -> None:
    operator = scopes_of(Role.OPERATOR)

    assert operator == {
        Scope.CLUSTER_READ, Scope.CLUSTER_WRITE, Scope.METRICS_READ, Scope.TENANT_READ,
    }  # fmt: skip


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.OPERATOR])
def test_nobody_in_a_tenant_can_make_an_operator(role: Role) -> None:
    actor = Actor(Caller("acme", "ana", scopes_of(role), kind="user"))

    with pytest.raises(Forbidden):
        actor.check_grant(scopes_of(Role.OPERATOR), "The role")


@pytest.mark.parametrize(
    ("role", "scope"),
    [
        (Role.VIEWER, Scope.GENERATE),
        (Role.VIEWER, Scope.KEYS_READ),
        (Role.VIEWER, Scope.LIBRARY_WRITE),
        (Role.VIEWER, Scope.DOCUMENTS_WRITE),
        (Role.VIEWER, Scope.SEARCH_WRITE),
        (Role.BILLING, Scope.SEARCH_READ),
        (Role.DEVELOPER, Scope.LIBRARY_APPROVE),
        (Role.EDITOR, Scope.KEYS_READ),
        (Role.BILLING, Scope.GENERATE),
        (Role.BILLING, Scope.KEYS_READ),
        (Role.DEVELOPER, Scope.USERS_READ),
        (Role.ADMIN, Scope.TENANT_WRITE),
    ],
)
def test_what_a_role_must_not_do(role: Role, scope: Scope) -> None:
    assert scope not in scopes_of(role)
