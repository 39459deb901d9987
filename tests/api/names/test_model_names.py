"""Requests by another name than a model's id: answered, told and recorded as that model's."""

import json
from typing import Any

import httpx
import pytest

from cluster.resilience.failure_class import Unavailable
from cluster.tenants.plan import Plan
from deployments.ingress.handle_api import HandleApi
from deployments.ingress.model_registry import ModelRegistry
from tests.api.fakes import Records, WordsModel
from tests.api.names.doors import CHAT, OPERATIONS, TEXT_DOORS, TURN, UNMETERED
from tests.api.web import ADMIN_KEY

EMBEDDINGS, RERANK, MODERATIONS = "/v1/embeddings", "/v1/rerank", "/v1/moderations"


async def ask(
    web: httpx.AsyncClient, path: str, model: str, id: str = "", **fields: Any
) -> httpx.Response:
    body = {**(TEXT_DOORS | UNMETERED).get(path, {}), **fields, "model": model}
    headers = {"X-Request-ID": id} if id else {}
    return await web.post(path, json=body, headers=headers)


@pytest.mark.parametrize("path", TEXT_DOORS)
async def test_an_alias_is_answered_by_its_model_at_every_door(
    web: httpx.AsyncClient, path: str, records: Records, model: WordsModel
) -> None:
    answer = await ask(web, path, "gpt-4o-mini")

    assert answer.status_code == 200
    assert answer.json()["model"] == "words"
    assert answer.headers["mobula-model"] == "words"
    assert "mobula-fallback" not in answer.headers
    assert {sent.model for sent in model.requests} == {"words"}
    assert {name for _, name, _ in records.usage} == {"words"}
    assert records.lines[-1].resource == "model:words"


@pytest.mark.parametrize("path", TEXT_DOORS)
async def test_streams_tell_the_model_from_their_first_event_on(
    web: httpx.AsyncClient, path: str
) -> None:
    answer = await ask(web, path, "openai/gpt-4o", stream=True)

    assert answer.headers["mobula-model"] == "openai-gpt-4o"
    assert "openai/gpt-4o" not in answer.text
    assert '"model":"openai-gpt-4o"' in answer.text.split("\n\n")[0]


@pytest.mark.parametrize("path", UNMETERED)
async def test_tokens_are_those_of_the_model(
    web: httpx.AsyncClient, path: str, records: Records
) -> None:
    answer = await ask(web, path, "house-words")
    same = await ask(web, path, "words")

    assert answer.status_code == 200
    assert answer.json() == same.json()
    assert answer.headers["mobula-model"] == "words"
    assert records.lines[-2].resource == "model:words"


@pytest.mark.parametrize("name", ["text-embedding-3-small", "alphabet"])
async def test_embeddings_by_an_alias(web: httpx.AsyncClient, name: str, records: Records) -> None:
    answer = await web.post(EMBEDDINGS, json={"model": name, "input": "tea"})
    ranked = await web.post(RERANK, json={"model": name, "query": "tea", "documents": ["te", "x"]})

    assert answer.json()["model"] == ranked.json()["model"] == "letters"
    assert answer.headers["mobula-model"] == ranked.headers["mobula-model"] == "letters"
    assert {model for _, model, _ in records.usage} == {"letters"}


async def test_embedding_models_by_the_length_of_their_texts(web: httpx.AsyncClient) -> None:
    short = await web.post(EMBEDDINGS, json={"model": "ada", "input": "tea"})
    long = await web.post(EMBEDDINGS, json={"model": "ada", "input": ["tea", "t"]})
    tokens = await web.post(EMBEDDINGS, json={"model": "ada", "input": [1]})

    assert [each.json()["model"] for each in (short, long, tokens)] == [
        "letters",
        "other-letters",
        "letters",
    ]


