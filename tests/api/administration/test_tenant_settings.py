"""What tenants set for themselves."""

from typing import Any

import pytest

from cluster.auth.credential_directory import CredentialDirectory
from cluster.tenants.plan import Plan
from cluster.tenants.settings import NO_SETTINGS, TenantSettings
from tests.api.administration.world import ON_ITS_LOOP, OPERATOR, World

SETTINGS = "/api/v1/tenants/acme/settings"
NO_EVENTS = {
    "generation_events": None,
    "generation_event_ratio": None,
    "authors_may_approve": None,
    "default_style": None,
    "default_language": None,
    "default_platform": None,
    "zone": None,
}


def known(world: World) -> TenantSettings:
    """What requests of acme are resolved by: no store is asked for it."""
    directory = world.services.authenticator
    assert isinstance(directory, CredentialDirectory)
    return directory.settings_of("acme")


async def test_nothing_is_set_at_first(world: World) -> None:
    answer = await world.ask("owner", "GET", SETTINGS)

    assert answer.json() == {
        "tenant": "acme",
        "default_model": None,
        "default_embedding_model": None,
        **NO_EVENTS,
    }
    assert known(world) == NO_SETTINGS


async def test_a_setting_is_changed_alone_and_counts_at_once(world: World) -> None:
    both = {"default_model": "words", "default_embedding_model": "letters"}
    await world.ask("owner", "PATCH", SETTINGS, json=both)
    answer = await world.ask("owner", "PATCH", SETTINGS, json={"default_embedding_model": None})

    assert answer.json() == {"tenant": "acme", **both, "default_embedding_model": None, **NO_EVENTS}
    assert (await world.ask("owner", "GET", SETTINGS)).json() == answer.json()
    assert known(world) == TenantSettings(default_model="words")
    assert (await world.ask("stranger", "GET", "/api/v1/tenants/other/settings")).json()[
        "default_model"
    ] is None


async def test_changes_are_audited_and_told_to_webhooks(world: World) -> None:
    await world.ask("owner", "PATCH", SETTINGS, json={"default_model": "words"})
    await world.ask("owner", "PATCH", SETTINGS, json={"default_model": "words"})

    trail = await world.ask("owner", "GET", "/api/v1/audit?action=tenant.settings")
    details = [(each["resource"], each["detail"]) for each in trail.json()["data"]]
    assert details == [("tenant:acme", {"changed": "default_model"})] * 2
    told = [(kind, data) for tenant, kind, data in world.notified if tenant == "acme"]
    assert told == [("tenant.updated", {"id": "acme", "changed": ("settings",)})]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param({}, 422, id="nothing"),
        pytest.param({"default_model": ""}, 422, id="empty"),
        pytest.param({"default_model": 3}, 422, id="type"),
        pytest.param({"default_model": "x" * 101}, 422, id="long"),
        pytest.param({"default_model": "a b"}, 422, id="form"),
        pytest.param({"generation_events": "all"}, 422, id="unknown-events"),
        pytest.param({"generation_event_ratio": 0}, 422, id="no-ratio"),
        pytest.param({"style": "casual"}, 422, id="unknown-field"),
        pytest.param({"zone": "Mars/Base"}, 422, id="no-zone"),
        pytest.param({"zone": "../etc/passwd"}, 422, id="no-name-of-a-zone"),
        pytest.param({"default_language": ""}, 422, id="no-language"),
        pytest.param({"authors_may_approve": "yes"}, 422, id="no-boolean"),
        pytest.param({"default_style": "baroque"}, 400, id="unknown-style"),
        pytest.param({"default_platform": "myspace"}, 400, id="unknown-platform"),
        pytest.param({"default_model": "default"}, 400, id="itself"),
        pytest.param({"default_model": "gpt-9"}, 400, id="unknown-model"),
        pytest.param({"default_model": "letters"}, 400, id="embedding-model"),
        pytest.param({"default_embedding_model": "words"}, 400, id="text-model"),
    ],
)
@ON_ITS_LOOP
async def test_a_bad_setting_is_refused(
    unchanged_world: World, body: dict[str, Any], status: int
) -> None:
    answer = await unchanged_world.ask("owner", "PATCH", SETTINGS, json=body)

    assert answer.status_code == status
    if status == 400:
        assert answer.json()["param"] in body
    assert known(unchanged_world) == NO_SETTINGS


async def test_a_model_that_the_plan_does_not_grant_is_no_default(world: World) -> None:
    await world.office.plans.put(OPERATOR, Plan(id="team", models=("other",)))

    answer = await world.ask("owner", "PATCH", SETTINGS, json={"default_model": "words"})

    assert answer.status_code == 400
    assert "models: none" in answer.json()["detail"]


async def test_the_operator_sets_them_for_a_tenant(world: World) -> None:
    answer = await world.ask("operator", "PATCH", SETTINGS, json={"default_model": "words"})

    assert answer.status_code == 200
    assert known(world).default_model == "words"


async def test_a_tenant_that_does_not_exist_has_none(world: World) -> None:
    for method, body in (("GET", None), ("PATCH", {"default_model": "words"})):
        path = "/api/v1/tenants/nobody/settings"
        assert (await world.ask("operator", method, path, json=body)).status_code == 404


async def test_events_of_generations_are_turned_on_and_off(world: World) -> None:
    directory = world.services.authenticator
    assert isinstance(directory, CredentialDirectory)
    wanted = {"generation_events": "sampled", "generation_event_ratio": 0.25}
    answer = await world.ask("owner", "PATCH", SETTINGS, json=wanted)

    assert answer.json().items() >= wanted.items()
    assert directory.tenants_with_events() == {"acme"}

    await world.ask("owner", "PATCH", SETTINGS, json={"generation_events": None})
    assert directory.tenants_with_events() == set()
