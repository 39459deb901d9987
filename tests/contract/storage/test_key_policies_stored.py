"""Policies of keys and teams in the store and in the directories of all replicas."""

import hmac

import msgspec
import pytest
from sqlalchemy import text

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.key_repository import ApiKeyRepository
from cluster.auth.keys import ApiKeyIssuer
from cluster.auth.row_macs import RowMacs
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Scope
from cluster.tenants.policy import LimitPolicy
from cluster.tenants.teams import TeamRepository
from tests.contract.storage.conftest import PEPPER, add_key

NARROW = LimitPolicy.model_validate({"models": ["nano"], "spend": {"amount": 5}})


async def limited_key(
    database: Database, clock: ManualClock, policy: LimitPolicy | None = NARROW, team: str = ""
) -> tuple[str, str]:
    """The key and its id."""
    async with database.begin() as connection:
        key, record = await ApiKeyIssuer(PEPPER, clock).create(
            connection, "acme", name="n", scopes=[Scope.GENERATE], created_by="x",
            policy=policy, team=team,
        )  # fmt: skip
    return key, record.id


async def tell(database: Database, id: str) -> None:
    async with database.begin() as connection:
        statement = text("INSERT INTO changes (at, kind, id) VALUES (0, 'key', :id)")
        await connection.execute(statement, {"id": id})


async def test_a_policy_comes_back_as_it_was_stored_and_reaches_the_directory(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    policies = directory.policies
    key, id = await limited_key(database, clock)
    await directory.refresh()

    keys = ApiKeyRepository(clock, RowMacs(PEPPER))
    async with database.read() as connection:
        stored = await keys.get(connection, "acme", id)
    assert stored.policy == NARROW
    assert policies is directory.policies
    [own] = policies[id].subjects
    assert (own.subject, own.policy) == (f"key:{id}", NARROW)
    assert directory.verify(key).key_id == id


async def test_policies_survive_a_complete_load_and_end_with_their_key(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    _, id = await limited_key(database, clock)
    other = CredentialDirectory(database, PEPPER, clock)
    await other.refresh()
    assert id in other.policies

    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)
    await other.refresh()
    assert id not in other.policies


async def test_a_team_that_is_made_and_changed_binds_its_keys(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    teams = TeamRepository(clock)
    async with database.begin() as connection:
        await teams.create(connection, "acme", "ml", "ML", NARROW)
    _, id = await limited_key(database, clock, None, "ml")
    await directory.refresh()
    [own] = directory.policies[id].subjects
    assert (own.subject, own.policy) == ("team:ml", NARROW)

    async with database.begin() as connection:
        await teams.update(connection, "acme", "ml", policy=LimitPolicy())
    await directory.refresh()
    assert id not in directory.policies


async def test_a_key_that_names_a_team_not_read_yet_is_bound_at_once(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    """Whatever the order of the changes that name them."""
    async with database.begin() as connection:
        await TeamRepository(clock).create(connection, "acme", "ml", "ML", NARROW)
        await connection.execute(text("DELETE FROM changes WHERE kind = 'team'"))
        await connection.execute(text("INSERT INTO changes (at, kind, id) VALUES (0, 'x', 'x')"))
    _, id = await limited_key(database, clock, None, "ml")
    await directory.refresh()

    assert not directory.policies[id].allows_model("large")


@pytest.mark.parametrize(
    "change",
    ["policy = NULL", "policy = '{}'", "team = NULL", "account = 'other'"],
)
async def test_a_limit_that_was_lifted_in_the_store_closes_the_key(
    database: Database, directory: CredentialDirectory, clock: ManualClock, change: str
) -> None:
    key, id = await limited_key(database, clock, team="ml")
    async with database.begin() as connection:
        await connection.execute(text(f"UPDATE api_keys SET {change} WHERE id = :id"), {"id": id})
    await tell(database, id)
    await directory.refresh()

    with pytest.raises(Unauthenticated):
        directory.verify(key)


async def test_a_key_without_limits_has_the_mac_that_earlier_versions_gave_it(
    database: Database, clock: ManualClock
) -> None:
    _, id = await add_key(database, clock)
    macs = RowMacs(PEPPER)
    async with database.read() as connection:
        stored = await ApiKeyRepository(clock, macs).get(connection, "acme", id)
        statement = text("SELECT mac FROM api_keys WHERE id = :id")
        mac = (await connection.execute(statement, {"id": id})).scalar_one()
    covered = [
        stored.id, stored.tenant, stored.name, stored.digest, sorted(stored.scopes),
        stored.bootstrap, stored.created, stored.created_by, stored.expires, stored.revoked,
        stored.replaced_by,
    ]  # fmt: skip
    encoded = msgspec.json.encode(("mobula row 1", "api_keys", covered))
    assert bytes(mac) == hmac.digest(macs._key, encoded, "sha256")


async def test_a_policy_of_a_newer_version_allows_nothing(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    async with database.begin() as connection:
        await TeamRepository(clock).create(connection, "acme", "ml", "ML", None)
        statement = "UPDATE teams SET policy = '{\"unheard_of\": 1}'"
        await connection.execute(text(statement))
    _, id = await limited_key(database, clock, None, "ml")
    await directory.refresh()

    assert not directory.policies[id].allows_model("nano")