async def test_rankers_and_judges_by_an_alias(web: httpx.AsyncClient) -> None:
    ranked = await web.post(
        RERANK, json={"model": "rerank-1", "query": "tea", "documents": ["te", "x"]}
    )
    judged = await web.post(MODERATIONS, json={"model": "judge-1", "input": "tea"})
    by_rules = await web.post(MODERATIONS, json={"model": "built-in", "input": "tea"})

    assert ranked.json()["model"] == "cross"
    assert judged.json()["model"] == "judge"
    assert by_rules.json()["model"] == "rules"


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_handles_resolve_names_too(handles: HandleApi, operation: str) -> None:
    body = json.dumps({**OPERATIONS[operation], "model": "gpt-4o-mini"}).encode()

    answer = await handles.call(ADMIN_KEY, operation, body, 10.0)
    events = [
        event
        async for _, event in handles.stream(
            ADMIN_KEY, operation, body[:-1] + b', "stream": true}', 10.0
        )
    ]

    assert answer["model"] == "words"
    assert "gpt-4o-mini" not in json.dumps(events)


async def test_azures_paths_may_name_an_alias(web: httpx.AsyncClient) -> None:
    path = "/openai/deployments/gpt-4o-mini/chat/completions"

    answer = await web.post(path, json={"messages": [TURN]})

    assert answer.json()["model"] == "words"


async def test_each_brief_of_a_batch_is_resolved_by_itself(web: httpx.AsyncClient) -> None:
    names = ["gpt-4o-mini", "openai/gpt-4o", "nothing", "forbidden", "house", None, "spare"]
    items = [{"topic": "tea", **({"model": name} if name else {})} for name in names]

    answer = await web.post("/api/v1/captions/batch", json={"items": items})

    models = [
        each["result"]["model"] if each["status"] == "ok" else each["error"]["type"].split("/")[-1]
        for each in answer.json()["results"]
    ]
    assert models == [
        "words",
        "openai-gpt-4o",
        "unknown-model",
        "unknown-model",
        "words",
        "words",
        "spare",
    ]


@pytest.mark.parametrize("path", [*TEXT_DOORS, *UNMETERED])
@pytest.mark.parametrize("name", ["forbidden", "openai/o3", "openai-o3", "nothing", "letters/*"])
async def test_a_name_that_leads_to_no_granted_model_is_unknown(
    web: httpx.AsyncClient, path: str, name: str, others: dict[str, WordsModel]
) -> None:
    answer = await ask(web, path, name)

    assert answer.status_code == 404
    assert "openai-o3" not in answer.text.replace(name, "")
    assert not others["openai-o3"].requests


async def test_a_name_of_another_kind_of_model_is_unknown(web: httpx.AsyncClient) -> None:
    chat = await ask(web, CHAT, "text-embedding-3-small")
    vectors = await web.post(EMBEDDINGS, json={"model": "gpt-4o-mini", "input": "tea"})
    judged = await web.post(MODERATIONS, json={"model": "rerank-1", "input": "tea"})

    assert [chat.status_code, vectors.status_code, judged.status_code] == [404, 404, 404]


async def test_the_same_request_id_has_the_same_model(web: httpx.AsyncClient) -> None:
    ids = [f"request-{number}" for number in range(30)]

    first = [(await ask(web, CHAT, "canary", id)).json()["model"] for id in ids]
    again = [(await ask(web, CHAT, "canary", id)).json()["model"] for id in ids]

    assert first == again
    assert set(first) == {"words", "spare"}


async def test_all_prompts_of_a_request_go_to_one_model(web: httpx.AsyncClient) -> None:
    for number in range(10):
        answer = await ask(
            web, "/v1/completions", "canary", f"request-{number}", prompt=["a", "b", "c", "d"]
        )
        assert "," not in answer.headers["mobula-model"]


