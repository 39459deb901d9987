"""Tenants and plans by HTTP."""

from typing import Any

import pytest

from tests.api.administration.world import ON_ITS_LOOP, World

TENANTS, PLANS = "/api/v1/tenants", "/api/v1/plans"


async def test_the_operator_adds_a_tenant_which_is_there_at_once(world: World) -> None:
    body = {"id": "newco", "name": "New Co", "plan": "team"}
    made = await world.ask("operator", "POST", TENANTS, json=body)
    key = {"name": "first", "scopes": ["generate", "tenant:read"]}
    answer = await world.ask("operator", "POST", f"{TENANTS}/newco/keys", json=key)
    world.credentials["newco"] = answer.json()["key"]

    assert made.status_code == 201
    shown = await world.ask("newco", "GET", f"{TENANTS}/newco")
    assert shown.json() == made.json()
    assert "secret" not in shown.json()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({"id": "acme", "name": "x"}, 409, id="taken"),
        pytest.param({"id": "x", "name": "x", "plan": "none"}, 404, id="unknown-plan"),
        pytest.param({"id": "Not An Id", "name": "x"}, 422, id="id"),
        pytest.param({"id": "x'; DROP TABLE tenants;--", "name": "x"}, 422, id="sql"),
        pytest.param({"id": "x"}, 422, id="no-name"),
        pytest.param({"id": "x", "name": "x", "secret": "y"}, 422, id="unknown-field"),
    ],
)
@ON_ITS_LOOP
async def test_a_bad_tenant_is_refused(
    unchanged_world: World, body: dict[str, str], status: int
) -> None:
    assert (await unchanged_world.ask("operator", "POST", TENANTS, json=body)).status_code == status


@pytest.mark.parametrize("change", [{"plan": "default"}, {"status": "suspended"}])
async def test_plan_and_status_are_the_operators(world: World, change: dict[str, str]) -> None:
    mine = await world.ask("owner", "PATCH", f"{TENANTS}/acme", json={"name": "x"} | change)
    theirs = await world.ask("operator", "PATCH", f"{TENANTS}/acme", json=change)

    assert mine.status_code == 403
    assert mine.json()["required_scope"] == "admin"
    assert theirs.status_code == 200
    assert (await world.office.tenants.get("acme")).name == "Acme"


async def test_a_suspended_tenant_is_refused_at_once_and_may_come_back(world: World) -> None:
    assert (await world.ask("operator", "DELETE", f"{TENANTS}/acme")).status_code == 204
    for caller in ("owner", "generate"):
        assert (await world.ask(caller, "GET", "/api/v1/auth/me")).status_code == 403

    await world.ask("operator", "PATCH", f"{TENANTS}/acme", json={"status": "active"})
    assert (await world.ask("owner", "GET", "/api/v1/auth/me")).status_code == 200


async def test_the_operator_cannot_shut_itself_out(world: World) -> None:
    answer = await world.ask("operator", "DELETE", f"{TENANTS}/default")

    assert answer.status_code == 409
    assert (await world.ask("operator", "GET", TENANTS)).status_code == 200


async def test_another_tenant_reads_like_an_unknown_one(world: World) -> None:
    for method, tail, body in (
        ("GET", "", None),
        ("PATCH", "", {"name": "x"}),
        ("GET", "/keys", None),
        ("POST", "/users", {}),
        ("GET", "/limits", None),
    ):
        foreign = await world.ask("stranger", method, f"{TENANTS}/acme{tail}", json=body)
        unknown = await world.ask("stranger", method, f"{TENANTS}/nope{tail}", json=body)
        assert foreign.status_code == unknown.status_code == 404
        blurred = foreign.text.replace("acme", "nope")
        assert blurred.partition('"request_id"')[0] == unknown.text.partition('"request_id"')[0]


@pytest.mark.parametrize("tail", ["", "/keys", "/users", "/webhooks", "/limits"])
@ON_ITS_LOOP
async def test_an_unknown_tenant_is_404_for_the_operator_too(
    unchanged_world: World, tail: str
) -> None:
    assert (
        await unchanged_world.ask("operator", "GET", f"{TENANTS}/nope{tail}")
    ).status_code == 404


async def test_refused_attempts_are_in_the_trail_of_who_made_them(world: World) -> None:
    await world.ask("stranger", "GET", f"{TENANTS}/acme/keys")
    await world.trail.flush()
    query = {"outcome": "not-found"}

    own = (await world.ask("stranger", "GET", "/api/v1/audit", params=query)).json()["data"]
    assert [record["resource"] for record in own] == [f"{TENANTS}/acme/keys"]
    others = (await world.ask("owner", "GET", "/api/v1/audit", params=query)).json()["data"]
    assert others == []


