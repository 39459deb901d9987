"""Signing in by HTTP: one answer for every failure, refresh tokens that work once, a trail."""

import asyncio
from typing import Any

import pytest

from cluster.auth.throttle import OPEN_BURST
from tests.api.administration.world import PASSWORD, World

LOGIN, REFRESH, LOGOUT = (f"/api/v1/auth/{verb}" for verb in ("login", "refresh", "logout"))
EMAIL = "developer@acme.example"


async def login(world: World) -> Any:
    body = {"email": EMAIL, "password": PASSWORD}
    return (await world.ask("anonymous", "POST", LOGIN, json=body)).json()


async def refresh(world: World, token: str) -> Any:
    return await world.ask("anonymous", "POST", REFRESH, json={"refresh_token": token})


async def test_a_user_signs_in_and_is_known(world: World) -> None:
    tokens = await login(world)
    world.credentials["me"] = tokens["access_token"]
    me = (await world.ask("me", "GET", "/api/v1/auth/me")).json()

    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 900
    assert (me["tenant"], me["kind"], me["email"]) == ("acme", "user", EMAIL)
    assert (me["role"], me["plan"]) == ("developer", "team")
    assert "keys:write" in me["scopes"]


async def test_a_key_is_known_too(world: World) -> None:
    me = (await world.ask("generate", "GET", "/api/v1/auth/me")).json()

    assert (me["tenant"], me["kind"], me["scopes"]) == ("acme", "key", ["generate"])
    assert me["email"] is None


@pytest.mark.parametrize(
    ("email", "password"),
    [(EMAIL, "wrong password"), ("nobody@acme.example", PASSWORD), (EMAIL.upper(), "x")],
)
async def test_every_failed_sign_in_reads_the_same(world: World, email: str, password: str) -> None:
    body = {"email": email, "password": password}
    answer = await world.ask("anonymous", "POST", LOGIN, json=body)

    assert answer.status_code == 401
    assert answer.json()["detail"] == "The email or the password is wrong."


async def test_guessing_is_slowed_down(world: World) -> None:
    body = {"email": EMAIL, "password": "a wrong guess"}
    answers = [await world.ask("anonymous", "POST", LOGIN, json=body) for _ in range(11)]

    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


async def test_a_refresh_token_works_once_and_its_reuse_ends_the_sign_in(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await login(world))["refresh_token"]
    renewed = (await refresh(world, first)).json()
    second, world.credentials["me"] = renewed["refresh_token"], renewed["access_token"]
    assert (await world.ask("me", "GET", "/api/v1/auth/me")).status_code == 200

    monkeypatch.setattr("cluster.auth.sessions.GRACE_S", -1.0)

    assert second != first
    assert (await refresh(world, first)).status_code == 401
    assert (await refresh(world, second)).status_code == 401
    assert (await world.ask("me", "GET", "/api/v1/auth/me")).status_code == 401


async def test_signing_out_ends_the_access_token_at_once(world: World) -> None:
    tokens = await login(world)
    world.credentials["me"] = tokens["access_token"]
    assert (await world.ask("me", "GET", "/api/v1/auth/me")).status_code == 200

    body = {"refresh_token": tokens["refresh_token"]}
    await world.ask("anonymous", "POST", LOGOUT, json=body)

    assert (await world.ask("me", "GET", "/api/v1/auth/me")).status_code == 401


async def recorded(world: World) -> list[Any]:
    await world.trail.flush()
    query = "SELECT action, outcome FROM audit_records WHERE action LIKE 'auth.%'"
    async with world.database.read() as connection:
        return list((await connection.exec_driver_sql(query)).all())


async def test_junk_leaves_no_line_in_the_trail(world: World) -> None:
    before = len(await recorded(world))
    junk = ("x", "mrt_" + "a" * 20 + "_" + "b" * 43)
    for number in range(20):
        await refresh(world, junk[number % 2])
        await world.ask("anonymous", "POST", LOGOUT, json={"refresh_token": junk[number % 2]})

    assert len(await recorded(world)) == before


