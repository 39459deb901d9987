"""A user with the role `operator` operates the cluster and sees no tenant's content."""

import pytest

from tests.api.administration.world import ON_ITS_LOOP, PASSWORD, World


async def operators_token(world: World) -> None:
    body = {"email": "operator@acme.example", "password": PASSWORD}
    answer = await world.ask("anonymous", "POST", "/api/v1/auth/login", json=body)
    world.credentials["operating"] = answer.json()["access_token"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/scaling/status", 200),
        ("GET", "/api/v1/health/dependencies", 200),
        ("GET", "/api/v1/logs/errors", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v1/tenants", 403),
        ("GET", "/api/v1/batches", 403),
        ("GET", "/api/v1/videos", 403),
        ("GET", "/api/v1/audit", 403),
        ("GET", "/api/v1/tenants/other", 404),
        ("POST", "/v1/chat/completions", 403),
    ],
)
@ON_ITS_LOOP
async def test_what_an_operator_may_do(
    unchanged_world: World, method: str, path: str, status: int
) -> None:
    await operators_token(unchanged_world)
    messages = [{"role": "user", "content": "hi"}]
    body = {"model": "words", "messages": messages} if method == "POST" else None

    answer = await unchanged_world.ask("operating", method, path, json=body)
    assert answer.status_code == status


async def test_an_operator_changes_bounds_and_levels(world: World) -> None:
    await operators_token(world)
    bounds = await world.ask("operating", "PUT", "/api/v1/scaling/words/bounds", json={"floor": 2})
    level = await world.ask("operating", "PUT", "/api/v1/logs/levels", json={"level": "DEBUG"})

    assert (bounds.status_code, level.status_code) == (200, 200)


async def test_no_owner_makes_an_operator(world: World) -> None:
    body = {"email": "new@acme.example", "password": PASSWORD, "role": "operator"}
    for caller, status in (("owner", 403), ("operator", 201)):
        answer = await world.ask(caller, "POST", "/api/v1/tenants/acme/users", json=body)
        assert answer.status_code == status
