"""The directory follows the store: what ends there ends here, and an outage changes nothing."""

import pytest

from cluster.auth import credential_directory as module
from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.models import User
from cluster.auth.passwords import Passwords
from cluster.auth.sessions import Sessions
from cluster.auth.user_repository import UserRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Forbidden, Unauthenticated
from cluster.secrets.key_files import BOOTSTRAP_TENANT
from cluster.storage.database import Database
from cluster.tenants.caller import Role, Scope
from cluster.tenants.plan import Plan
from cluster.tenants.repository import PlanRepository, TenantRepository
from tests.contract.storage.conftest import MACS, PASSWORD, PEPPER, add_key, add_user


@pytest.fixture
async def token(database: Database, clock: ManualClock, passwords: Passwords, ana: User) -> str:
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    return (await sessions.login(ana.email, PASSWORD, "here")).access_token


async def test_a_key_finds_its_caller_under_the_tenants_plan(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    key, id = await add_key(database, clock)
    await directory.refresh()

    caller = directory.verify(key)

    assert (caller.tenant, caller.key_id, caller.kind) == ("acme", id, "key")
    assert (caller.plan, caller.weight) == ("free", 1.0)
    assert caller.scopes == {Scope.GENERATE}
    assert directory.verify(key) is caller


async def test_a_plan_that_changes_reaches_its_tenants_callers(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    key, _ = await add_key(database, clock)
    async with database.begin() as connection:
        await PlanRepository(clock).replace(connection, Plan(id="free", weight=7.0))
    await directory.refresh()
    assert directory.verify(key).weight == 7.0

    async with database.begin() as connection:
        await TenantRepository(clock).update(connection, "acme", plan="pro")
    await directory.refresh()
    assert (directory.verify(key).plan, directory.verify(key).weight) == ("pro", 3.0)
    assert directory.tenant("acme").plan == Plan(id="pro", weight=3.0)
    assert directory.tenant("other").plan.id == "free"


async def test_a_revoked_key_is_refused_and_the_others_are_not(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    (gone, id), (kept, _) = await add_key(database, clock), await add_key(database, clock)
    await directory.refresh()
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)
    await directory.refresh()

    with pytest.raises(Unauthenticated):
        directory.verify(gone)
    directory.verify(kept)


async def test_a_key_expires_by_the_clock_alone_and_its_memory_comes_back(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    key, _ = await add_key(database, clock, expires=clock.wall() + 10)
    await directory.refresh()
    clock.advance(9.9)
    directory.verify(key)

    clock.advance(0.1)
    with pytest.raises(Unauthenticated):
        directory.verify(key)
    assert len(directory) == 1
    await directory.tidy()
    assert len(directory) == 0


async def test_a_rotated_key_works_until_its_grace_is_over(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    old, id = await add_key(database, clock)
    async with database.begin() as connection:
        rotated = ApiKeyIssuer(PEPPER, clock).rotate(
            connection, "acme", id, grace_s=60, created_by="x"
        )
        new, _ = await rotated
    await directory.refresh()
    assert directory.verify(old).tenant == directory.verify(new).tenant == "acme"

    clock.advance(60)
    directory.verify(new)
    with pytest.raises(Unauthenticated):
        directory.verify(old)


async def test_a_suspended_tenant_is_told_so_only_with_a_right_key(
    database: Database, directory: CredentialDirectory, clock: ManualClock, token: str
) -> None:
    key, _ = await add_key(database, clock)
    async with database.begin() as connection:
        await TenantRepository(clock).update(connection, "acme", status="suspended")
    await directory.refresh()

    for credential in (key, token):
        with pytest.raises(Forbidden, match="Tenant 'acme' is suspended"):
            directory.verify(credential)
    with pytest.raises(Unauthenticated):
        directory.verify(key[:-1] + ("0" if key[-1] != "0" else "1"))

    async with database.begin() as connection:
        await TenantRepository(clock).update(connection, "acme", status="active")
    await directory.refresh()
    directory.verify(key)


@pytest.mark.parametrize("change", ["status", "role", "password", "deleted"])
async def test_a_users_tokens_end_when_the_user_changes(
    database: Database, directory: CredentialDirectory, clock: ManualClock, token: str, change: str
) -> None:
    await directory.refresh()
    directory.verify(token)
    clock.advance(1)
    users = UserRepository(clock, MACS)
    async with database.begin() as connection:
        match change:
            case "status":
                await users.update(connection, "acme", "ana", status="disabled")
            case "role":
                await users.update(connection, "acme", "ana", role=Role.VIEWER)
            case "password":
                await users.update(connection, "acme", "ana", password="$new")
            case "deleted":
                await users.delete(connection, "acme", "ana")
    await directory.refresh()

    with pytest.raises(Unauthenticated):
        directory.verify(token)


async def test_a_remembered_token_ends_with_its_time(
    directory: CredentialDirectory, clock: ManualClock, token: str
) -> None:
    await directory.refresh()
    clock.advance(900)
    directory.verify(token)
    clock.advance(5)

    for _ in range(2):
        with pytest.raises(Unauthenticated):
            directory.verify(token)


async def test_what_is_remembered_is_the_whole_token(
    directory: CredentialDirectory, token: str
) -> None:
    """A cache by a prefix of the token gave one caller's identity to another elsewhere."""
    await directory.refresh()
    directory.verify(token)

    for position in range(0, len(token), 7):
        letter = "A" if token[position] != "A" else "B"
        with pytest.raises(Unauthenticated):
            directory.verify(token[:position] + letter + token[position + 1 :])
    with pytest.raises(Unauthenticated):
        directory.verify(token + "A")


async def test_remembered_tokens_are_bounded(
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    passwords: Passwords,
    ana: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_TOKENS", 3)
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    await directory.refresh()
    for _ in range(6):
        made = await sessions.login(ana.email, PASSWORD, "here")
        assert directory.verify(made.access_token).key_id == "ana"

    assert len(directory._claims) == 3


async def test_when_keys_were_used_is_written_aside(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    key, id = await add_key(database, clock)
    await directory.refresh()
    for _ in range(3):
        clock.advance(1)
        directory.verify(key)
    keys = ApiKeyRepository(clock, MACS)
    async with database.read() as connection:
        assert (await keys.get(connection, "acme", id)).last_used is None
    await directory.tidy()
    async with database.read() as connection:
        assert (await keys.get(connection, "acme", id)).last_used == clock.wall()


async def test_only_suspended_or_live_credentials_take_memory(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    for index in range(3):
        _, id = await add_key(database, clock)
        await add_user(database, clock, "acme", f"u{index}@acme.example", Role.VIEWER)
        async with database.begin() as connection:
            await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)
            await UserRepository(clock, MACS).delete(connection, "acme", f"u{index}")
    await directory.refresh()

    assert len(directory) == 0


async def test_it_tells_when_the_first_of_the_operators_keys_expires(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    now = clock.wall()
    async with database.begin() as connection:
        await TenantRepository(clock).create(connection, BOOTSTRAP_TENANT, "Operator", "free")
        for scope, expires in (
            (Scope.GENERATE, now + 10),
            (Scope.METRICS_READ, now + 300),
            (Scope.ADMIN, now + 200),
            (Scope.ADMIN, None),
        ):
            await ApiKeyIssuer(PEPPER, clock).create(
                connection,
                BOOTSTRAP_TENANT,
                name="operator",
                scopes=[scope],
                created_by="system",
                expires=expires,
            )
    await add_key(database, clock, expires=now + 20)
    assert directory.operator_key_expiry() is None

    await directory.refresh()

    assert directory.operator_key_expiry() == now + 200
