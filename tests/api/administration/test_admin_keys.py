"""API keys by HTTP: shown once, no stronger than their maker, gone at once when revoked."""

from typing import Any

import pytest
from sqlalchemy import select

from cluster.storage.tables import api_keys, audit_records, events
from tests.api.administration.world import ON_ITS_LOOP, OPERATOR, World

KEYS = "/api/v1/tenants/acme/keys"


async def make(world: World, caller: str = "owner", **body: Any) -> Any:
    given = {"name": "back end", "scopes": ["generate", "models:read"], **body}
    return (await world.ask(caller, "POST", KEYS, json=given)).json()


async def works(world: World, key: str) -> bool:
    world.credentials["presented"] = key
    return (await world.ask("presented", "GET", "/api/v1/auth/me")).status_code == 200


async def test_a_key_is_shown_once_and_never_again(world: World) -> None:
    made = await make(world)
    secret = made["key"].rsplit("_", 1)[1]

    assert await works(world, made["key"])
    for path in (KEYS, f"{KEYS}/{made['id']}", "/api/v1/audit", "/api/v1/events"):
        answer = await world.ask("owner", "GET", path)
        assert answer.status_code == 200
        assert secret not in answer.text
    async with world.database.read() as connection:
        for table in (api_keys, audit_records, events):
            rows = (await connection.execute(select(table))).all()
            assert rows
            assert secret not in repr(rows)


async def test_an_answer_with_a_secret_is_not_stored_by_anybody(world: World) -> None:
    body = {"name": "back end", "scopes": ["generate"]}
    answer = await world.ask("owner", "POST", KEYS, json=body)

    assert answer.headers["cache-control"] == "no-store"


async def test_a_revoked_key_stops_working_at_once(world: World) -> None:
    made = await make(world)
    answer = await world.ask("owner", "DELETE", f"{KEYS}/{made['id']}")

    assert answer.status_code == 204
    assert not await works(world, made["key"])
    again = await world.ask("owner", "DELETE", f"{KEYS}/{made['id']}")
    assert again.status_code == 204
    shown = await world.ask("owner", "GET", f"{KEYS}/{made['id']}")
    assert shown.json()["status"] == "revoked"


@pytest.mark.parametrize(("grace_s", "old_works"), [(3600, True), (0, False)])
async def test_a_rotated_key_works_for_its_grace(
    world: World, grace_s: int, old_works: bool
) -> None:
    old = await make(world)
    answer = await world.ask(
        "owner", "POST", f"{KEYS}/{old['id']}/rotate", json={"grace_s": grace_s}
    )

    new = answer.json()
    assert answer.status_code == 201
    assert (new["scopes"], new["name"]) == (old["scopes"], old["name"])
    assert await works(world, new["key"])
    assert await works(world, old["key"]) is old_works
    again = await world.ask("owner", "POST", f"{KEYS}/{old['id']}/rotate", json={})
    assert again.status_code == 409


async def test_changed_scopes_hold_for_the_next_request(world: World) -> None:
    made = await make(world)
    await world.ask("owner", "PATCH", f"{KEYS}/{made['id']}", json={"scopes": ["usage:read"]})
    world.credentials["made"] = made["key"]

    assert (await world.ask("made", "GET", "/v1/models")).status_code == 403
    assert (await world.ask("made", "GET", "/api/v1/usage")).status_code == 200


@pytest.mark.parametrize(
    ("caller", "scope"),
    [
        ("developer", "users:write"),
        ("developer", "audit:read"),
        ("admin", "tenant:write"),
        ("owner", "admin"),
        ("developer", "admin"),
    ],
)
async def test_nobody_gives_a_key_a_scope_they_lack(world: World, caller: str, scope: str) -> None:
    body = {"name": "mine", "scopes": ["generate", scope]}
    made = await world.ask(caller, "POST", KEYS, json=body)
    changed = await world.ask(caller, "PATCH", f"{KEYS}/{world.ids['key']}", json=body)

    for answer in (made, changed):
        assert answer.status_code == 403
        assert answer.json()["required_scope"] == scope
    after = (await world.ask("owner", "GET", f"{KEYS}/{world.ids['key']}")).json()
    assert after["scopes"] == ["generate"]


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("POST", "/rotate", {"grace_s": 0}),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
    ],
)
async def test_a_stronger_key_cannot_be_taken_over(
    world: World, method: str, tail: str, body: Any
) -> None:
    strong = await make(world, scopes=["users:write"])
    answer = await world.ask("developer", method, f"{KEYS}/{strong['id']}{tail}", json=body)

    assert answer.status_code == 403
    assert await works(world, strong["key"])


async def test_the_operator_makes_keys_that_operate(world: World) -> None:
    body = {"name": "second", "scopes": ["admin"]}
    answer = await world.ask("operator", "POST", "/api/v1/tenants/default/keys", json=body)
    world.credentials["second"] = answer.json()["key"]

    assert (await world.ask("second", "GET", "/api/v1/tenants")).status_code == 200


@pytest.mark.parametrize(
    ("body", "param"),
    [
        pytest.param({"scopes": ["generate"]}, "name", id="no-name"),
        pytest.param({"name": "", "scopes": ["generate"]}, "name", id="empty-name"),
        pytest.param({"name": "a\r\nb", "scopes": ["generate"]}, "name", id="line-break"),
        pytest.param({"name": "x" * 201, "scopes": ["generate"]}, "name", id="long-name"),
        pytest.param({"name": "x", "scopes": []}, "scopes", id="no-scope"),
        pytest.param({"name": "x", "scopes": ["root"]}, "scopes.0", id="unknown-scope"),
        pytest.param(
            {"name": "x", "scopes": ["generate"], "expires_in_s": 10 * 365 * 86_400 + 1},
            "expires_in_s",
            id="over-ten-years",
        ),
        pytest.param(
            {"name": "x", "scopes": ["generate"], "expires_in_s": 59}, "expires_in_s", id="short"
        ),
        pytest.param({"name": "x", "scopes": ["generate"], "digest": "00"}, "digest", id="unknown"),
    ],
)
@ON_ITS_LOOP
async def test_a_wrong_field_is_422_and_pointed_at(
    unchanged_world: World, body: dict[str, Any], param: str
) -> None:
    answer = await unchanged_world.ask("owner", "POST", KEYS, json=body)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["param"] == param


