"""`/v1/rerank` over a cross-encoder and over an embedding model whose scores can be counted."""

from typing import Any

import httpx
import pytest

from cluster.runtime.problems import InvalidRequest, Overloaded
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.ingress.schemas.answers import OpenAIErrorBody
from deployments.ingress.schemas.reranking import MAX_DOCUMENTS, RerankResponse
from tests.api.fakes import LettersEmbedder, Records, WordsClassifier

DOCUMENTS = ["red tea", "green tea leaves", "stones"]


async def rerank(client: httpx.AsyncClient, url: str = "/v1/rerank", **body: Any) -> httpx.Response:
    asked = {"model": "cross", "query": "green tea", "documents": DOCUMENTS, **body}
    return await client.post(url, json=asked)


def parsed(answer: httpx.Response) -> RerankResponse:
    return RerankResponse.model_validate(answer.raise_for_status().json())


def fault(answer: httpx.Response) -> tuple[int, str | None, str]:
    error = OpenAIErrorBody.model_validate(answer.json()).error
    return answer.status_code, error.param, error.message


@pytest.mark.parametrize("url", ["/v1/rerank", "/v2/rerank", "/rerank"])
async def test_the_best_document_comes_first(client: httpx.AsyncClient, url: str) -> None:
    answer = parsed(await rerank(client, url))

    assert [(each.index, each.relevance_score) for each in answer.results] == [
        (1, 1.0), (0, 0.5), (2, 0.0),
    ]  # fmt: skip
    assert [each.document and each.document.text for each in answer.results][0] == DOCUMENTS[1]
    assert answer.model == "cross"
    assert answer.usage.total_tokens == 3 * 2 + 2 + 3 + 1


async def test_clients_of_voyages_api_find_the_scores_in_data(client: httpx.AsyncClient) -> None:
    answer = parsed(await rerank(client))

    assert [(each.index, each.relevance_score) for each in answer.data] == [
        (each.index, each.relevance_score) for each in answer.results
    ]


async def test_an_embedding_model_ranks_by_cosine(
    client: httpx.AsyncClient, embedder: LettersEmbedder
) -> None:
    documents = ["b", "a", "aaab", "xyz"]
    answer = parsed(await rerank(client, model="letters", query="aa", documents=documents))

    found = {each.index: each.relevance_score for each in answer.results}
    assert [each.index for each in answer.results] == [1, 2, 0, 3]
    assert found[1] == pytest.approx(1.0)
    assert found[2] == pytest.approx(3 / 10**0.5)
    assert found[3] == 0.0  # a vector of zeros
    [request] = embedder.requests
    assert request.texts == ("aa", *documents)
    assert request.input_types == ("query", *["document"] * 4)
    assert request.truncate


async def test_top_n_leaves_out_the_rest(client: httpx.AsyncClient) -> None:
    assert [each.index for each in parsed(await rerank(client, top_n=1)).results] == [1]
    assert len(parsed(await rerank(client, top_n=99)).results) == 3


async def test_documents_come_as_objects_and_without_their_texts(
    client: httpx.AsyncClient, cross_encoder: WordsClassifier
) -> None:
    documents = [{"text": "green tea", "id": "7"}, "stones"]
    answer = parsed(await rerank(client, documents=documents, return_documents=False))

    assert [each.document for each in answer.results] == [None, None]
    assert cross_encoder.requests[0].texts == ("green tea", "stones")


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        pytest.param({"documents": []}, 400, "documents", "", id="no documents"),
        pytest.param({"documents": ["a", ""]}, 400, "documents[1]", "empty", id="empty document"),
        pytest.param({"documents": [{"title": "x"}]}, 400, "documents[0].text", "", id="no text"),
        pytest.param(
            {"documents": ["a"] * (MAX_DOCUMENTS + 1)}, 400, "documents", "1000", id="too many"
        ),
        pytest.param({"query": ""}, 400, "query", "", id="no query"),
        pytest.param({"query": "a" * 40_000}, 400, "query", "32768", id="long query"),
        pytest.param({"top_n": 0}, 400, "top_n", "", id="no results"),
        pytest.param({"model": "words"}, 404, "model", "cross, letters", id="a text model"),
        pytest.param({"model": "judge"}, 404, "model", "cross, letters", id="a moderation model"),
    ],
)
async def test_what_cannot_be_ranked_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, Any], status: int, param: str, says: str
) -> None:
    got, where, message = fault(await rerank(client, **body))

    assert (got, where) == (status, param)
    assert says in message


@pytest.mark.parametrize(
    ("ranker", "raised", "named"),
    [
        ("cross", "input.1", "documents.1"),
        ("cross", "query", "query"),
        ("letters", "input.0", "query"),
        ("letters", "input.2", "documents.1"),
    ],
)
async def test_a_fault_of_the_model_names_the_field_of_the_request(
    client: httpx.AsyncClient,
    embedder: LettersEmbedder,
    cross_encoder: WordsClassifier,
    ranker: str,
    raised: str,
    named: str,
) -> None:
    problem = InvalidRequest(f"{raised} has 300 tokens.", param=raised, limit=256)
    embedder.problem = cross_encoder.problem = problem

    got, where, message = fault(await rerank(client, model=ranker))

    assert (got, where) == (400, named.replace(".1", "[1]"))
    assert message == f"{named} has 300 tokens."


@pytest.mark.parametrize(("ranker", "tokens"), [("cross", 12), ("letters", 8)])
async def test_its_tokens_go_to_the_ledger(
    client: httpx.AsyncClient, records: Records, ranker: str, tokens: int
) -> None:
    await rerank(client, model=ranker)

    assert records.usage == [("acme", ranker, UsageAmounts(input_tokens=tokens))]
    line = records.lines[-1]
    assert (line.action, line.resource, line.outcome) == ("rerank", f"model:{ranker}", "ok")


async def test_a_call_that_fails_costs_nothing(
    client: httpx.AsyncClient, cross_encoder: WordsClassifier, records: Records
) -> None:
    cross_encoder.problem = Overloaded("full")

    assert (await rerank(client)).status_code == 503
    assert records.usage == []


class TestPlans:
    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(id="letters-only", models=("letters",))

    async def test_a_model_that_the_plan_leaves_out_does_not_exist(
        self, client: httpx.AsyncClient
    ) -> None:
        assert (await rerank(client)).status_code == 404
        assert (await rerank(client, model="letters")).status_code == 200
