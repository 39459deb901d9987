"""Hostile text in every id, query and header: refused or unknown, and nothing happens."""

import string
from urllib.parse import quote

import pytest
from sqlalchemy import text as sql

from tests.api.administration.test_matrix import BODIES, HEADERS, rows
from tests.api.administration.world import World

HOSTILE = [
    pytest.param("' OR '1'='1", id="sql-or"),
    pytest.param("acme'; DROP TABLE tenants;--", id="sql-drop"),
    pytest.param("acme\r\nX-Evil: 1", id="crlf"),
    pytest.param("../../etc/passwd", id="path"),
    pytest.param("..", id="dots"),
    pytest.param("%2e%2e%2f", id="escaped-twice"),
    pytest.param("acme\x00", id="nul"),
    pytest.param("acme%", id="wildcard"),
    pytest.param("ACME", id="capitals"),
    pytest.param("аcme", id="cyrillic-a"),
    pytest.param("acme\u202e", id="bidi"),
    pytest.param("a" * 5000, id="long"),
    pytest.param("${jndi:ldap://x}", id="jndi"),
    pytest.param("*", id="star"),
]
TABLES = (
    "tenants", "plans", "api_keys", "users", "webhooks", "videos", "uploads", "jobs",
    "stored_objects",
)  # fmt: skip
# OPTIONS tells facts of the server, whatever the id.
PATHS = [
    (method, path.replace(":path}", "}"))
    for method, path, _ in rows()
    if "{" in path and "model" not in path and method != "OPTIONS"
]


def escaped(text: str) -> str:
    """Dots too, so that no client takes two of them for the folder above."""
    return quote(text, safe="").replace(".", "%2E")


async def counts(world: World) -> list[int]:
    async with world.database.read() as connection:
        found = [await connection.execute(sql(f"SELECT count(*) FROM {table}")) for table in TABLES]
        return [result.scalar_one() for result in found]


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_in_every_id_of_every_path(world: World, hostile: str) -> None:
    before = await counts(world)
    async with world.client("operator") as operator, world.client("owner") as owner:
        for method, path in PATHS:
            names = [name for _, name, _, _ in string.Formatter().parse(path) if name]
            body, headers = BODIES.get(f"{method} {path}"), HEADERS.get(f"{method} {path}")
            for name in names:
                ids = {**world.ids, "plan": "team", name: escaped(hostile)}
                for client in (operator, owner):
                    answer = await client.request(
                        method, path.format(**ids), json=body, headers=headers
                    )
                    assert answer.status_code in (403, 404, 405, 422), (method, path, name)
                    assert "x-evil" not in answer.headers

    assert await counts(world) == before


@pytest.mark.parametrize("hostile", HOSTILE)
async def test_in_every_query(world: World, hostile: str) -> None:
    for path in ("/api/v1/usage", "/api/v1/audit", "/api/v1/audit/export", "/api/v1/events"):
        answer = await world.ask("owner", "GET", path, params={"tenant": hostile})
        assert answer.status_code in (404, 422)
    for name in ("actor", "action", "resource", "outcome", "request_id"):
        query = {name: hostile[:300]}
        answer = await world.ask("owner", "GET", "/api/v1/audit", params=query)
        assert answer.status_code in (200, 422)
        assert not answer.json().get("data")


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer mob_",
        "Bearer ' OR 1=1 --",
        "Bearer mob_aaaaaaaaaaaa_' OR '1'='1' --aaaaaaaaaaaaaaaaaa",
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
        "Basic YWRtaW46YWRtaW4=",
        "Bearer " + "a" * 9000,
        "Bearer mob_äöü",
    ],
)
async def test_in_the_credential(world: World, credential: str) -> None:
    async with world.client("anonymous") as client:
        answer = await client.get(
            "/api/v1/tenants", headers=[(b"authorization", credential.encode())]
        )

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["X-Tenant", "X-Forwarded-User", "X-Mobula-Tenant", "X-Role"])
async def test_no_header_makes_a_caller_somebody_else(world: World, header: str) -> None:
    async with world.client("stranger") as client:
        me = await client.get("/api/v1/auth/me", headers={header: "acme"})
        other = await client.get("/api/v1/tenants/acme", headers={header: "acme"})

    assert me.json()["tenant"] == "other"
    assert other.status_code == 404