async def test_failed_sign_ins_of_an_address_leave_one_line_of_each_kind(world: World) -> None:
    before = len(await recorded(world))
    for _ in range(20):
        body = {"email": EMAIL, "password": "a wrong guess"}
        await world.ask("anonymous", "POST", LOGIN, json=body)

    new = [outcome for _, outcome in (await recorded(world))[before:]]
    assert sorted(new) == ["rate-limited", "unauthenticated"]


async def test_the_open_routes_take_so_many_calls_of_one_address(world: World) -> None:
    junk = {"refresh_token": "x"}
    async with world.client("anonymous") as client:
        calls = (client.post(LOGOUT, json=junk) for _ in range(300))
        answers = await asyncio.gather(*calls)

    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert len(answers) - len(refused) >= OPEN_BURST
    assert refused[-1].json()["limit"] == "sign-in"


async def test_an_email_of_two_tenants_signs_in_with_the_tenant_alone(world: World) -> None:
    new = {"email": EMAIL, "password": PASSWORD, "role": "viewer"}
    made = await world.ask("operator", "POST", "/api/v1/tenants/other/users", json=new)
    assert made.status_code == 201  # it tells no tenant who is a user of another

    body = {"email": EMAIL, "password": PASSWORD}
    without = await world.ask("anonymous", "POST", LOGIN, json=body)
    assert (without.status_code, without.json()["detail"]) == (
        401,
        "The email or the password is wrong.",
    )
    for tenant in ("acme", "other"):
        answer = await world.ask("anonymous", "POST", LOGIN, json={**body, "tenant": tenant})
        world.credentials["me"] = answer.json()["access_token"]
        me = (await world.ask("me", "GET", "/api/v1/auth/me")).json()
        assert me["tenant"] == tenant


async def test_who_signed_out_cannot_refresh(world: World) -> None:
    token = (await login(world))["refresh_token"]
    answer = await world.ask("anonymous", "POST", LOGOUT, json={"refresh_token": token})

    assert answer.status_code == 204
    assert (await refresh(world, token)).status_code == 401
    again = await world.ask("anonymous", "POST", LOGOUT, json={"refresh_token": "nonsense"})
    assert again.status_code == 204


async def test_sign_ins_are_in_the_trail(world: World) -> None:
    await login(world)
    body = {"email": "typed-the-password-here", "password": "x"}
    await world.ask("anonymous", "POST", LOGIN, json=body)
    await world.ask("anonymous", "POST", LOGIN, json={**body, "email": EMAIL})
    await world.trail.flush()

    query = {"action": "auth.login", "limit": "200"}
    own = (await world.ask("owner", "GET", "/api/v1/audit", params=query)).json()["data"]
    none = {"action": "auth.login", "tenant": "default"}
    assert own[0]["outcome"] == "ok"
    assert own[0]["actor"].startswith("user:")
    assert own[0]["detail"]["address"] == "127.0.0.1"
    others = await world.ask("operator", "GET", "/api/v1/audit", params=none)
    assert others.json()["data"] == []
    async with world.database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM audit_records")).all()
    assert "typed-the-password-here" not in repr(rows)


async def test_jwks_holds_public_halves_only(world: World) -> None:
    keys = (await world.ask("anonymous", "GET", "/.well-known/jwks.json")).json()["keys"]

    assert keys
    assert all("d" not in key and key["crv"] == "Ed25519" for key in keys)


async def test_tokens_outlive_a_roll_over_of_signing_keys(world: World) -> None:
    before = (await login(world))["access_token"]
    rotated = await world.ask("operator", "POST", "/api/v1/auth/signing-keys/rotate", json={})
    world.credentials["me"] = before

    keys = (await world.ask("anonymous", "GET", "/.well-known/jwks.json")).json()["keys"]
    assert rotated.json()["id"] in {key["kid"] for key in keys}
    assert (await world.ask("me", "GET", "/api/v1/auth/me")).status_code == 200
