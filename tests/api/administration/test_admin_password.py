"""A user changes their own password: the old one proves who asks, and every session ends."""

from typing import Any

import pytest

from tests.api.administration.world import PASSWORD, World

PATH, EMAIL, NEW = "/api/v1/auth/password", "viewer@acme.example", "another good passphrase"


async def login(world: World, password: str) -> Any:
    body = {"email": EMAIL, "password": password}
    return await world.ask("anonymous", "POST", "/api/v1/auth/login", json=body)


async def change(world: World, current: str, new: str, caller: str = "viewer") -> Any:
    return await world.ask(caller, "POST", PATH, json={"current": current, "new": new})


async def test_the_new_password_opens_and_the_old_one_no_longer(world: World) -> None:
    answer = await change(world, PASSWORD, NEW)

    assert (answer.status_code, answer.text) == (204, "")
    assert (await login(world, NEW)).status_code == 200
    assert (await login(world, PASSWORD)).status_code == 401


async def test_every_session_ends(world: World) -> None:
    refresh = (await login(world, PASSWORD)).json()["refresh_token"]
    await change(world, PASSWORD, NEW)
    body = {"refresh_token": refresh}
    refreshed = await world.ask("anonymous", "POST", "/api/v1/auth/refresh", json=body)
    me = await world.ask("viewer", "GET", "/api/v1/auth/me")

    assert (refreshed.status_code, me.status_code) == (401, 401)


async def test_a_wrong_current_password_changes_nothing(world: World) -> None:
    answer = await change(world, "not my password", NEW)

    assert answer.status_code == 400
    assert answer.json()["param"] == "current"
    assert (await login(world, PASSWORD)).status_code == 200


async def test_guessing_the_current_one_is_slowed_down_together_with_sign_in(
    world: World,
) -> None:
    guesses = [await change(world, f"a wrong guess {number}", NEW) for number in range(11)]

    assert [guess.status_code for guess in guesses] == [400] * 10 + [429]
    assert int(guesses[-1].headers["retry-after"]) > 0
    assert (await login(world, PASSWORD)).status_code == 429
    assert (await change(world, PASSWORD, NEW)).status_code == 429


@pytest.mark.parametrize("new", ["short", "x" * 129, "abababababababab", EMAIL, PASSWORD])
async def test_a_bad_new_password_is_refused_by_name(world: World, new: str) -> None:
    answer = await change(world, PASSWORD, new)

    assert answer.status_code in (400, 422)
    assert answer.json()["param"] == "new"
    assert PASSWORD not in answer.text
    assert (await login(world, PASSWORD)).status_code == 200


async def test_bad_new_passwords_do_not_count_as_guesses(world: World) -> None:
    for _ in range(11):
        await change(world, PASSWORD, "abababababababab")

    assert (await change(world, PASSWORD, NEW)).status_code == 204


async def test_a_key_has_no_password(world: World) -> None:
    answer = await change(world, PASSWORD, NEW, caller="operator")

    assert answer.status_code == 403


async def test_both_ends_are_in_the_trail_without_a_password(world: World) -> None:
    await change(world, "not my password", NEW)
    done = await change(world, PASSWORD, NEW)
    await world.trail.flush()
    query = {"action": "auth.password"}
    found = await world.ask("owner", "GET", "/api/v1/audit", params=query)
    by_outcome = {record["outcome"]: record for record in found.json()["data"]}

    assert by_outcome.keys() == {"ok", "invalid-request"}
    assert by_outcome["ok"]["request_id"] == done.headers["x-request-id"]
    assert {record["actor"] for record in by_outcome.values()} == {by_outcome["ok"]["resource"]}
    async with world.database.read() as connection:
        rows = (await connection.exec_driver_sql("SELECT * FROM audit_records")).all()
    assert NEW not in repr(rows)
    assert "not my password" not in repr(rows)
    assert world.notified[-1][1] == "user.updated"
