"""Whoever can write the store, and has no pepper, gains nothing: not by a changed row of a key, a
user, a signing key or a refresh token, and not by one that they add."""

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.models import User
from cluster.auth.passwords import Passwords
from cluster.auth.sessions import Sessions
from cluster.auth.signing import Signer
from cluster.auth.tokens import issue
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Unauthenticated
from cluster.storage.database import Database
from cluster.tenants.caller import Role
from tests.contract.storage.conftest import CHEAP, PASSWORD, PEPPER, add_key, add_user


async def run(database: Database, statement: str, **values: Any) -> None:
    """As somebody with the store's password would, beside Mobula; every directory is told."""
    async with database.begin() as connection:
        await connection.execute(text(statement), values)
        for kind in ("key", "user", "signing_key"):
            table = {"key": "api_keys", "user": "users", "signing_key": "signing_keys"}[kind]
            ids = (await connection.execute(text(f"SELECT id FROM {table}"))).scalars().all()
            tell = text("INSERT INTO changes (at, kind, id) VALUES (0, :kind, :id)")
            for id in ids:
                await connection.execute(tell, {"kind": kind, "id": id})


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE api_keys SET scopes = '[\"admin\"]'",
        "UPDATE api_keys SET tenant = 'other'",
        "UPDATE api_keys SET expires = NULL",
        "UPDATE api_keys SET expires = 9e9",
        "UPDATE api_keys SET created_by = 'key:other'",
        "UPDATE api_keys SET bootstrap = '1'",
    ],
)
@pytest.mark.parametrize("how", ["told", "loaded"])
async def test_a_key_that_was_changed_in_the_store_opens_nothing(
    database: Database, directory: CredentialDirectory, clock: ManualClock, statement: str, how: str
) -> None:
    key, _ = await add_key(database, clock, expires=clock.wall() + 60)
    await directory.refresh()
    directory.verify(key)

    await run(database, statement)

    if how == "loaded":
        directory = CredentialDirectory(database, PEPPER, clock)
    await directory.refresh()
    with pytest.raises(Unauthenticated):
        directory.verify(key)


async def test_a_revoked_key_is_not_brought_back(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    from cluster.auth.keys import ApiKeyIssuer

    key, id = await add_key(database, clock)
    async with database.begin() as connection:
        await ApiKeyIssuer(PEPPER, clock).revoke(connection, "acme", id)

    await run(database, "UPDATE api_keys SET revoked = NULL")

    await directory.refresh()
    with pytest.raises(Unauthenticated):
        directory.verify(key)


async def test_a_change_of_the_time_of_last_use_is_none_of_the_keys_rights(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    key, _ = await add_key(database, clock)
    await directory.refresh()
    directory.verify(key)
    clock.advance(5)
    directory.verify(key)
    await directory.tidy()

    fresh = CredentialDirectory(database, PEPPER, clock)
    await fresh.refresh()
    fresh.verify(key)


async def test_the_row_of_another_key_lends_its_mac_to_nobody(
    database: Database, directory: CredentialDirectory, clock: ManualClock
) -> None:
    first, id = await add_key(database, clock)
    _, other = await add_key(database, clock)
    await run(
        database,
        "UPDATE api_keys SET digest = (SELECT digest FROM api_keys WHERE id = :id) WHERE id = :to",
        id=id,
        to=other,
    )
    await directory.refresh()

    directory.verify(first)
    with pytest.raises(Unauthenticated):
        directory.verify(f"mob_{other}_{first.rpartition('_')[2]}")


async def test_a_planted_signing_key_signs_for_nobody(
    database: Database, directory: CredentialDirectory, clock: ManualClock, ana: User
) -> None:
    mine = Ed25519PrivateKey.generate()
    await run(
        database,
        "INSERT INTO signing_keys (id, purpose, private, public, created)"
        " VALUES ('planted', 'tokens', :private, :public, 0)",
        private=b"none",
        public=mine.public_key().public_bytes_raw(),
    )
    await directory.refresh()
    token = issue(Signer("planted", mine), ana, clock.wall(), 900)

    with pytest.raises(Unauthenticated):
        directory.verify(token)
    assert "planted" not in {key["kid"] for key in directory.jwks()["keys"]}


async def test_a_signing_key_whose_public_half_was_exchanged_signs_for_nobody(
    database: Database, directory: CredentialDirectory, clock: ManualClock, ana: User
) -> None:
    mine = Ed25519PrivateKey.generate()
    await run(
        database, "UPDATE signing_keys SET public = :it", it=mine.public_key().public_bytes_raw()
    )
    await directory.refresh()
    [kid] = await ids(database, "signing_keys")

    with pytest.raises(Unauthenticated):
        directory.verify(issue(Signer(kid, mine), ana, clock.wall(), 900))


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("role", "owner"),
        ("password", "theirs"),
        ("tenant", "other"),
        ("email", "eve@acme.example"),
        ("valid_after", 0.0),
    ],
)
async def test_a_user_who_was_changed_in_the_store_can_neither_sign_in_nor_go_on(
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    passwords: Passwords,
    ana: User,
    column: str,
    value: Any,
) -> None:
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    before = await sessions.login(ana.email, PASSWORD, "here")
    new = CHEAP.hash("a passphrase of theirs") if value == "theirs" else value
    await run(database, f"UPDATE users SET {column} = :new", new=new)
    await directory.refresh()

    password = "a passphrase of theirs" if value == "theirs" else PASSWORD
    email = "eve@acme.example" if column == "email" else ana.email
    with pytest.raises(Unauthenticated):
        await sessions.login(email, password, "here")
    with pytest.raises(Unauthenticated):
        await sessions.refresh(before.refresh_token)
    with pytest.raises(Unauthenticated):
        directory.verify(before.access_token)


