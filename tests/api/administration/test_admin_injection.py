"""Hostile text in every id, query and header: refused or unknown, and nothing happens."""

import string
from collections.abc import Iterable
from itertools import cycle
from urllib.parse import quote

import pytest

from tests.api.administration.test_matrix import BODIES, HEADERS, rows
from tests.api.administration.world import ON_ITS_LOOP, World, rows_of

HOSTILE = {
    "sql-or": "' OR '1'='1",
    "sql-drop": "acme'; DROP TABLE tenants;--",
    "crlf": "acme\r\nX-Evil: 1",
    "path": "../../etc/passwd",
    "dots": "..",
    "escaped-twice": "%2e%2e%2f",
    "nul": "acme\x00",
    "wildcard": "acme%",
    "capitals": "ACME",
    "cyrillic-a": "аcme",
    "bidi": "acme\u202e",
    "long": "a" * 5000,
    "jndi": "${jndi:ldap://x}",
    "star": "*",
}
# OPTIONS tells facts of the server, whatever the id.
PATHS = [
    (method, path.replace(":path}", "}"))
    for method, path, _ in rows()
    if "{" in path and "model" not in path and method != "OPTIONS"
]

PLACES = [
    (method, path, name)
    for method, path in PATHS
    for _, name, _, _ in string.Formatter().parse(path)
    if name
]


def escaped(text: str) -> str:
    """Dots too, so that no client takes two of them for the folder above."""
    return quote(text, safe="").replace(".", "%2E")


async def require_refusals(world: World, cases: Iterable[tuple[str, str, str, str]]) -> None:
    """`cases`: a method, a path, the name of an id in it, and what stands for that id."""
    before = await rows_of(world)
    async with world.client("operator") as operator, world.client("owner") as owner:
        for method, path, name, hostile in cases:
            body, headers = BODIES.get(f"{method} {path}"), HEADERS.get(f"{method} {path}")
            ids = {**world.ids, "plan": "team", name: escaped(hostile)}
            malformed = 400 if path.startswith("/v1/") else 422  # as OpenAI's and our own say it
            for client in (operator, owner):
                answer = await client.request(
                    method, path.format(**ids), json=body, headers=headers
                )
                place = (method, path, name, hostile)
                assert answer.status_code in (403, 404, 405, malformed), place
                assert "x-evil" not in answer.headers

    assert await rows_of(world) == before


async def test_in_every_id_of_every_path(world: World) -> None:
    """Two texts in turn in each id: all of them in each with `--all`."""
    turns = cycle(HOSTILE.values())
    await require_refusals(world, [(*place, next(turns)) for place in PLACES for _ in range(2)])


@pytest.mark.exhaustive
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
async def test_every_text_in_every_id_of_every_path(world: World, hostile: str) -> None:
    await require_refusals(world, [(*place, hostile) for place in PLACES])


@ON_ITS_LOOP
async def test_in_every_query(unchanged_world: World) -> None:
    for hostile in HOSTILE.values():
        for path in ("/api/v1/usage", "/api/v1/audit", "/api/v1/audit/export", "/api/v1/events"):
            answer = await unchanged_world.ask("owner", "GET", path, params={"tenant": hostile})
            assert answer.status_code in (404, 422), (path, hostile)
        for name in ("actor", "action", "resource", "outcome", "request_id"):
            query = {name: hostile[:300]}
            answer = await unchanged_world.ask("owner", "GET", "/api/v1/audit", params=query)
            assert answer.status_code in (200, 422), (name, hostile)
            assert not answer.json().get("data"), (name, hostile)


@ON_ITS_LOOP
async def test_in_the_credential(unchanged_world: World) -> None:
    credentials = (
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
    )
    for credential in credentials:
        async with unchanged_world.client("anonymous") as client:
            answer = await client.get(
                "/api/v1/tenants", headers=[(b"authorization", credential.encode())]
            )

        assert answer.status_code == 401, credential
        assert answer.headers["www-authenticate"].startswith("Bearer"), credential


@pytest.mark.parametrize("header", ["X-Tenant", "X-Forwarded-User", "X-Mobula-Tenant", "X-Role"])
async def test_no_header_makes_a_caller_somebody_else(world: World, header: str) -> None:
    async with world.client("stranger") as client:
        me = await client.get("/api/v1/auth/me", headers={header: "acme"})
        other = await client.get("/api/v1/tenants/acme", headers={header: "acme"})

    assert me.json()["tenant"] == "other"
    assert other.status_code == 404
