"""No statement on a tenant's rows without the tenant: checked for every repository method."""

import inspect
from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.session_repository import RefreshTokenRepository
from cluster.auth.signing_key_repository import SigningKeyRepository
from cluster.auth.user_repository import UserRepository
from cluster.classifiers.repository import ClassifierRepository
from cluster.collections.points import PointRepository
from cluster.collections.repository import CollectionRepository
from cluster.storage.tables import metadata
from cluster.tenants.repository import PlanRepository, TenantRepository

OF_A_TENANT = (
    ApiKeyRepository,
    ClassifierRepository,
    CollectionRepository,
    PointRepository,
    UserRepository,
    RefreshTokenRepository,
)
# Before these the tenant is unknown, and they are how it becomes known.
FINDERS = {("UserRepository", "find"), ("RefreshTokenRepository", "find")}
# not a tenant's own
OPERATORS = {
    "changes", "health_probes", "plans", "scaling_bounds", "scaling_decisions", "signing_keys",
    "tenants",
}  # fmt: skip
OF_A_JOB = {"job_checkpoints", "job_events"}  # reached through their job, which names it
WRITERS = {"usage_batches", "audit_heads"}  # by writer; they hold numbers only


def _methods(*classes: type) -> list[tuple[str, str, Callable[..., object]]]:
    return [
        (each.__name__, name, method)
        for each in classes
        for name, method in inspect.getmembers(each, inspect.isfunction)
        if not name.startswith("_")
    ]


@pytest.mark.parametrize(
    ("owner", "name", "method"),
    [pytest.param(*each, id=f"{each[0]}.{each[1]}") for each in _methods(*OF_A_TENANT)],
)
def test_a_method_on_a_tenants_rows_takes_the_connection_and_the_tenant(
    owner: str, name: str, method: Callable[..., object]
) -> None:
    parameters = list(inspect.signature(method).parameters.values())[1:]

    assert parameters[0].annotation is AsyncConnection
    if (owner, name) not in FINDERS:
        assert (parameters[1].name, parameters[1].annotation) == ("tenant", str)
        assert parameters[1].default is inspect.Parameter.empty


def test_every_method_takes_the_connection_first_and_none_commits() -> None:
    methods = _methods(*OF_A_TENANT, PlanRepository, TenantRepository, SigningKeyRepository)

    assert len(methods) > 20
    for owner, name, method in methods:
        parameters = list(inspect.signature(method).parameters.values())
        assert parameters[1].annotation is AsyncConnection, (owner, name)
        assert "commit" not in inspect.getsource(method), (owner, name)


def test_every_table_names_its_tenant_or_is_the_operators() -> None:
    without = {name for name, table in metadata.tables.items() if "tenant" not in table.c}

    assert without - OPERATORS - WRITERS - OF_A_JOB == set()