async def test_a_disabled_user_is_not_enabled_in_the_store(
    database: Database, clock: ManualClock, passwords: Passwords, ana: User
) -> None:
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    await run(database, "UPDATE users SET status = 'disabled'")
    await run(database, "UPDATE users SET status = 'active', updated = updated + 1")

    with pytest.raises(Unauthenticated):
        await sessions.login(ana.email, PASSWORD, "here")


async def test_a_planted_user_cannot_sign_in(
    database: Database, clock: ManualClock, passwords: Passwords
) -> None:
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    await run(
        database,
        "INSERT INTO users (id, tenant, email, password, role, status, valid_after, created,"
        " updated) VALUES ('eve', 'acme', 'eve@acme.example', :it, 'owner', 'active', 0, 0, 0)",
        it=CHEAP.hash(PASSWORD),
    )
    with pytest.raises(Unauthenticated):
        await sessions.login("eve@acme.example", PASSWORD, "here")


@pytest.mark.parametrize(
    "change",
    [
        "\"user\" = 'boss'",
        "expires = 9e9",
        "created = 9e9",
        "family = 'another'",
    ],
)
async def test_a_refresh_token_that_was_changed_in_the_store_opens_nothing(
    database: Database, clock: ManualClock, passwords: Passwords, ana: User, change: str
) -> None:
    """Else a token of one's own becomes that of the tenant's owner."""
    await add_user(database, clock, "acme", "boss@acme.example", Role.OWNER)
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    mine = await sessions.login(ana.email, PASSWORD, "here")
    await run(database, f"UPDATE refresh_tokens SET {change}")

    with pytest.raises(Unauthenticated):
        await sessions.refresh(mine.refresh_token)


@pytest.mark.parametrize("column", ["revoked", "used"])
async def test_a_refresh_token_that_has_ended_is_not_brought_back(
    database: Database, clock: ManualClock, passwords: Passwords, ana: User, column: str
) -> None:
    sessions = Sessions(database, PEPPER, clock, passwords=passwords)
    mine = await sessions.login(ana.email, PASSWORD, "here")
    if column == "used":
        await sessions.refresh(mine.refresh_token)
    else:
        await sessions.logout(mine.refresh_token)
    await run(database, f"UPDATE refresh_tokens SET {column} = NULL")

    with pytest.raises(Unauthenticated):
        await sessions.refresh(mine.refresh_token)


@pytest.mark.parametrize("scopes", ["17", '{"a": 1}', '["no:scope"]', "[1, 2]", "null"])
async def test_an_odd_row_does_not_keep_the_others_from_being_loaded(
    database: Database, directory: CredentialDirectory, clock: ManualClock, scopes: str
) -> None:
    good, _ = await add_key(database, clock)
    _, odd = await add_key(database, clock)
    assert json.loads(scopes) != []
    await run(database, f"UPDATE api_keys SET scopes = '{scopes}' WHERE id = :odd", odd=odd)
    await directory.refresh()
    directory.verify(good)


async def ids(database: Database, table: str) -> list[str]:
    async with database.read() as connection:
        return list((await connection.execute(text(f"SELECT id FROM {table}"))).scalars())