async def test_a_new_plan_holds_for_the_next_request(world: World) -> None:
    plan = {"id": "team", "rates": {"generate": {"requests": {"limit": 60}}}}
    put = await world.ask("operator", "PUT", f"{PLANS}/team", json=plan)
    limits = (await world.ask("viewer", "GET", f"{TENANTS}/acme/limits")).json()

    assert put.status_code == 200
    assert limits["tenant"] == "acme"
    assert limits["plan"]["rates"]["generate"]["requests"]["limit"] == 60
    assert world.services.plan_of("acme").rates["generate"].requests is not None  # type: ignore[index]


async def test_a_tenant_sees_what_is_left_of_its_limits(world: World) -> None:
    plan = {
        "id": "team",
        "rates": {"generate": {"requests": {"limit": 60, "burst": 5}}},
        "budgets": {"tokens": {"day": 1000}},
    }
    await world.ask("operator", "PUT", f"{PLANS}/team", json=plan)
    answer = await world.ask("viewer", "GET", f"{TENANTS}/acme/limits")

    rate, budget = answer.json()["state"]
    assert rate == {
        "name": "generate-requests",
        "kind": "rate",
        "unit": "requests",
        "capacity": 5,
        "remaining": 5,
        "reset_s": 0,
        "subject": "",
    }
    assert (budget["name"], budget["remaining"]) == ("tokens-day", 1000)
    assert 0 <= budget["reset_s"] <= 86_400


async def test_a_plan_is_added_once_and_replaced_after(world: World) -> None:
    codes = [
        (await world.ask("operator", "PUT", f"{PLANS}/fresh", json={"id": "fresh"})).status_code
        for _ in range(2)
    ]

    assert codes == [201, 200]
    assert (await world.ask("operator", "DELETE", f"{PLANS}/fresh")).status_code == 204
    assert (await world.ask("operator", "GET", f"{PLANS}/fresh")).status_code == 404


async def test_a_plan_in_use_is_not_deleted(world: World) -> None:
    assert (await world.ask("operator", "DELETE", f"{PLANS}/team")).status_code == 409
    assert (await world.ask("viewer", "GET", f"{PLANS}/team")).status_code == 200


async def test_a_tenant_sees_its_own_plan_only(world: World) -> None:
    async def listed(caller: str) -> list[str]:
        page = (await world.ask(caller, "GET", PLANS)).json()
        return [plan["id"] for plan in page["data"]]

    assert await listed("viewer") == ["team"]
    assert await listed("operator") == ["default", "spare", "team"]
    assert (await world.ask("viewer", "GET", f"{PLANS}/default")).status_code == 404


@pytest.mark.parametrize(
    ("plan", "pointer"),
    [
        pytest.param({"id": "else"}, "/id", id="another-id"),
        pytest.param({"nonsense": 1}, "/nonsense", id="unknown-field"),
        pytest.param({"weight": 0}, "/weight", id="weight"),
        pytest.param({"models": []}, "/models", id="no-models"),
        pytest.param(
            {"budgets": {"tokens": {"day": 10, "month": 5}}},
            "/budgets/tokens/month",
            id="month-below-day",
        ),
        pytest.param(
            {"models": ["nano"], "models_rates": {"Qwen/Qwen3-0.6B": {}}},
            "/models_rates/Qwen~1Qwen3-0.6B",
            id="rate-of-a-model-that-is-not-allowed",
        ),
        pytest.param({"models_rates": {"na*": {}}}, "/models_rates/na*", id="rate-of-a-pattern"),
        pytest.param({"models_rates": {"n[a]": {}}}, "/models_rates/n[a]", id="rate-of-a-set"),
        pytest.param(
            {"budgets": {"tokens": {"day": 1, "mode": "loud"}}},
            "/budgets/tokens/mode",
            id="budget-mode",
        ),
        pytest.param(
            {
                "rates": {"generate": {"tokens": {"limit": 1000, "burst": 900}}},
                "budgets": {"tokens": {"day": 100}},
            },
            "/budgets/tokens/day",
            id="budget-below-burst",
        ),
        pytest.param(
            {"rates": {"generate": {"requests": {"limit": 1, "per": "hour", "burst": 2}}}},
            "/rates/generate/requests/burst",
            id="burst-never-reached",
        ),
        pytest.param({"rates": {"sing": {}}}, "/rates/sing", id="unknown-class"),
    ],
)
@ON_ITS_LOOP
async def test_a_plan_that_contradicts_itself_is_422_at_the_field(
    unchanged_world: World, plan: dict[str, Any], pointer: str
) -> None:
    answer = await unchanged_world.ask(
        "operator", "PUT", f"{PLANS}/team", json={"id": "team"} | plan
    )

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
