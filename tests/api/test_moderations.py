"""`/v1/moderations` by the rules and by a model whose labels are words."""

from typing import Any

import httpx
import openai
import pytest
from starlette.types import ASGIApp

from cluster.tenants.units import UsageAmounts
from deployments.contracts.moderation import CATEGORIES
from deployments.ingress.schemas.answers import OpenAIErrorBody
from deployments.ingress.schemas.moderation import MAX_CHARS, MAX_TEXTS, ModerationResponse
from tests.api.fakes import Records, WordsClassifier
from tests.api.web import ADMIN_KEY, client_of

THREAT = "I will kill you tonight"


async def moderate(client: httpx.AsyncClient, **body: Any) -> httpx.Response:
    return await client.post("/v1/moderations", json={"input": THREAT, **body})


def parsed(answer: httpx.Response) -> ModerationResponse:
    return ModerationResponse.model_validate(answer.raise_for_status().json())


async def test_a_threat_is_flagged_in_its_categories(client: httpx.AsyncClient) -> None:
    answer = parsed(await moderate(client))

    [result] = answer.results
    assert answer.model == "rules"
    assert result.flagged
    flagged = {name for name, found in result.categories.items() if found}
    assert flagged == {"harassment", "harassment/threatening"}
    assert set(result.categories) == set(result.category_scores) == set(CATEGORIES)
    assert result.category_scores["violence"] == 0.0


async def test_each_text_of_a_list_gets_its_result(client: httpx.AsyncClient) -> None:
    answer = parsed(await moderate(client, input=["A rooftop coffee bar", THREAT]))

    assert [result.flagged for result in answer.results] == [False, True]


async def test_parts_are_one_input(client: httpx.AsyncClient) -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": THREAT}]

    assert [result.flagged for result in parsed(await moderate(client, input=parts)).results] == [
        True
    ]


@pytest.mark.parametrize("name", ["omni-moderation-latest", "text-moderation-latest", None])
async def test_openais_names_mean_the_default(client: httpx.AsyncClient, name: str | None) -> None:
    assert parsed(await moderate(client, model=name)).model == "rules"


async def test_a_model_judges_by_its_labels(
    client: httpx.AsyncClient, judge: WordsClassifier, records: Records
) -> None:
    texts = ["violence everywhere", "spam", "peace"]
    answer = parsed(await moderate(client, model="judge", input=texts))

    assert answer.model == "judge"
    assert [result.flagged for result in answer.results] == [True, True, False]
    assert answer.results[0].category_scores["violence"] == 1.0
    assert answer.results[1].categories["spam"]
    assert records.usage == [("acme", "judge", UsageAmounts(input_tokens=4))]
    assert judge.requests[0].texts == tuple(texts)


async def test_rules_cost_no_tokens(client: httpx.AsyncClient, records: Records) -> None:
    await moderate(client)

    assert records.usage == []
    assert records.lines[-1].action == "moderations"


async def test_the_openai_client_works_unchanged(app: ASGIApp) -> None:
    async with client_of(app) as http:
        client = openai.AsyncOpenAI(
            base_url="http://mobula.test/v1", api_key=ADMIN_KEY, http_client=http, max_retries=0
        )
        found = await client.moderations.create(input=[THREAT, "hello"])

    assert [result.flagged for result in found.results] == [True, False]
    assert found.results[0].categories.harassment_threatening


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        pytest.param({"input": ""}, 400, "input", "empty", id="empty"),
        pytest.param({"input": ["a", ""]}, 400, "input[1]", "empty", id="empty in a list"),
        pytest.param({"input": []}, 400, "input", "", id="no texts"),
        pytest.param({"input": ["a"] * (MAX_TEXTS + 1)}, 400, "input", "", id="too many"),
        pytest.param({"input": "a" * (MAX_CHARS + 1)}, 400, "input", "131072", id="too long"),
        pytest.param(
            {"input": [{"type": "image_url", "image_url": {"url": "x"}}]},
            400, "input[0]", "text", id="an image",
        ),
        pytest.param({"model": "words"}, 404, "model", "rules, judge", id="a text model"),
        pytest.param({"model": "cross"}, 404, "model", "rules, judge", id="a cross-encoder"),
    ],
)  # fmt: skip
async def test_what_cannot_be_judged_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str, says: str
) -> None:
    answer = await moderate(client, **body)
    error = OpenAIErrorBody.model_validate(answer.json()).error

    assert (answer.status_code, error.param) == (status, param)
    assert says in error.message
