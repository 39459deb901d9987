"""The same administration over either store, also where two change things at once."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from cluster.runtime.settings import Settings
from cluster.storage.database import run_sync
from tests.api.administration.world import (
    HOOK,
    PASSWORD,
    Seed,
    World,
    seeded,
    serving,
    world_of,
)
from tests.api.web import MakeServices
from tests.servers.reused_postgres import PostgresTemplates, ReusedPostgres

ACME = "/api/v1/tenants/acme"


@pytest.fixture(scope="session")
def postgres_seed(
    migrated_postgres: PostgresTemplates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ReusedPostgres, Seed]]:
    """A seeded database, and the home that opens it."""
    home, made = tmp_path_factory.mktemp("seed") / "home", []

    def fill(url: str) -> None:
        shutil.rmtree(home, ignore_errors=True)
        made.append(run_sync(seeded(Settings(home=home, database_url=SecretStr(url)))))

    with ReusedPostgres(migrated_postgres, fill) as database:
        database.restore()
        yield database, made[-1]


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(
    request: pytest.FixtureRequest, tmp_path: Path, make_services: MakeServices
) -> AsyncIterator[World]:
    if request.param == "sqlite":
        seed: Seed = request.getfixturevalue("seed")
        async with world_of(seed, tmp_path / "home", make_services) as world:
            yield world
        return
    database, seed = request.getfixturevalue("postgres_seed")
    home = shutil.copytree(seed.home, tmp_path / "home")
    settings = Settings(home=home, database_url=SecretStr(database.restore()))
    async with serving(seed, settings, make_services) as world:
        yield world


async def test_a_day_of_administration(world: World) -> None:
    async def ask(method: str, path: str, status: int, body: object = None) -> dict[str, str]:
        answer = await world.ask("operator", method, path, json=body)
        assert answer.status_code == status, (method, path, answer.text)
        found: dict[str, str] = answer.json() if answer.content else {}
        return found

    await ask("PUT", "/api/v1/plans/gold", 201, {"id": "gold"})
    await ask("PATCH", ACME, 200, {"plan": "gold"})
    await ask("DELETE", "/api/v1/plans/gold", 409)
    await ask("DELETE", "/api/v1/plans/team", 204)
    await ask("POST", "/api/v1/tenants", 409, {"id": "acme", "name": "x"})
    key = await ask("POST", f"{ACME}/keys", 201, {"name": "k", "scopes": ["generate"]})
    await ask("POST", f"{ACME}/keys/{key['id']}/rotate", 201, {})
    await ask("DELETE", f"{ACME}/keys/{key['id']}", 204)
    user = {"email": "new@acme.example", "password": PASSWORD, "role": "viewer"}
    made = await ask("POST", f"{ACME}/users", 201, user)
    await ask("POST", f"{ACME}/users", 409, user)
    await ask("PATCH", f"{ACME}/users/{made['id']}", 200, {"role": "billing"})
    await ask("DELETE", f"{ACME}/users/{made['id']}", 204)
    hook = await ask("POST", f"{ACME}/webhooks", 201, {"url": HOOK})
    await ask("POST", f"{ACME}/webhooks/{hook['id']}/test", 202, {})
    await ask("DELETE", f"{ACME}/webhooks/{hook['id']}", 204)
    await ask("POST", "/api/v1/auth/signing-keys/rotate", 201, {})
    await ask("GET", "/api/v1/usage?group_by=tenant", 200)
    report = await ask("GET", "/api/v1/audit/verify", 200)
    assert report["ok"], report


@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/audit", f"{ACME}/users"])
async def test_pages_lead_through_everything_once(world: World, path: str) -> None:
    whole = (await world.ask("owner", "GET", path, params={"limit": "200"})).json()["data"]
    seen = []
    query = {"limit": "2"}
    while True:
        page = (await world.ask("owner", "GET", path, params=query)).json()
        seen += page["data"]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]

    assert len(whole) > 5
    assert seen == whole


async def test_of_two_owners_who_leave_at_once_one_stays(world: World) -> None:
    body = {"email": "second@acme.example", "password": PASSWORD, "role": "owner"}
    second = (await world.ask("operator", "POST", f"{ACME}/users", json=body)).json()
    page = (await world.ask("owner", "GET", f"{ACME}/users")).json()["data"]
    owners = [user["id"] for user in page if user["role"] == "owner"]
    answers = await asyncio.gather(
        *(world.ask("operator", "DELETE", f"{ACME}/users/{owner}") for owner in owners)
    )

    assert second["id"] in owners
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_of_many_rotations_at_once_one_wins(world: World) -> None:
    path = f"{ACME}/keys/{world.ids['key']}/rotate"
    answers = await asyncio.gather(
        *(world.ask("owner", "POST", path, json={"grace_s": 60}) for _ in range(5))
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]


async def test_many_changes_at_once_make_one_unbroken_chain(world: World) -> None:
    body = {"name": "k", "scopes": ["generate"]}
    answers = await asyncio.gather(
        *(world.ask("owner", "POST", f"{ACME}/keys", json=body) for _ in range(20))
    )
    report = (await world.ask("operator", "GET", "/api/v1/audit/verify")).json()

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 20
    assert report["ok"], report["findings"]
