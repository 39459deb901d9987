"""Scaling by HTTP: how it stands, why, and bounds by hand; the operator's alone."""

from dataclasses import replace
from typing import Any

import pytest

from cluster.autoscaling import store
from cluster.autoscaling.decision import Decision
from cluster.storage.database import DatabaseUnavailable
from deployments.contracts.scaling import ServeSnapshot
from deployments.ingress.http.app import create_app
from tests.api.administration.scaling_world import (
    LETTERS,
    STATES,
    WORDS,
    Elsewhere,
    scaling_of,
    view,
)
from tests.api.administration.world import World

SCALING = "/api/v1/scaling"
BOUNDS = f"{SCALING}/words/bounds"


@pytest.fixture
def elsewhere(world: World) -> Elsewhere:
    made = Elsewhere(world.services.clock, views=[view()])
    world.app = create_app(replace(world.services, scaling=scaling_of(made)))
    return made


async def status(world: World) -> dict[str, Any]:
    answer = await world.ask("operator", "GET", f"{SCALING}/status")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def deployment(world: World, name: str = WORDS) -> dict[str, Any]:
    return next(each for each in (await status(world))["deployments"] if each["name"] == name)


async def put(world: World, **body: Any) -> Any:
    return await world.ask("operator", "PUT", BOUNDS, json=body)


async def decided(world: World, *decisions: Decision) -> None:
    async with world.database.begin() as connection:
        rows = [store.to_row(f"{number:032}", each) for number, each in enumerate(decisions)]
        await store.write(connection, rows)


async def test_the_status_puts_side_by_side_what_everybody_says(
    world: World, elsewhere: Elsewhere
) -> None:
    found = await status(world)
    words = await deployment(world)

    assert (found["away"], found["ingress_replicas"], found["open_calls"]) == ([], 1, 3)
    assert found["age_s"] < 30
    assert (words["model"], words["status"], words["target"]) == ("words", "UPSCALING", 2)
    assert (words["ready"], words["starting"], words["stopping"]) == (1, 1, 0)
    assert words["queue"] == {"replicas": 2, "running": 4, "waiting": 6}
    first, second = words["replicas"]
    assert (first["id"], first["state"], first["address"]) == ("aaaa", "ready", "10.0.0.1")
    assert (first["requests"], first["tokens"], first["mean_s"]) == (4, 100, 0.25)
    assert (second["state"], second["requests"]) == ("starting", 0)
    assert words["scaling"]["words"].startswith("1 to 4 replicas")
    assert words["calls"]["breakers"] == {"closed": 1}
    assert (words["cost_per_hour"], found["cost_per_hour"]) == (1.0, 1.0)


async def test_replicas_of_the_ingress_add_up_and_the_worst_shows(
    world: World, elsewhere: Elsewhere
) -> None:
    elsewhere.views = [
        view(),
        view(ejected_for_s=8.0, ejected_because="slow", state="half-open"),
        view(ejected_for_s=2.0, ejected_because="failures", state="open"),
    ]

    words = await deployment(world)

    replica = words["replicas"][0]
    assert (replica["requests"], replica["tokens"], replica["ejected_by"]) == (12, 300, 2)
    assert (replica["ejected_for_s"], replica["ejected_because"]) == (8.0, "slow")
    assert words["calls"]["breakers"] == {"open": 1, "half-open": 1, "closed": 1}
    assert words["calls"]["breaker"]["state"] == "open"
    assert (words["calls"]["attempts"], words["calls"]["retries"]) == (33, 3)


async def test_a_fixed_deployment_says_so_and_costs_nothing_known(
    world: World, elsewhere: Elsewhere
) -> None:
    letters = await deployment(world, LETTERS)
    ingress = await deployment(world, "Ingress")

    assert (letters["scaling"], letters["cost_per_hour"], letters["queue"]) == (None, None, None)
    assert letters["model"] == "org/letters"
    assert (ingress["model"], ingress["calls"]) == (None, None)


async def test_without_the_controller_the_last_known_is_shown_with_its_age(
    world: World, elsewhere: Elsewhere
) -> None:
    now = world.services.clock.wall()
    elsewhere.away = {"controller"}
    elsewhere.views = [
        view(),
        view(seen=ServeSnapshot(now - 60, STATES)),
        view(seen=ServeSnapshot(now - 30, {})),
    ]

    found = await status(world)

    assert found["away"] == ["controller"]
    assert 30 <= found["age_s"] < 60
    assert [each["name"] for each in found["deployments"]] == [WORDS, LETTERS]


async def test_where_nobody_ever_heard_of_it_states_are_null_and_load_is_shown(
    world: World, elsewhere: Elsewhere
) -> None:
    elsewhere.away = {"controller"}

    words = await deployment(world)

    assert (words["status"], words["target"], words["ready"]) == (None, None, None)
    [replica] = words["replicas"]
    assert (replica["state"], replica["requests"]) == (None, 4)


async def test_without_its_peers_a_replica_tells_of_itself(
    world: World, elsewhere: Elsewhere
) -> None:
    elsewhere.away = {"ingress"}

    found = await status(world)

    assert (found["away"], found["ingress_replicas"], found["open_calls"]) == (["ingress"], 1, 7)


