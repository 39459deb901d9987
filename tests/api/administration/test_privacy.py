"""What is stored of a tenant or a user can be had, and can be made to go; nobody else's does."""

import asyncio
import io
import json
from typing import Any
from zipfile import ZipFile

import pytest
from sqlalchemy import func, select

from cluster.storage.tables import tenants, usage, users
from deployments.privacy.erasure import remaining_rows
from deployments.privacy.tables import TENANT_TABLES
from tests.api.administration.world import PASSWORD, World

EXPORT, ERASE = "/api/v1/tenants/acme/export", "/api/v1/tenants/acme/erase"


async def finished(world: World, caller: str, path: str) -> dict[str, Any]:
    """The job at `path` once it has ended."""
    await world.jobs.start()
    async with asyncio.timeout(30):
        while True:
            answer = await world.ask(caller, "GET", path)
            body: dict[str, Any] = answer.json()
            if body.get("ended") is not None:
                return body
            await asyncio.sleep(0.02)


async def exported(world: World, body: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The rows of an export by table."""
    ordered = await world.ask("owner", "POST", EXPORT, json=body)
    assert ordered.status_code == 202
    done = await finished(world, "owner", ordered.headers["location"])
    assert done["state"] == "succeeded", done
    file = await world.ask("anonymous", "GET", done["url"])
    with ZipFile(io.BytesIO(file.content)) as archive:
        rows = {
            name.removesuffix(".jsonl"): [json.loads(line) for line in archive.open(name)]
            for name in archive.namelist()
            if name != "manifest.json"
        }
        manifest = json.loads(archive.read("manifest.json"))
    assert manifest["rows"] == done["tables"] == {name: len(found) for name, found in rows.items()}
    return rows


async def test_an_export_has_all_content_and_no_secrets(world: World) -> None:
    rows = await exported(world, {})

    assert {row["tenant"] for name in rows for row in rows[name] if "tenant" in row} == {"acme"}
    assert "owner@acme.example" in [row["email"] for row in rows["users"]]
    (response,) = rows["stored_responses"]
    assert response["content"]["response"]["id"] == "resp_acme"
    assert rows["template_versions"][0]["content"]["defaults"]["model"] == "words"
    assert [row["path"] for row in rows["stored_objects"]]
    text = json.dumps(rows)
    assert not any("digest" in row for row in rows["api_keys"])  # those of texts are no secret
    for secret in ("password", "secret", '"mac"', "$argon2", PASSWORD):
        assert secret not in text
    trail = await world.ask("owner", "GET", "/api/v1/audit?action=tenant.exported")
    (proof,) = trail.json()["data"]
    assert proof["detail"]["rows"] == sum(map(len, rows.values()))


async def test_an_export_of_a_user_has_what_is_of_that_user(world: World) -> None:
    user = world.ids["user"]
    rows = await exported(world, {"user": user})

    assert [row["email"] for row in rows["users"]] == ["target@acme.example"]
    assert "stored_responses" not in rows
    assert rows["jobs"] == []


async def counts_of(world: World, tenant: str) -> dict[str, int]:
    found = {}
    async with world.database.read() as connection:
        for table in TENANT_TABLES:
            query = select(func.count()).select_from(table.table).where(table.of_tenant(tenant))
            found[table.name] = (await connection.execute(query)).scalar_one()
    return found


async def test_an_erased_tenant_leaves_its_ledger_and_its_trail(world: World) -> None:
    async with world.database.begin() as connection:
        row = {"key": "k", "model": "m", "day": "2026-11-30", "unit": "requests", "amount": 7}
        await connection.execute(usage.insert().values(tenant="acme", cost=0, revenue=0, **row))
        secret = select(tenants.c.secret).where(tenants.c.id == "acme")
        before = (await connection.execute(secret)).scalar_one()
    others, trail = await counts_of(world, "other"), (await counts_of(world, "acme"))
    ordered = await world.ask("owner", "POST", ERASE, json={"confirm": "acme"})
    done = await finished(world, "operator", ordered.headers["location"])

    assert (done["state"], done["tables"]["users"]) == ("succeeded", trail["users"])
    left = await counts_of(world, "acme")
    kept = {name for name, count in left.items() if count}
    assert kept <= {"jobs", "events", "usage", "audit_records", "tenants"}
    assert (left["jobs"], left["usage"]) == (1, 1)
    assert left["audit_records"] > trail["audit_records"]
    assert await counts_of(world, "other") == others
    async with world.database.read() as connection:
        (row,) = (await connection.execute(select(tenants).where(tenants.c.id == "acme"))).all()
    assert (row.name, row.status, row.secret != before) == ("acme", "suspended", True)
    await world.services.admin.tenants._unit_of_work.refresh_directory()
    assert (await world.ask("owner", "GET", "/api/v1/auth/me")).status_code == 401
    assert (await world.ask("stranger", "GET", "/api/v1/auth/me")).status_code == 200
    found = await world.ask("operator", "GET", "/api/v1/audit?tenant=acme&action=tenant.erased")
    (proof,) = found.json()["data"]
    assert proof["detail"]["rows"] == sum(done["tables"].values())


async def test_an_erased_user_leaves_what_is_the_tenants(world: World) -> None:
    user, before = world.ids["user"], await counts_of(world, "acme")
    body = {"confirm": "acme", "user": user}
    ordered = await world.ask("owner", "POST", ERASE, json=body)
    done = await finished(world, "owner", ordered.headers["location"])

    assert (done["state"], done["tables"]["users"]) == ("succeeded", 1)
    after = await counts_of(world, "acme")
    assert after["users"] == before["users"] - 1
    assert after["templates"] == before["templates"]
    async with world.database.read() as connection:
        query = select(users.c.email).where(users.c.id == user)
        assert (await connection.execute(query)).all() == []
    trail = await world.ask("owner", "GET", "/api/v1/audit?action=user.erased")
    assert [each["resource"] for each in trail.json()["data"]] == [f"user:{user}"]


async def test_what_cannot_be_erased_is_refused(world: World) -> None:
    async with world.database.read() as connection:
        query = select(users.c.id).where(users.c.email == "owner@acme.example")
        owner = (await connection.execute(query)).scalar_one()

    cases = [
        ("owner", "acme", {"confirm": "other"}, 400),
        ("owner", "acme", {"confirm": "acme", "user": owner}, 409),
        ("owner", "acme", {"confirm": "acme", "user": "nobody"}, 404),
        ("operator", "default", {"confirm": "default"}, 409),
        ("owner", "acme", {}, 422),
    ]
    for caller, tenant, body, status in cases:
        answer = await world.ask(caller, "POST", f"/api/v1/tenants/{tenant}/erase", json=body)
        assert answer.status_code == status, body
    async with world.database.read() as connection:
        assert await remaining_rows(connection, "acme", "")


@pytest.mark.parametrize("path", [EXPORT, ERASE])
async def test_a_job_of_another_kind_is_no_export_and_no_erasure(world: World, path: str) -> None:
    for id in (world.ids["batch"], "job_unknown"):
        assert (await world.ask("owner", "GET", f"{path}/{id}")).status_code == 404
