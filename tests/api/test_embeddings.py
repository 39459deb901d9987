"""`/v1/embeddings` over a model whose vectors can be counted by hand."""

import base64

import httpx
import numpy as np
import openai
import pytest
from starlette.types import ASGIApp

from cluster.runtime.problems import ModelFailed, Overloaded
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.ingress.schemas.answers import OpenAIErrorBody
from deployments.ingress.schemas.embeddings import MAX_INPUTS, EmbeddingList
from tests.api.fakes import LettersEmbedder, Records
from tests.api.web import ADMIN_KEY, READER_KEY, client_of

URL = "/v1/embeddings"


async def embed(client: httpx.AsyncClient, **body: object) -> httpx.Response:
    return await client.post(URL, json={"model": "letters", "input": "a bad cab", **body})


def fault(answer: httpx.Response) -> tuple[int, str | None, str]:
    error = OpenAIErrorBody.model_validate(answer.json()).error
    return answer.status_code, error.param, error.message


async def test_one_text_gives_one_vector_and_its_tokens(client: httpx.AsyncClient) -> None:
    answer = EmbeddingList.model_validate((await embed(client)).json())

    assert [item.embedding for item in answer.data] == [[3.0, 2.0, 1.0, 1.0]]
    assert answer.model == "letters"
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3


async def test_vectors_come_in_the_order_of_the_texts(client: httpx.AsyncClient) -> None:
    answer = EmbeddingList.model_validate((await embed(client, input=["dd", "a", "cc"])).json())

    assert [item.index for item in answer.data] == [0, 1, 2]
    assert [item.embedding for item in answer.data] == [[0, 0, 0, 2], [1, 0, 0, 0], [0, 0, 2, 0]]


async def test_base64_holds_little_endian_floats(client: httpx.AsyncClient) -> None:
    answer = (await embed(client, encoding_format="base64")).json()

    raw = base64.b64decode(answer["data"][0]["embedding"])
    assert np.frombuffer(raw, "<f4").tolist() == [3.0, 2.0, 1.0, 1.0]


@pytest.mark.parametrize("encoding", [openai.omit, "float", "base64"])
async def test_the_openai_client_works_unchanged(app: ASGIApp, encoding: object) -> None:
    async with client_of(app) as http:
        client = openai.AsyncOpenAI(
            base_url="http://mobula.test/v1", api_key=ADMIN_KEY, http_client=http, max_retries=0
        )
        found = await client.embeddings.create(
            model="letters",
            input=["a bad cab", "bcd"],
            encoding_format=encoding,  # type: ignore[arg-type]
        )

    vectors = [item.embedding for item in found.data]
    if encoding == "base64":
        raw = [base64.b64decode(str(vector)) for vector in vectors]
        vectors = [np.frombuffer(row, "<f4").tolist() for row in raw]
    assert vectors == [[3.0, 2.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]
    assert found.usage.prompt_tokens == 4


@pytest.mark.parametrize(
    ("body", "status", "param", "says"),
    [
        pytest.param({"input": ""}, 400, "input", "empty", id="empty text"),
        pytest.param({"input": ["a", ""]}, 400, "input[1]", "empty", id="empty text in a list"),
        pytest.param({"input": [[1], []]}, 400, "input[1]", "", id="no token ids"),
        pytest.param({"input": [-1]}, 400, "input[0]", "", id="negative token id"),
        pytest.param({"input": [1, "a"]}, 400, "input[0]", "", id="token ids and texts"),
        pytest.param({"input_type": ""}, 400, "input_type", "", id="input type"),
        pytest.param({"model": "words"}, 404, "model", "letters", id="a text model"),
        pytest.param({"model": "nobody"}, 404, "model", "letters", id="no such model"),
        pytest.param({"dimensions": 0}, 400, "dimensions", "", id="no dimensions"),
        pytest.param({"encoding_format": "hex"}, 400, "encoding_format", "", id="encoding"),
    ],
)
async def test_what_cannot_be_embedded_is_refused_by_name(
    client: httpx.AsyncClient, body: dict[str, object], status: int, param: str, says: str
) -> None:
    got, where, message = fault(await embed(client, **body))

    assert (got, where) == (status, param)
    assert says in message


@pytest.mark.parametrize("ids", [[97, 98], [[97, 98], [99]]], ids=["one", "several"])
async def test_token_ids_go_to_the_model_as_they_are(
    client: httpx.AsyncClient, embedder: LettersEmbedder, ids: list[int] | list[list[int]]
) -> None:
    answer = EmbeddingList.model_validate((await embed(client, input=ids)).json())

    assert [item.embedding for item in answer.data][0] == [1, 1, 0, 0]
    [request] = embedder.requests
    assert request.texts == ()
    assert request.token_ids in [((97, 98),), ((97, 98), (99,))]
    assert len(answer.data) == len(request.token_ids)


async def test_the_input_type_goes_to_the_model(
    client: httpx.AsyncClient, embedder: LettersEmbedder
) -> None:
    await embed(client, input_type="search_query")

    assert embedder.requests[0].input_types == ("search_query",)


@pytest.mark.parametrize("count", [0, MAX_INPUTS + 1])
async def test_the_number_of_texts_is_bounded(client: httpx.AsyncClient, count: int) -> None:
    assert (await embed(client, input=["a"] * count)).status_code == 400


async def test_the_most_texts_are_taken(client: httpx.AsyncClient) -> None:
    assert len((await embed(client, input=["a"] * MAX_INPUTS)).json()["data"]) == MAX_INPUTS


async def test_a_key_that_may_not_generate_may_not_embed(
    app: ASGIApp, embedder: LettersEmbedder
) -> None:
    async with client_of(app, READER_KEY) as client:
        assert (await embed(client)).status_code == 403
    async with client_of(app, None) as client:
        assert (await embed(client)).status_code == 401
    assert embedder.requests == []


async def test_tokens_go_to_the_ledger_and_the_call_to_the_audit_trail(
    client: httpx.AsyncClient, records: Records
) -> None:
    await embed(client)

    assert records.usage == [("acme", "letters", UsageAmounts(input_tokens=3))]
    line = records.lines[-1]
    assert (line.action, line.resource, line.outcome) == ("embeddings", "model:letters", "ok")


@pytest.mark.parametrize(
    ("problem", "status"), [(Overloaded("full"), 503), (ModelFailed("letters"), 502)]
)
async def test_a_call_that_fails_costs_nothing(
    client: httpx.AsyncClient,
    embedder: LettersEmbedder,
    records: Records,
    problem: Exception,
    status: int,
) -> None:
    embedder.problem = problem

    assert (await embed(client)).status_code == status
    assert records.usage == []


async def test_embedding_models_are_listed_beside_text_models(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/v1/models")).json()["data"]
    shown = await client.get("/v1/models/letters")

    assert [model["id"] for model in listed] == ["words", "letters", "cross", "judge"]
    assert shown.json()["id"] == "letters"


async def test_an_embedding_model_does_not_chat(client: httpx.AsyncClient) -> None:
    body = {"model": "letters", "messages": [{"role": "user", "content": "hello"}]}

    assert (await client.post("/v1/chat/completions", json=body)).status_code == 404


class TestPlans:
    """What a plan leaves out does not exist for its tenants."""

    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(id="text-only", models=("words",))

    async def test_a_plan_without_the_model_hides_it(self, client: httpx.AsyncClient) -> None:
        listed = (await client.get("/v1/models")).json()["data"]

        assert (await embed(client)).status_code == 404
        assert [model["id"] for model in listed] == ["words"]