async def test_a_conversation_stays_with_its_model(web: httpx.AsyncClient) -> None:
    models = []
    for number in range(12):
        turns: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}]
        of_one = set()
        for turn in range(3):
            turns.append({"role": "user", "content": f"topic {number}, part {turn}"})
            answer = (await ask(web, CHAT, "mine", messages=turns)).json()
            turns.append(
                {"role": "assistant", "content": answer["choices"][0]["message"]["content"]}
            )
            of_one.add(answer["model"])
        models.append(of_one)

    assert all(len(each) == 1 for each in models)
    assert set.union(*models) == {"words", "spare"}


@pytest.mark.parametrize(
    ("name", "fields", "expected"),
    [
        ("by-size", {"messages": [{"role": "user", "content": "x" * 20}]}, "spare"),
        ("by-size", {"messages": [{"role": "user", "content": "ü" * 11}]}, "words"),
        ("by-kind", {}, "words"),
        (
            "by-kind",
            {"tools": [{"type": "function", "function": {"name": "look"}}]},
            "spare",
        ),
        ("by-kind", {"response_format": {"type": "json_object"}}, "openai-gpt-4o"),
        ("by-tenant", {}, "spare"),
    ],
)
async def test_rules_look_at_the_request(
    web: httpx.AsyncClient, name: str, fields: dict[str, Any], expected: str
) -> None:
    assert (await ask(web, CHAT, name, **fields)).json()["model"] == expected


async def test_fallbacks_are_those_of_the_resolved_model(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    model.problem = Unavailable("'words' cannot be reached now.", retry_after_s=7)

    answer = await ask(web, CHAT, "gpt-4o-mini")
    streamed = await ask(web, CHAT, "gpt-4o-mini", stream=True)

    assert answer.json()["model"] == "spare"
    assert answer.headers["mobula-model"] == "words"
    assert answer.headers["mobula-fallback"] == "spare"
    assert '"model":"spare"' in streamed.text
    assert '"model":"words"' not in streamed.text


async def test_the_cache_knows_the_model_and_not_the_name(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    by_id = await ask(web, CHAT, "words", temperature=0)
    by_alias = await ask(web, CHAT, "gpt-4o-mini", temperature=0)
    by_served_name = await ask(web, CHAT, "house-words", temperature=0)

    assert len(model.requests) == 1
    assert "hit" in by_alias.headers["cache-status"]
    assert "hit" in by_served_name.headers["cache-status"]
    assert "mobula-model" not in by_id.headers
    assert by_alias.json()["model"] == "words"


async def test_the_access_log_names_the_model(
    web: httpx.AsyncClient, access_log: list[bytes]
) -> None:
    await ask(web, CHAT, "gpt-4o-mini")
    await ask(web, CHAT, "openai/gpt-4o", stream=True)
    await ask(web, CHAT, "nothing")

    assert [json.loads(line)["model"] for line in access_log] == [
        "words",
        "openai-gpt-4o",
        "nothing",
    ]


class TestModelsThatAreFoundAtRunTime:
    """A provider's models come and go; the configuration's names go before theirs."""

    @pytest.fixture
    def plan(self) -> Plan:
        return Plan(id="default")

    async def test_they_answer_under_their_own_names(
        self, web: httpx.AsyncClient, registry: ModelRegistry
    ) -> None:
        before = await ask(web, CHAT, "openai/o9")
        registry.text_models["openai/o9"] = WordsModel("from outside")
        answer = await ask(web, CHAT, "openai/o9")
        streamed = await ask(web, CHAT, "openai/o9", stream=True)
        known = await ask(web, CHAT, "openai/gpt-4o")

        assert before.status_code == 404
        assert answer.json()["model"] == "openai/o9"
        assert "mobula-model" not in answer.headers
        assert '"model":"openai/o9"' in streamed.text
        assert known.json()["model"] == "openai-gpt-4o"

    async def test_an_alias_of_the_same_name_goes_before_them(
        self, web: httpx.AsyncClient, registry: ModelRegistry
    ) -> None:
        registry.text_models["gpt-4o-mini"] = WordsModel("from outside")

        assert (await ask(web, CHAT, "gpt-4o-mini")).json()["model"] == "words"
