"""Signing in and staying signed in, over both stores."""

import asyncio
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import func, select

from cluster.auth import sessions as sessions_module
from cluster.auth.credential_directory import CredentialDirectory
from cluster.auth.models import User
from cluster.auth.passwords import Passwords
from cluster.auth.sessions import GRACE_S, Sessions
from cluster.auth.signing import MAX_TOKEN_AGE_S, PROPAGATION_S, SigningKeyService
from cluster.auth.tokens import verify
from cluster.auth.user_repository import UserRepository
from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import Conflict, Forbidden, RateLimited, Unauthenticated
from cluster.storage.database import Database
from cluster.storage.tables import ended_sessions, events, refresh_tokens, signing_keys
from cluster.tenants.caller import Role
from cluster.tenants.repository import TenantRepository
from tests.contract.storage.conftest import MACS, PASSWORD, PEPPER, add_user

HERE = "10.0.0.1"


@pytest.fixture
def sessions(database: Database, clock: ManualClock, passwords: Passwords) -> Sessions:
    return Sessions(database, PEPPER, clock, access_token_s=900, passwords=passwords)


@pytest.fixture
async def directory(database: Database, clock: ManualClock) -> CredentialDirectory:
    return CredentialDirectory(database, PEPPER, clock)


async def test_signing_in_gives_tokens_that_name_the_user(
    sessions: Sessions, directory: CredentialDirectory, ana: User
) -> None:
    signed_in = await sessions.login(" ANA@Acme.example ", PASSWORD, HERE)
    await directory.refresh()

    caller = directory.verify(signed_in.access_token)

    assert (caller.kind, caller.key_id, caller.tenant) == ("user", "ana", "acme")
    assert signed_in.expires_in == 900
    assert signed_in.access_token not in repr(signed_in)
    assert signed_in.refresh_token not in repr(signed_in)


