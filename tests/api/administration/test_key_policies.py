"""Limits of keys and teams by HTTP: set, shown, moved, carried over, and never widened by a key."""

from typing import Any

import pytest

from tests.api.administration.world import ON_ITS_LOOP, World

KEYS = "/api/v1/tenants/acme/keys"
TEAMS = "/api/v1/teams"
POLICY = {"models": ["nano"], "spend": {"amount": 1_000_000}}
ADMIN_SCOPES = ["generate", "keys:read", "keys:write", "users:read", "users:write", "tenant:read"]


async def make(world: World, caller: str = "owner", **body: Any) -> Any:
    given = {"name": "back end", "scopes": ["generate", "models:read"], **body}
    return (await world.ask(caller, "POST", KEYS, json=given)).json()


async def patch(world: World, caller: str, key: str, **body: Any) -> Any:
    return await world.ask(caller, "PATCH", f"{KEYS}/{key}", json=body)


async def make_admin_key(world: World, name: str = "limited", **body: Any) -> Any:
    """A key that may administer keys and users; `name` is a caller from then on."""
    made = await make(world, scopes=ADMIN_SCOPES, **body)
    world.credentials[name] = made["key"]
    return made


def subjects(world: World, key: str) -> list[str]:
    found = world.services.policies.get(key)
    return [] if found is None else [each.subject for each in found.subjects]


async def test_a_key_is_made_with_limits_and_a_team_and_shows_both(world: World) -> None:
    made = await make(world, policy=POLICY, team="crew")
    shown = (await world.ask("owner", "GET", f"{KEYS}/{made['id']}")).json()

    assert (shown["team"], shown["account"]) == ("crew", made["id"])
    assert shown["policy"]["models"] == ["nano"]
    assert shown["policy"]["spend"] == {"amount": 1_000_000, "period": "total"}
    assert subjects(world, made["id"]) == [f"key:{made['id']}"]


async def test_limits_change_and_go_without_another_key(world: World) -> None:
    made = await make(world, policy=POLICY)
    changed = await patch(world, "owner", made["id"], policy={"models": ["large"]}, team="crew")
    gone = await patch(world, "owner", made["id"], policy={}, team="")

    assert changed.json()["policy"]["models"] == ["large"]
    assert changed.json()["team"] == "crew"
    assert (gone.json()["policy"], gone.json()["team"]) == (None, "")
    assert subjects(world, made["id"]) == []


