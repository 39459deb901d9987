"""Whom a worker acts for: the holder's tenant and plan, for text alone, while the holder may."""

import pytest

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.delegation import Delegation
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.models import User
from cluster.auth.user_repository import UserRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Forbidden, Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Role, Scope
from cluster.tenants.repository import TenantRepository
from tests.contract.storage.conftest import MACS, PEPPER, add_key, add_user


@pytest.fixture
def delegation(clock: ManualClock) -> Delegation:
    return Delegation(PEPPER, clock)


async def test_a_key_s_delegate_is_its_caller_who_may_only_generate(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    key, id_ = await add_key(database, clock)
    await directory.refresh()

    caller = directory.verify(delegation.issue("acme", id_))

    assert caller == directory.verify(key)
    assert caller.scopes == {Scope.GENERATE}


async def test_an_admin_s_delegate_is_no_admin(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    async with database.begin() as connection:
        _, record = await ApiKeyIssuer(PEPPER, clock).create(
            connection, "acme", name="all", scopes=[Scope.ADMIN], created_by="system", expires=None
        )
    await directory.refresh()

    caller = directory.verify(delegation.issue("acme", record.id))

    assert caller.scopes == {Scope.GENERATE}
    assert not caller.allows(Scope.ADMIN)
    assert not caller.allows(Scope.MEDIA_WRITE)


async def test_who_may_not_generate_delegates_nothing(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    await add_user(database, clock, "acme", "vera@acme.example", Role.VIEWER)
    await directory.refresh()

    assert directory.verify(delegation.issue("acme", "vera")).scopes == frozenset()


async def test_a_user_s_delegate_ends_with_the_user(
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    delegation: Delegation,
    ana: User,
) -> None:
    await directory.refresh()
    credential = delegation.issue("acme", ana.id)
    caller = directory.verify(credential)
    assert (caller.tenant, caller.key_id, caller.kind) == ("acme", ana.id, "user")
    assert caller.scopes == {Scope.GENERATE}

    async with database.begin() as connection:
        await UserRepository(clock, MACS).update(connection, "acme", ana.id, status="disabled")
    await directory.refresh()
    with pytest.raises(Unauthenticated):
        directory.verify(credential)


async def test_a_key_that_was_revoked_or_has_expired_has_no_delegate(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    _, revoked = await add_key(database, clock)
    _, brief = await add_key(database, clock, expires=clock.wall() + 10)
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", revoked)
    await directory.refresh()
    credential = delegation.issue("acme", brief)
    directory.verify(credential)

    clock.advance(10)
    for refused in (delegation.issue("acme", revoked), credential):
        with pytest.raises(Unauthenticated):
            directory.verify(refused)


async def test_a_suspended_tenant_has_no_delegates(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    _, id_ = await add_key(database, clock)
    async with database.begin() as connection:
        await TenantRepository(clock).update(connection, "acme", status="suspended")
    await directory.refresh()

    with pytest.raises(Forbidden):
        directory.verify(delegation.issue("acme", id_))


async def test_forgeries_and_holders_of_other_tenants_are_refused(
    database: Database, directory: CredentialDirectory, clock: ManualClock, delegation: Delegation
) -> None:
    _, id_ = await add_key(database, clock)
    await directory.refresh()
    forged = Delegation(b"q" * 32, clock).issue("acme", id_)

    for credential in (
        forged,
        delegation.issue("other", id_),
        delegation.issue("acme", "nobody"),
        delegation.issue("acme", id_)[:-3],
        "mobd_",
    ):
        with pytest.raises(Unauthenticated):
            directory.verify(credential)