@pytest.mark.parametrize(
    ("email", "password"),
    [
        pytest.param("ana@acme.example", "wrong horse battery", id="wrong password"),
        pytest.param("ana@acme.example", PASSWORD + "\x00", id="nul"),
        pytest.param("ana@acme.example", "\ud800" * 20, id="surrogates"),
        pytest.param("ana@acme.example", "x" * 100_000, id="huge"),
        pytest.param("ana@acme.example", "", id="empty"),
        pytest.param("bob@acme.example", PASSWORD, id="unknown user"),
        pytest.param("' OR 1=1 --", PASSWORD, id="sql"),
        pytest.param("ana@acme.example\x00", PASSWORD, id="nul in email"),
    ],
)
async def test_every_refused_sign_in_reads_the_same(
    sessions: Sessions, ana: User, email: str, password: str
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await sessions.login(email, password, HERE)
    assert refused.value.detail == "The email or the password is wrong."


async def test_a_disabled_user_and_a_suspended_tenant_cannot_sign_in(
    sessions: Sessions, database: Database, clock: ManualClock, ana: User
) -> None:
    async with database.begin() as connection:
        await TenantRepository(clock).update(connection, "acme", status="suspended")
    with pytest.raises(Forbidden, match="suspended"):
        await sessions.login(ana.email, PASSWORD, HERE)
    with pytest.raises(Unauthenticated):
        await sessions.login(ana.email, "wrong horse battery", HERE)

    async with database.begin() as connection:
        await UserRepository(clock, MACS).update(connection, "acme", ana.id, status="disabled")
    with pytest.raises(Unauthenticated):
        await sessions.login(ana.email, PASSWORD, HERE)


async def test_ten_failures_slow_the_next_down_at_that_address_alone(
    sessions: Sessions, clock: ManualClock, ana: User
) -> None:
    for _ in range(10):
        with pytest.raises(Unauthenticated):
            await sessions.login(ana.email, "wrong horse battery", HERE)

    with pytest.raises(RateLimited) as refused:
        await sessions.login(ana.email, PASSWORD, HERE)
    assert refused.value.headers["Retry-After"] == "1"
    await sessions.login(ana.email, PASSWORD, "10.0.0.2")

    clock.advance(1)
    await sessions.login(ana.email, PASSWORD, HERE)


async def test_a_refresh_token_works_once_and_its_successor_after_it(
    sessions: Sessions, ana: User
) -> None:
    first = await sessions.login(ana.email, PASSWORD, HERE)
    second = await sessions.refresh(first.refresh_token)
    third = await sessions.refresh(second.refresh_token)

    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_a_used_token_that_comes_back_ends_the_whole_family(
    sessions: Sessions, clock: ManualClock, ana: User
) -> None:
    first = await sessions.login(ana.email, PASSWORD, HERE)
    other = await sessions.login(ana.email, PASSWORD, HERE)
    second = await sessions.refresh(first.refresh_token)
    clock.advance(GRACE_S + 0.1)

    with pytest.raises(Unauthenticated):
        await sessions.refresh(first.refresh_token)

    with pytest.raises(Unauthenticated):
        await sessions.refresh(second.refresh_token)
    await sessions.refresh(other.refresh_token)


async def test_a_token_that_comes_back_is_told_to_the_tenant(
    sessions: Sessions, database: Database, clock: ManualClock, ana: User
) -> None:
    signed_in = await sessions.login(ana.email, PASSWORD, HERE)
    await sessions.refresh(signed_in.refresh_token)
    clock.advance(GRACE_S + 0.1)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(signed_in.refresh_token)

    async with database.read() as connection:
        told = (await connection.execute(select(events).where(events.c.tenant == "acme"))).all()
    assert [(event.kind, event.data["user"]) for event in told] == [("auth.refresh_reused", "ana")]


async def test_two_tabs_that_refresh_at_once_both_stay_signed_in(
    sessions: Sessions, ana: User
) -> None:
    first = await sessions.login(ana.email, PASSWORD, HERE)
    won = await asyncio.gather(*(sessions.refresh(first.refresh_token) for _ in range(4)))

    assert len({each.refresh_token for each in won}) == 4
    for each in won:
        await sessions.refresh(each.refresh_token)


async def test_the_grace_of_a_used_token_brings_no_ended_sign_in_back(
    sessions: Sessions, ana: User
) -> None:
    first = await sessions.login(ana.email, PASSWORD, HERE)
    await sessions.refresh(first.refresh_token)
    await sessions.logout(first.refresh_token)

    with pytest.raises(Unauthenticated):
        await sessions.refresh(first.refresh_token)


async def test_signing_out_ends_the_access_token_too_and_that_of_no_other_sign_in(
    sessions: Sessions,
    directory: CredentialDirectory,
    database: Database,
    clock: ManualClock,
    ana: User,
) -> None:
    left, other = [await sessions.login(ana.email, PASSWORD, HERE) for _ in range(2)]
    renewed = await sessions.refresh(left.refresh_token)
    await directory.refresh()
    directory.verify(left.access_token)  # remembered from now on

    await sessions.logout(renewed.refresh_token)
    await directory.refresh()

    loaded = CredentialDirectory(database, PEPPER, clock)
    await loaded.refresh()
    for each in (directory, loaded):
        for token in (left.access_token, renewed.access_token):
            with pytest.raises(Unauthenticated):
                each.verify(token)
        each.verify(other.access_token)


async def test_a_detected_reuse_ends_the_access_tokens_too(
    sessions: Sessions, directory: CredentialDirectory, clock: ManualClock, ana: User
) -> None:
    first = await sessions.login(ana.email, PASSWORD, HERE)
    second = await sessions.refresh(first.refresh_token)
    clock.advance(GRACE_S + 0.1)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(first.refresh_token)
    await directory.refresh()

    for token in (first.access_token, second.access_token):
        with pytest.raises(Unauthenticated):
            directory.verify(token)


async def test_ended_sign_ins_are_forgotten_when_their_tokens_are_over(
    sessions: Sessions,
    directory: CredentialDirectory,
    database: Database,
    clock: ManualClock,
    ana: User,
) -> None:
    await directory.refresh()
    await sessions.logout((await sessions.login(ana.email, PASSWORD, HERE)).refresh_token)
    await directory.refresh()
    assert directory.ended_sessions == 1

    clock.advance(MAX_TOKEN_AGE_S)
    await directory.tidy()
    assert directory.ended_sessions == 0
    await sessions.logout((await sessions.login(ana.email, PASSWORD, HERE)).refresh_token)
    async with database.read() as connection:
        count = select(func.count()).select_from(ended_sessions)
        assert (await connection.execute(count)).scalar() == 1


async def test_who_signs_out_very_often_is_signed_out_everywhere_instead(
    sessions: Sessions,
    directory: CredentialDirectory,
    clock: ManualClock,
    ana: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the memory of every directory would be theirs to fill."""
    monkeypatch.setattr(sessions_module, "MAX_ENDED_SESSIONS", 6)  # signing in takes a while
    other = await sessions.login(ana.email, PASSWORD, HERE)
    for _ in range(6 + 5):
        clock.advance(0.1)
        await sessions.logout((await sessions.login(ana.email, PASSWORD, HERE)).refresh_token)
    await directory.refresh()

    assert directory.ended_sessions <= 6
    with pytest.raises(Unauthenticated):
        directory.verify(other.access_token)


async def test_an_email_may_be_in_several_tenants_and_each_signs_in_by_naming_theirs(
    sessions: Sessions, database: Database, clock: ManualClock, ana: User
) -> None:
    assert (await sessions.login(ana.email, PASSWORD, HERE)).user.tenant == "acme"
    await add_user(database, clock, "other", ana.email, Role.VIEWER, id="ana2")

    for tenant in ("acme", "other"):
        signed_in = await sessions.login(ana.email, PASSWORD, HERE, tenant)
        assert signed_in.user.tenant == tenant
    with pytest.raises(Conflict):
        await add_user(database, clock, "other", ana.email, Role.OWNER, id="ana3")


@pytest.mark.parametrize(
    ("email", "tenant"),
    [
        pytest.param("ana@acme.example", None, id="in two tenants"),
        pytest.param("nobody@acme.example", None, id="in none"),
        pytest.param("bob@acme.example", "other", id="in another tenant"),
        pytest.param("ana@acme.example", "nowhere", id="no such tenant"),
        pytest.param("ana@acme.example", "\x00", id="no tenant at all"),
    ],
)
async def test_none_and_several_read_the_same_and_cost_the_same(
    database: Database, clock: ManualClock, ana: User, email: str, tenant: str | None
) -> None:
    await add_user(database, clock, "other", ana.email, Role.VIEWER, id="ana2")
    await add_user(database, clock, "acme", "bob@acme.example", Role.VIEWER)
    hasher = Counting(time_cost=1, memory_cost=8, parallelism=1)
    sessions = Sessions(database, PEPPER, clock, passwords=Passwords(hasher))
    with pytest.raises(Unauthenticated):  # makes the hash that unknown users are compared with
        await sessions.login("first@acme.example", PASSWORD, HERE)
    hasher.hashes = 0

    with pytest.raises(Unauthenticated) as refused:
        await sessions.login(email, PASSWORD, HERE, tenant)

    assert refused.value.detail == "The email or the password is wrong."
    assert hasher.hashes == 1


class Counting(PasswordHasher):
    """argon2 that counts how often it runs."""

    hashes = 0

    def verify(self, *arguments: Any) -> Any:
        self.hashes += 1
        return super().verify(*arguments)


async def test_junk_takes_no_transaction_that_writes(
    database: Database, clock: ManualClock, ana: User
) -> None:
    """Each used to hold the one lock of SQLite's writers."""
    reading = Database.__new__(Database)
    reading.__dict__ |= database.__dict__
    reading.begin = None  # type: ignore[method-assign, assignment]
    sessions = Sessions(reading, PEPPER, clock)
    for token in ("junk", "mrt_" + "a" * 20 + "_" + "b" * 43):
        with pytest.raises(Unauthenticated):
            await sessions.refresh(token)
        await sessions.logout(token)


async def test_refresh_tokens_end_by_time_by_sign_out_and_with_the_users_sessions(
    sessions: Sessions, database: Database, clock: ManualClock, ana: User
) -> None:
    left, changed, old = [await sessions.login(ana.email, PASSWORD, HERE) for _ in range(3)]

    await sessions.logout(left.refresh_token)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(left.refresh_token)

    old = await sessions.refresh(old.refresh_token)
    clock.advance(14 * 86_400)
    with pytest.raises(Unauthenticated):
        await sessions.refresh(old.refresh_token)

    changed = await sessions.login(ana.email, PASSWORD, HERE)
    clock.advance(1)
    async with database.begin() as connection:
        await UserRepository(clock, MACS).update(
            connection, "acme", ana.id, password="$argon2id$other"
        )
    with pytest.raises(Unauthenticated):
        await sessions.refresh(changed.refresh_token)


@pytest.mark.parametrize(
    "token", ["", "mrt_", "mrt_" + "a" * 20 + "_" + "b" * 43, "\x00", "é" * 70, "x" * 99_999]
)
async def test_what_is_no_refresh_token_is_refused(sessions: Sessions, token: str) -> None:
    with pytest.raises(Unauthenticated):
        await sessions.refresh(token)
    await sessions.logout(token)


async def test_the_store_holds_no_token(sessions: Sessions, database: Database, ana: User) -> None:
    signed_in = await sessions.login(ana.email, PASSWORD, HERE)
    async with database.read() as connection:
        row = (await connection.execute(select(refresh_tokens))).one()

    assert signed_in.refresh_token.rpartition("_")[2] not in str(row)
    assert signed_in.refresh_token.encode() not in row.digest


async def test_expired_tokens_are_forgotten_at_the_next_sign_in(
    sessions: Sessions, database: Database, clock: ManualClock, ana: User
) -> None:
    for _ in range(3):
        await sessions.login(ana.email, PASSWORD, HERE)
        clock.advance(15 * 86_400)
    await sessions.login(ana.email, PASSWORD, HERE)

    async with database.read() as connection:
        count = select(func.count()).select_from(refresh_tokens)
        assert (await connection.execute(count)).scalar() == 1


async def test_a_hash_of_older_parameters_is_made_anew_and_sessions_go_on(
    database: Database, clock: ManualClock, ana: User
) -> None:
    dearer = Passwords(PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    sessions = Sessions(database, PEPPER, clock, passwords=dearer)
    before = await sessions.login(ana.email, PASSWORD, HERE)
    async with database.read() as connection:
        stored = await UserRepository(clock, MACS).get(connection, "acme", ana.id)

    assert "m=16,t=2" in stored.password
    assert stored.valid_after == ana.valid_after
    await sessions.refresh(before.refresh_token)
    await sessions.login(ana.email, PASSWORD, HERE)


async def test_a_new_signing_key_waits_until_everybody_knows_it(
    sessions: Sessions,
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    ana: User,
) -> None:
    old = (await sessions.login(ana.email, PASSWORD, HERE)).access_token
    await directory.refresh()
    async with database.begin() as connection:
        new_id = await SigningKeyService(PEPPER, clock).rotate(connection)

    early = (await sessions.login(ana.email, PASSWORD, HERE)).access_token
    directory.verify(early)  # signed by the key that this directory knows already
    clock.advance(PROPAGATION_S)
    late = (await sessions.login(ana.email, PASSWORD, HERE)).access_token
    with pytest.raises(Unauthenticated):
        directory.verify(late)
    await directory.refresh()

    assert [directory.verify(token).key_id for token in (old, early, late)] == ["ana"] * 3
    assert [key["kid"] for key in directory.jwks()["keys"]][-1] == new_id


async def test_a_retired_key_is_believed_no_longer_than_a_token_lives(
    database: Database,
    directory: CredentialDirectory,
    clock: ManualClock,
    ana: User,
    passwords: Passwords,
) -> None:
    sessions = Sessions(database, PEPPER, clock, access_token_s=3600, passwords=passwords)
    async with database.begin() as connection:
        await SigningKeyService(PEPPER, clock).rotate(connection)
    token = (await sessions.login(ana.email, PASSWORD, HERE)).access_token
    await directory.refresh()
    assert len(directory.jwks()["keys"]) == 2

    clock.advance(PROPAGATION_S + MAX_TOKEN_AGE_S)

    assert len(directory.jwks()["keys"]) == 1
    with pytest.raises(Unauthenticated):
        directory.verify(token)
    async with database.begin() as connection:
        await SigningKeyService(PEPPER, clock).rotate(connection)
        count = select(func.count()).select_from(signing_keys)
        assert (await connection.execute(count)).scalar() == 2


async def test_the_published_keys_verify_tokens_and_hold_nothing_private(
    sessions: Sessions, directory: CredentialDirectory, clock: ManualClock, ana: User
) -> None:
    import jwt

    token = (await sessions.login(ana.email, PASSWORD, HERE)).access_token
    await directory.refresh()
    published = directory.jwks()

    keys = {key.key_id: key.key for key in jwt.PyJWKSet.from_dict(published).keys}
    assert verify(token, keys.get, clock.wall()).user == "ana"
    assert all(set(key) == {"kty", "crv", "use", "alg", "kid", "x"} for key in published["keys"])