@pytest.mark.parametrize(
    ("policy", "pointer"),
    [
        ({"rates": {"generate": {"tokens": {"limit": 0}}}}, "/policy/rates/generate/tokens/limit"),
        ({"spend": {"amount": 10**13}}, "/policy/spend/amount"),
        ({"spend": {"amount": 5, "period": "year"}}, "/policy/spend/period"),
        ({"budgets": {"cache_hits": {"day": 1}}}, "/policy"),
        ({"budgets": {"spend": {"day": 1}}}, "/policy"),
        ({"models_rates": {"large": {"tokens": {"limit": 9}}}, "models": ["nano"]}, "/policy"),
        ({"concurrency": {"limit": 1, "waiting": 2}}, "/policy/concurrency/waiting"),
    ],
)
@ON_ITS_LOOP
async def test_a_contradictory_policy_is_refused_at_its_field(
    unchanged_world: World, policy: dict[str, Any], pointer: str
) -> None:
    body = {"name": "n", "scopes": ["generate"], "policy": policy}
    answer = await unchanged_world.ask("owner", "POST", KEYS, json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith(pointer)


async def test_no_key_is_in_a_team_that_is_not_there(world: World) -> None:
    body = {"name": "n", "scopes": ["generate"], "team": "nowhere"}

    assert (await world.ask("owner", "POST", KEYS, json=body)).status_code == 404


async def test_a_successor_goes_on_with_the_limits_of_the_key_it_replaces(world: World) -> None:
    made = await make(world, policy=POLICY, team="crew")
    successor = (
        await world.ask("owner", "POST", f"{KEYS}/{made['id']}/rotate", json={"grace_s": 60})
    ).json()

    assert successor["account"] == made["id"]
    assert successor["team"] == "crew"
    assert subjects(world, successor["id"]) == subjects(world, made["id"])

    await patch(world, "owner", successor["id"], policy={"models": ["large"]})
    both = [world.services.policies[each["id"]] for each in (made, successor)]
    assert [each.allows_model("nano") for each in both] == [False, False]


async def test_a_teams_limits_are_those_of_its_keys_at_once(world: World) -> None:
    made = await make(world, team="crew")
    assert subjects(world, made["id"]) == []

    path = f"{TEAMS}/crew"
    answer = await world.ask("owner", "PATCH", path, json={"policy": {"models": ["large"]}})

    assert answer.json()["policy"]["models"] == ["large"]
    assert not world.services.policies[made["id"]].allows_model("nano")
    assert world.services.authenticator.verify(made["key"]).team == "crew"


async def test_a_team_is_deleted_when_it_has_no_keys_or_leaves_them(world: World) -> None:
    made = await make(world, team="crew")
    refused = await world.ask("owner", "DELETE", f"{TEAMS}/crew")
    detached = await world.ask("owner", "DELETE", f"{TEAMS}/crew", params={"detach": "true"})

    assert (refused.status_code, detached.status_code) == (409, 204)
    shown = await world.ask("owner", "GET", f"{KEYS}/{made['id']}")
    assert shown.json()["team"] == ""
    assert (await world.ask("owner", "GET", f"{TEAMS}/crew")).status_code == 404


async def test_keys_that_a_limited_key_makes_share_its_limits(world: World) -> None:
    parent = await make_admin_key(world, policy=POLICY, team="crew")
    child = await make(world, "limited", scopes=["generate"])

    assert child["account"] == parent["id"]
    assert child["team"] == "crew"
    assert child["policy"]["spend"]["amount"] == 1_000_000
    assert subjects(world, child["id"]) == subjects(world, parent["id"])


async def test_a_limited_key_widens_nothing(world: World) -> None:
    await world.ask("owner", "POST", TEAMS, json={"id": "wide", "name": "Wide"})
    parent = await make_admin_key(world, policy=POLICY, team="crew")
    free = await make(world, scopes=["generate"])
    new = {"name": "n", "scopes": ["generate"]}
    user = {"email": "n@acme.example", "password": "a long passphrase", "role": "viewer"}
    attempts = [
        ("POST", KEYS, {**new, "policy": {"models": ["*"]}}),
        ("POST", KEYS, {**new, "team": "wide"}),
        ("PATCH", f"{KEYS}/{parent['id']}", {"policy": {}}),
        ("PATCH", f"{KEYS}/{parent['id']}", {"team": ""}),
        ("PATCH", f"{KEYS}/{parent['id']}", {"team": "wide"}),
        ("PATCH", f"{KEYS}/{free['id']}", {"name": "mine"}),
        ("POST", f"{KEYS}/{free['id']}/rotate", {"grace_s": 0}),
        ("POST", TEAMS, {"id": "mine", "name": "Mine"}),
        ("PATCH", f"{TEAMS}/crew", {"policy": {}}),
        ("DELETE", f"{TEAMS}/wide", None),
        ("POST", "/api/v1/tenants/acme/users", user),
    ]
    statuses = {
        (method, path): (await world.ask("limited", method, path, json=body)).status_code
        for method, path, body in attempts
    }

    assert set(statuses.values()) == {403}
    assert subjects(world, parent["id"]) == [f"key:{parent['id']}"]


async def test_a_limited_key_may_rotate_itself(world: World) -> None:
    parent = await make_admin_key(world, policy=POLICY)
    path = f"{KEYS}/{parent['id']}/rotate"
    answer = await world.ask("limited", "POST", path, json={"grace_s": 0})

    assert answer.status_code == 201
    assert answer.json()["account"] == parent["id"]


async def test_changes_of_limits_are_in_the_trail_and_among_the_events(world: World) -> None:
    made = await make(world, policy=POLICY, team="crew")
    await patch(world, "owner", made["id"], policy={})
    await world.ask("owner", "PATCH", f"{TEAMS}/crew", json={"policy": POLICY})

    records = (await world.ask("owner", "GET", "/api/v1/audit")).json()["data"]
    details = {each["action"]: each["detail"] for each in reversed(records)}
    assert details["key.create"]["team"] == "crew"
    assert details["key.create"]["limits_of"] == made["id"]
    assert details["key.update"]["changed"] == "policy"
    assert details["team.update"]["changed"] == "policy"
    kinds = [kind for _, kind, _ in world.notified]
    assert {"key.updated", "team.updated"} <= set(kinds)


async def test_a_key_sees_its_own_limits_beside_the_tenants(world: World) -> None:
    await make_admin_key(world, policy=POLICY)
    answer = (await world.ask("limited", "GET", "/api/v1/tenants/acme/limits")).json()

    assert answer["key"]["models"] == ["nano"]
    assert answer["team"] is None
    [spend] = [each for each in answer["state"] if each["subject"]]
    assert (spend["name"], spend["unit"]) == ("key:spend-total", "spend")
    assert (spend["capacity"], spend["remaining"]) == (1_000_000, 1_000_000)


async def test_models_that_a_key_may_not_use_are_unknown_to_it(world: World) -> None:
    made = await make(world, policy={"models": ["words"]})
    other = await make(world, policy={"models": ["nothing"]})
    for name, key in (("one", made), ("two", other)):
        world.credentials[name] = key["key"]

    chat = {"model": "words", "messages": [{"role": "user", "content": "hi"}]}
    assert (await world.ask("one", "POST", "/v1/chat/completions", json=chat)).status_code == 200
    refused = await world.ask("two", "POST", "/v1/chat/completions", json=chat)
    assert refused.status_code == 404
    assert "words" not in refused.json()["error"]["message"].replace("'words'", "")
    listed = (await world.ask("two", "GET", "/v1/models")).json()["data"]
    assert listed == []
    shown = await world.ask("two", "GET", "/v1/models/words")
    assert shown.status_code == 404