async def test_without_the_store_there_are_no_decisions_and_everything_else(
    world: World, elsewhere: Elsewhere, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseUnavailable

    monkeypatch.setattr(store, "bounds", away)
    monkeypatch.setattr(store, "read", away)

    found = await status(world)

    assert found["away"] == ["store"]
    assert found["deployments"][0]["ready"] == 1


async def test_the_last_decisions_of_each_deployment_are_in_its_status(
    world: World, elsewhere: Elsewhere
) -> None:
    made = [Decision(WORDS, float(at), 1, 1, at, "queue", "12 open", {}) for at in range(8)]
    await decided(world, *made)

    words, letters = await deployment(world), await deployment(world, LETTERS)

    assert [each["at"] for each in words["decisions"]] == [7, 6, 5, 4, 3]
    assert letters["decisions"] == []


async def test_history_comes_in_pages_of_one_deployment_or_of_all(
    world: World, elsewhere: Elsewhere
) -> None:
    made = [Decision(WORDS, float(at), 1, 1, at, "queue", "12 open") for at in range(3)]
    await decided(world, *made, Decision(LETTERS, 99.0, 1, 1, 2, "cpu", "hot"))

    async def page(**query: Any) -> dict[str, Any]:
        answer = await world.ask("operator", "GET", f"{SCALING}/history", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    every = await page()
    first = await page(deployment="words", limit=2)
    second = await page(deployment=WORDS, limit=2, cursor=first["next_cursor"])

    assert [each["deployment"] for each in every["data"]] == [LETTERS, WORDS, WORDS, WORDS]
    assert [each["at"] for each in first["data"] + second["data"]] == [2, 1, 0]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"deployment": "nonsense"}, 404),
        ({"cursor": "bm9uZQ"}, 400),
        ({"limit": "0"}, 422),
        ({"modle": "words"}, 422),
    ],
)
async def test_history_of_nothing_that_there_is_is_refused(
    world: World, elsewhere: Elsewhere, query: dict[str, str], status: int
) -> None:
    answer = await world.ask("operator", "GET", f"{SCALING}/history", params=query)

    assert answer.status_code == status


async def test_bounds_hold_and_show_until_they_are_taken_back(
    world: World, elsewhere: Elsewhere
) -> None:
    now = world.services.clock.wall()
    answer = await put(world, floor=2, ceiling=3, for_s=3600)
    held = (await deployment(world))["bounds"]
    released = await world.ask("operator", "DELETE", f"{SCALING}/{WORDS}/bounds")

    assert answer.status_code == 200
    assert answer.json() == held
    assert (held["deployment"], held["floor"], held["ceiling"]) == (WORDS, 2, 3)
    assert held["until"] == pytest.approx(now + 3600, abs=30)
    assert held["set_by"].startswith("key:")
    assert released.status_code == 204
    assert (await deployment(world))["bounds"] is None


async def test_later_bounds_take_the_place_of_earlier_ones(
    world: World, elsewhere: Elsewhere
) -> None:
    await put(world, floor=2, for_s=60)
    await put(world, ceiling=3)

    held = (await deployment(world))["bounds"]
    assert (held["floor"], held["ceiling"], held["until"]) == (None, 3, None)


async def test_bounds_that_have_ended_are_not_shown(world: World, elsewhere: Elsewhere) -> None:
    await put(world, floor=2, for_s=1e-9)

    assert (await deployment(world))["bounds"] is None


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "at least one of: floor, ceiling"),
        ({"for_s": 60}, 422, "at least one of: floor, ceiling"),
        ({"floor": 5}, 400, "floor: 5 is outside of the configured 1 to 4"),
        ({"ceiling": 0}, 400, "ceiling: 0 is outside of the configured 1 to 4"),
        ({"floor": 3, "ceiling": 2}, 400, "floor: 3 is more than the ceiling, 2"),
        ({"floor": -1}, 422, "greater than or equal to 0"),
        ({"floor": 2.5}, 422, "integer"),
        ({"floor": "2"}, 422, "integer"),
        ({"floor": 2, "for_s": 0}, 422, "greater than 0"),
        ({"floor": 2, "for_s": 1e9}, 422, "less than or equal"),
        ({"flor": 2}, 422, "flor"),
    ],
)
async def test_bounds_that_cannot_be_are_refused_by_field_and_limit(
    world: World, elsewhere: Elsewhere, body: dict[str, Any], status: int, words: str
) -> None:
    answer = await put(world, **body)

    assert answer.status_code == status
    assert words in answer.text
    assert (await deployment(world))["bounds"] is None


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("org/letters", 409, "fixed"),
        (LETTERS, 409, "fixed"),
        ("Ingress", 409, "no model"),
        ("nonsense", 404, "models: org/letters, words"),
    ],
)
async def test_what_does_not_scale_takes_no_bounds_and_says_why(
    world: World, elsewhere: Elsewhere, name: str, status: int, words: str
) -> None:
    await elsewhere.status()
    answer = await world.ask("operator", "PUT", f"{SCALING}/{name}/bounds", json={"floor": 1})

    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_the_trail_and_an_event_tell_who_bound_and_released(
    world: World, elsewhere: Elsewhere
) -> None:
    await put(world, floor=2)
    await world.ask("operator", "DELETE", BOUNDS)

    query = {"action": "scaling."}
    rows = (await world.ask("operator", "GET", "/api/v1/audit", params=query)).json()["data"]
    assert [row["action"] for row in rows] == ["scaling.release", "scaling.bound"]
    assert {row["resource"] for row in rows} == {f"scaling:{WORDS}"}
    assert (rows[0]["detail"]["held"], rows[1]["detail"]["floor"]) == (True, 2)
    assert {row["tenant"] for row in rows} == {"default"}
    assert [kind for _, kind, _ in world.notified] == ["scaling.bound", "scaling.released"]
    assert (await world.ask("operator", "GET", "/api/v1/audit/verify")).json()["ok"]
