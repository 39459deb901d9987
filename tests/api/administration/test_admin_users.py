"""Users by HTTP: nobody rises above their maker, an owner stays, changes end sessions."""

from typing import Any

import pytest
from sqlalchemy import select

from cluster.storage.tables import audit_records, events
from tests.api.administration.world import ON_ITS_LOOP, PASSWORD, World

USERS = "/api/v1/tenants/acme/users"
OTHER = "another good passphrase"


async def find(world: World, name: str) -> str:
    page = (await world.ask("owner", "GET", f"{USERS}?limit=200")).json()
    return next(user["id"] for user in page["data"] if user["email"].startswith(f"{name}@"))


async def login(world: World, email: str, password: str) -> Any:
    body = {"email": email, "password": password}
    return await world.ask("anonymous", "POST", "/api/v1/auth/login", json=body)


async def test_an_admin_cannot_make_an_owner(world: World) -> None:
    body = {"email": "boss@acme.example", "password": PASSWORD, "role": "owner"}
    made = await world.ask("admin", "POST", USERS, json=body)
    raised = await world.ask(
        "admin", "PATCH", f"{USERS}/{world.ids['user']}", json={"role": "owner"}
    )

    assert (made.status_code, raised.status_code) == (403, 403)
    assert (await world.ask("owner", "POST", USERS, json=body)).status_code == 201


async def test_nobody_raises_themselves(world: World) -> None:
    path = f"{USERS}/{await find(world, 'admin')}"
    answer = await world.ask("admin", "PATCH", path, json={"role": "owner"})

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PATCH", {"password": OTHER}),
        ("PATCH", {"role": "viewer"}),
        ("PATCH", {"status": "disabled"}),
        ("DELETE", None),
    ],
)
async def test_an_admin_cannot_touch_an_owner(world: World, method: str, body: Any) -> None:
    path = f"{USERS}/{await find(world, 'owner')}"
    answer = await world.ask("admin", method, path, json=body)

    assert answer.status_code == 403
    assert (await login(world, "owner@acme.example", PASSWORD)).status_code == 200


async def test_a_key_cannot_make_a_user_who_may_do_more_than_it(world: World) -> None:
    scopes = ["users:read", "users:write"]
    made = await world.ask(
        "owner", "POST", "/api/v1/tenants/acme/keys", json={"name": "hr", "scopes": scopes}
    )
    world.credentials["hr"] = made.json()["key"]
    body = {"email": "x@acme.example", "password": PASSWORD, "role": "developer"}
    answer = await world.ask("hr", "POST", USERS, json=body)

    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "body"),
    [("PATCH", {"role": "admin"}), ("PATCH", {"status": "disabled"}), ("DELETE", None)],
)
@pytest.mark.parametrize("caller", ["owner", "operator"])
async def test_the_last_owner_stays(world: World, caller: str, method: str, body: Any) -> None:
    path = f"{USERS}/{await find(world, 'owner')}"
    refused = await world.ask(caller, method, path, json=body)
    second = {"email": "second@acme.example", "password": PASSWORD, "role": "owner"}
    await world.ask("operator", "POST", USERS, json=second)
    allowed = await world.ask(caller, method, path, json=body)

    assert refused.status_code == 409
    assert allowed.status_code in (200, 204)


@pytest.mark.parametrize(
    "change",
    [{"password": OTHER}, {"role": "billing"}, {"status": "disabled"}, {"status": "active"}],
    ids=lambda change: next(iter(change)),
)
async def test_a_change_ends_every_session_of_the_user(
    world: World, change: dict[str, str]
) -> None:
    tokens = (await login(world, "target@acme.example", PASSWORD)).json()
    world.credentials["target"] = tokens["access_token"]
    assert (await world.ask("target", "GET", "/api/v1/auth/me")).status_code == 200
    path = f"{USERS}/{world.ids['user']}"
    assert (await world.ask("owner", "PATCH", path, json=change)).status_code == 200

    assert (await world.ask("target", "GET", "/api/v1/auth/me")).status_code == 401
    body = {"refresh_token": tokens["refresh_token"]}
    refreshed = await world.ask("anonymous", "POST", "/api/v1/auth/refresh", json=body)
    assert refreshed.status_code == 401


async def test_a_deleted_user_is_nobody(world: World) -> None:
    tokens = (await login(world, "target@acme.example", PASSWORD)).json()
    world.credentials["target"] = tokens["access_token"]
    path = f"{USERS}/{world.ids['user']}"
    assert (await world.ask("owner", "DELETE", path)).status_code == 204

    assert (await world.ask("target", "GET", "/api/v1/auth/me")).status_code == 401
    assert (await login(world, "target@acme.example", PASSWORD)).status_code == 401
    assert (await world.ask("owner", "GET", path)).status_code == 404


async def test_a_new_password_is_the_one_that_opens(world: World) -> None:
    path = f"{USERS}/{world.ids['user']}"
    await world.ask("owner", "PATCH", path, json={"password": OTHER})

    assert (await login(world, "target@acme.example", PASSWORD)).status_code == 401
    assert (await login(world, "target@acme.example", OTHER)).status_code == 200


async def test_passwords_are_in_no_answer_no_record_and_no_event(
    world: World, access_log: list[bytes]
) -> None:
    body = {"email": "n@acme.example", "password": OTHER, "role": "viewer"}
    made = await world.ask("owner", "POST", USERS, json=body)
    path = f"{USERS}/{made.json()['id']}"
    changed = await world.ask("owner", "PATCH", path, json={"password": OTHER + "!"})
    short = await world.ask("owner", "PATCH", path, json={"password": OTHER[:11]})
    await login(world, "n@acme.example", OTHER + "?")
    await login(world, OTHER, OTHER)
    await world.trail.flush()

    assert short.status_code == 422
    assert all(OTHER[:11] not in answer.text for answer in (made, changed, short))
    assert OTHER[:11].encode() not in b"".join(access_log)
    async with world.database.read() as connection:
        for table in (audit_records, events):
            rows = (await connection.execute(select(table))).all()
            assert rows
            assert OTHER[:11] not in repr(rows)


@pytest.mark.parametrize(
    ("change", "status"),
    [
        pytest.param({"email": "viewer@acme.example"}, 409, id="taken"),
        pytest.param({"email": "VIEWER@acme.example"}, 409, id="taken-in-capitals"),
        pytest.param({"email": "no address"}, 422, id="no-address"),
        pytest.param({"email": "a@b\r\nBcc: c@d.example"}, 422, id="header-injection"),
        pytest.param({"password": "short"}, 422, id="short"),
        pytest.param({"password": "x" * 129}, 422, id="long"),
        pytest.param({"password": "aaaaaaaaaaaaaa"}, 400, id="poor"),
        pytest.param({"role": "root"}, 422, id="role"),
        pytest.param({"tenant": "other"}, 422, id="unknown-field"),
    ],
)
@ON_ITS_LOOP
async def test_a_bad_user_is_refused(
    unchanged_world: World, change: dict[str, str], status: int
) -> None:
    body = {"email": "new@acme.example", "password": PASSWORD, "role": "viewer"} | change
    answer = await unchanged_world.ask("owner", "POST", USERS, json=body)

    assert answer.status_code == status
    assert PASSWORD not in answer.text


async def test_a_change_that_changes_nothing_is_422(world: World) -> None:
    answer = await world.ask("owner", "PATCH", f"{USERS}/{world.ids['user']}", json={})

    assert answer.status_code == 422
    assert "at least one" in answer.json()["detail"]
