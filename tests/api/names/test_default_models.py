"""Requests that name no model: the tenant's default answers, else the operator's."""

from typing import Any

import httpx
import pytest

from cluster.tenants.settings import TenantSettings
from deployments.ingress.names.spec import NamesSpec
from tests.api.names.conftest import ALIASES, Settings
from tests.api.names.doors import CHAT, TEXT_DOORS, TURN

EMBEDDINGS = "/v1/embeddings"
OPENAI = [CHAT, "/v1/completions", "/v1/responses", "/v1/messages"]


def unnamed(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [body, {**body, "model": ""}, {**body, "model": "default"}]


@pytest.mark.parametrize("path", TEXT_DOORS)
async def test_the_tenants_default_answers_where_no_model_is_named(
    web: httpx.AsyncClient, path: str, tenant_settings: Settings
) -> None:
    tenant_settings.by_tenant["acme"] = TenantSettings(default_model="openai/gpt-4o")

    for body in unnamed(TEXT_DOORS[path]):
        answer = await web.post(path, json=body)
        assert answer.status_code == 200
        assert answer.json()["model"] == "openai-gpt-4o"
        assert answer.headers["mobula-model"] == "openai-gpt-4o"


async def test_embeddings_have_a_default_of_their_own(
    web: httpx.AsyncClient, tenant_settings: Settings
) -> None:
    tenant_settings.by_tenant["acme"] = TenantSettings(
        default_model="words", default_embedding_model="other-letters"
    )

    for body in unnamed({"input": "tea"}):
        assert (await web.post(EMBEDDINGS, json=body)).json()["model"] == "other-letters"


@pytest.mark.parametrize("path", [*OPENAI, EMBEDDINGS])
async def test_without_any_default_a_model_must_be_named(web: httpx.AsyncClient, path: str) -> None:
    for body in unnamed(TEXT_DOORS.get(path, {"input": "tea"})):
        answer = await web.post(path, json=body)
        assert answer.status_code == 400
        assert "Name a model" in answer.text


async def test_captions_without_any_default_have_the_default_provider(
    web: httpx.AsyncClient,
) -> None:
    answer = await web.post("/api/v1/captions", json={"topic": "tea"})

    assert answer.json()["model"] == "words"
    assert "mobula-model" not in answer.headers


@pytest.mark.parametrize("path", TEXT_DOORS)
async def test_a_default_that_the_plan_does_not_grant_is_unknown(
    web: httpx.AsyncClient, path: str, tenant_settings: Settings
) -> None:
    tenant_settings.by_tenant["acme"] = TenantSettings(default_model="openai-o3")

    answer = await web.post(path, json=TEXT_DOORS[path])
    batch = await web.post("/api/v1/captions/batch", json={"items": [{"topic": "tea"}]})

    assert answer.status_code == 404
    assert batch.json()["failed"] == 1


async def test_a_changed_default_counts_for_the_next_request_although_the_cache_has_an_answer(
    web: httpx.AsyncClient, tenant_settings: Settings
) -> None:
    body = {"messages": [TURN], "temperature": 0}
    for expected in ("words", "spare", "words"):
        tenant_settings.by_tenant["acme"] = TenantSettings(default_model=expected)
        for _ in range(3):
            assert (await web.post(CHAT, json=body)).json()["model"] == expected


class TestOfTheOperator:
    @pytest.fixture
    def spec(self) -> NamesSpec:
        fields = {"default": "gpt-4o-mini", "default_embedding": "alphabet"}
        return NamesSpec.model_validate({"aliases": ALIASES, **fields})

    @pytest.mark.parametrize("path", OPENAI)
    async def test_it_answers_where_the_tenant_has_none(
        self, web: httpx.AsyncClient, path: str, tenant_settings: Settings
    ) -> None:
        before = await web.post(path, json=TEXT_DOORS[path])
        tenant_settings.by_tenant["acme"] = TenantSettings(default_model="spare")
        after = await web.post(path, json=TEXT_DOORS[path])

        assert before.json()["model"] == "words"
        assert after.json()["model"] == "spare"

    async def test_embeddings_have_theirs(self, web: httpx.AsyncClient) -> None:
        assert (await web.post(EMBEDDINGS, json={"input": "tea"})).json()["model"] == "letters"
