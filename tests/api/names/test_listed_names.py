"""`/v1/models` lists the names by which the caller gets a model, beside the models."""

from typing import Any

import httpx
import pytest

from cluster.tenants.plan import Plan
from tests.api.names.doors import CHAT, TURN

ANTHROPIC = {"anthropic-version": "2023-06-01"}


async def listed(web: httpx.AsyncClient) -> dict[str, dict[str, Any]]:
    answer = (await web.get("/v1/models")).raise_for_status().json()
    return {each["id"]: each for each in answer["data"]}


async def test_names_are_listed_with_their_models(web: httpx.AsyncClient) -> None:
    models = await listed(web)

    assert models["gpt-4o-mini"]["root"] == models["house-words"]["root"] == "words"
    assert models["gpt-4o-mini"]["context_length"] == models["words"]["context_length"]
    assert models["words"]["aliases"] == ["house-words", "gpt-4o-mini"]
    assert models["letters"]["aliases"] == ["alphabet", "text-embedding-3-small"]
    assert models["openai/gpt-4o"]["root"] == "openai-gpt-4o"
    assert models["canary"]["targets"] == ["words", "spare"]
    assert "root" not in models["canary"]
    assert "aliases" not in models["spare"]


async def test_names_of_models_that_the_plan_does_not_grant_are_not_listed(
    web: httpx.AsyncClient,
) -> None:
    models = await listed(web)

    assert "forbidden" not in models
    assert "openai/o3" not in models
    assert "openai-o3" not in models
    assert (await web.get("/v1/models/forbidden")).status_code == 404


async def test_every_listed_name_is_shown_by_itself(web: httpx.AsyncClient) -> None:
    models = await listed(web)

    for name, model in models.items():
        shown = await web.get(f"/v1/models/{name}")
        assert shown.json() == model


async def test_every_listed_text_model_and_name_answers(web: httpx.AsyncClient) -> None:
    models = await listed(web)
    other_kinds = {"letters", "other-letters", "cross", "judge"}

    for name, model in models.items():
        leads_to = model.get("root") or model.get("targets", [name])[0]
        if leads_to not in other_kinds:
            answer = await web.post(CHAT, json={"model": name, "messages": [TURN]})
            assert answer.status_code == 200, name


async def test_anthropics_clients_see_the_names_too(web: httpx.AsyncClient) -> None:
    page = await web.get("/v1/models", headers=ANTHROPIC, params={"limit": 100})
    one = await web.get("/v1/models/gpt-4o-mini", headers=ANTHROPIC)

    assert {each["id"] for each in page.json()["data"]} == set(await listed(web))
    assert one.json()["id"] == "gpt-4o-mini"


class TestOfANarrowPlan:
    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(id="default", models=("spare",))

    async def test_a_choice_has_what_the_plan_leaves_of_it(self, web: httpx.AsyncClient) -> None:
        models = await listed(web)

        assert models.keys() == {"spare", "canary", "mine"}
        assert models["canary"]["root"] == "spare"
        for number in range(10):
            answer = await web.post(
                CHAT,
                json={"model": "canary", "messages": [TURN]},
                headers={"X-Request-ID": f"request-{number}"},
            )
            assert answer.json()["model"] == "spare"