async def test_a_key_without_a_life_lives_for_ten_years(world: World) -> None:
    made = await make(world)

    assert made["expires"] - made["created"] == pytest.approx(10 * 365 * 86_400, abs=1)


async def test_another_tenants_key_reads_like_an_unknown_one(world: World) -> None:
    body = {"name": "theirs", "scopes": ["generate"]}
    theirs = await world.ask("stranger", "POST", "/api/v1/tenants/other/keys", json=body)
    key = theirs.json()["id"]

    for method, tail, sent in (
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/rotate", {}),
    ):
        foreign = await world.ask("owner", method, f"{KEYS}/{key}{tail}", json=sent)
        unknown = await world.ask("owner", method, f"{KEYS}/{'Z' * 12}{tail}", json=sent)
        assert foreign.status_code == unknown.status_code == 404
        blurred = foreign.text.replace(key, "Z" * 12)
        assert without_id(blurred) == without_id(unknown.text)
    shown = await world.ask("stranger", "GET", f"/api/v1/tenants/other/keys/{key}")
    assert shown.json()["name"] == "theirs"


def without_id(text: str) -> str:
    return text.partition('"request_id"')[0]


async def test_a_listing_comes_in_pages(world: World) -> None:
    for number in range(5):
        await world.office.keys.create(OPERATOR, "acme", f"k{number}", ["generate"], 3600)  # type: ignore[list-item]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await world.ask("owner", "GET", KEYS, params=query)).json()
        assert len(page["data"]) <= 3
        seen += [key["id"] for key in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 7


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=a'b", "page=2"])
@ON_ITS_LOOP
async def test_an_odd_page_is_422(unchanged_world: World, query: str) -> None:
    answer = await unchanged_world.ask("owner", "GET", f"{KEYS}?{query}")

    assert answer.status_code == 422


async def short(world: World) -> Any:
    """A key that may manage keys, and has an hour."""
    made = await make(world, scopes=["keys:read", "keys:write", "generate"], expires_in_s=3_600)
    world.credentials["short"] = made["key"]
    return made


async def test_a_key_does_not_make_itself_last(world: World) -> None:
    mine = await short(world)
    longer = {"expires_in_s": 315_360_000}
    refused = await world.ask("short", "PATCH", f"{KEYS}/{mine['id']}", json=longer)
    shorter = await world.ask("short", "PATCH", f"{KEYS}/{mine['id']}", json={"expires_in_s": 60})

    assert (refused.status_code, refused.json()["param"]) == (403, "expires_in_s")
    assert "your own key" in refused.json()["detail"]
    assert shorter.status_code == 200


async def test_a_key_makes_none_that_outlives_it(world: World) -> None:
    mine = await short(world)
    longer = {"name": "sibling", "scopes": ["generate"], "expires_in_s": 7_200}
    refused = await world.ask("short", "POST", KEYS, json=longer)
    unsaid = await world.ask("short", "POST", KEYS, json={"name": "x", "scopes": ["generate"]})

    assert (refused.status_code, refused.json()["param"]) == (403, "expires_in_s")
    assert unsaid.status_code == 201
    assert unsaid.json()["expires"] <= mine["expires"]


async def test_a_key_takes_over_none_that_outlives_it_and_lengthens_none(world: World) -> None:
    await short(world)
    lasting = await make(world, scopes=["generate"])
    brief = await make(world, scopes=["generate"], expires_in_s=600)
    rotated = await world.ask("short", "POST", f"{KEYS}/{lasting['id']}/rotate", json={})
    path, body = f"{KEYS}/{brief['id']}", {"expires_in_s": 86_400}
    lengthened = await world.ask("short", "PATCH", path, json=body)
    renamed = await world.ask("short", "PATCH", f"{KEYS}/{lasting['id']}", json={"name": "y"})

    assert (rotated.status_code, lengthened.status_code) == (403, 403)
    assert renamed.status_code == 200


async def test_a_key_that_was_rotated_makes_nothing_that_outlives_its_grace(world: World) -> None:
    mine = await short(world)
    rotated = await world.ask("short", "POST", f"{KEYS}/{mine['id']}/rotate", json={"grace_s": 60})
    body = {"name": "x", "scopes": ["generate"], "expires_in_s": 600}

    assert rotated.status_code == 201
    assert rotated.json()["expires"] == mine["expires"]
    assert (await world.ask("short", "POST", KEYS, json=body)).status_code == 403


async def test_a_key_for_prometheus_reads_metrics_and_nothing_else(world: World) -> None:
    body = {"name": "prometheus", "scopes": ["metrics:read"]}
    refused = await world.ask("owner", "POST", KEYS, json=body)
    made = await world.ask("operator", "POST", "/api/v1/tenants/default/keys", json=body)
    world.credentials["prometheus"] = made.json()["key"]

    assert (refused.status_code, refused.json()["required_scope"]) == (403, "metrics:read")
    assert (await world.ask("prometheus", "GET", "/metrics")).status_code == 200
    for path in ("/v1/models", "/api/v1/tenants", "/api/v1/tenants/default", "/api/v1/audit"):
        assert (await world.ask("prometheus", "GET", path)).status_code == 403
