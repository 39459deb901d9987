"""Who answers when a model cannot be reached, and who is told, charged and remembered for it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from cluster.runtime.clock import ManualClock
from cluster.runtime.problems import (
    DeadlineExceeded,
    Draining,
    InvalidRequest,
    ModelFailed,
    Overloaded,
    Problem,
    RateLimited,
)
from cluster.tenants.plan import Plan
from cluster.tenants.units import UsageAmounts
from deployments.ingress.model_registry import ModelRegistry
from tests.api.caching.answers import turns
from tests.api.fakes import LettersEmbedder, Records, WordsModel
from tests.api.fallbacks.conftest import AWAY

CHAT = {"model": "words", "messages": [{"role": "user", "content": "Say three words"}]}
KEPT = {**CHAT, "temperature": 0}
URL = "/v1/chat/completions"

Others = Mapping[str, WordsModel]


def text(answer: httpx.Response) -> str:
    return str(answer.json()["choices"][0]["message"]["content"])


def events(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line]
    return [json.loads(line) for line in lines if line != "[DONE]"]


@pytest.mark.parametrize("problem", [AWAY, ModelFailed("words"), Draining("It ends.")])
async def test_another_model_answers_and_says_so(
    web: httpx.AsyncClient, model: WordsModel, problem: Problem
) -> None:
    model.problem = problem
    answer = await web.post(URL, json=CHAT)
    assert (answer.status_code, text(answer)) == (200, "from the spare")
    assert answer.json()["model"] == "spare"
    assert answer.headers["mobula-fallback"] == "spare"


async def test_a_model_that_answers_itself_has_no_such_header(web: httpx.AsyncClient) -> None:
    answer = await web.post(URL, json=CHAT)
    assert answer.json()["model"] == "words"
    assert "mobula-fallback" not in answer.headers


async def test_models_are_asked_in_the_order_given(
    web: httpx.AsyncClient, model: WordsModel, others: Others
) -> None:
    model.problem = others["spare"].problem = AWAY
    answer = await web.post(URL, json=CHAT)
    assert answer.json()["model"] == answer.headers["mobula-fallback"] == "last"


async def test_what_was_used_is_charged_under_the_model_that_answered(
    web: httpx.AsyncClient, model: WordsModel, records: Records, models: ModelRegistry
) -> None:
    model.problem = AWAY
    await web.post(URL, json=CHAT)
    assert records.usage == [("acme", "spare", UsageAmounts(input_tokens=3, output_tokens=3))]
    assert records.lines[-1].resource == "model:spare,model:words"
    assert models.fallbacks["words"] == ("spare", "last")


async def test_every_event_of_a_stream_names_the_model_that_writes_it(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    model.problem = AWAY
    answer = await web.post(URL, json={**CHAT, "stream": True})
    assert {event["model"] for event in events(answer)} == {"spare"}
    assert answer.headers["mobula-fallback"] == "spare"
    plain = {"model": "words", "prompt": "Say", "stream": True}
    answer = await web.post("/v1/completions", json=plain)
    assert {event["model"] for event in events(answer)} == {"spare"}


async def test_a_stream_that_has_begun_is_no_other_model_s_to_end(
    web: httpx.AsyncClient, model: WordsModel, others: Others
) -> None:
    model.fail_after = 1
    answer = await web.post(URL, json={**CHAT, "stream": True})
    assert events(answer)[-1]["error"]["code"] == "model_failed"
    assert not others["spare"].requests


@pytest.mark.parametrize(
    "problem",
    [
        InvalidRequest("It is wrong."),
        RateLimited("Slow down.", 1.0, "fair-share"),
        Overloaded("It is busy."),
        DeadlineExceeded("model"),
    ],
)
async def test_a_refusal_is_not_carried_to_another_model(
    web: httpx.AsyncClient, model: WordsModel, others: Others, problem: Problem
) -> None:
    model.problem = problem
    answer = await web.post(URL, json=CHAT)
    assert answer.status_code == problem.status
    assert not others["spare"].requests


@pytest.fixture
def only_words() -> Plan:
    return Plan(id="default", models=("words", "last"))


class TestOnAPlanWithoutTheSpare:
    @pytest.fixture
    def plan(self, only_words: Plan) -> Plan:
        return only_words

    async def test_models_that_the_plan_does_not_allow_are_passed_over(
        self, web: httpx.AsyncClient, model: WordsModel, others: Others
    ) -> None:
        model.problem = AWAY
        assert (await web.post(URL, json=CHAT)).json()["model"] == "last"
        assert not others["spare"].requests


async def test_where_nobody_answers_the_first_model_s_problem_is_told_with_a_time_to_come_back(
    web: httpx.AsyncClient, model: WordsModel, others: Others
) -> None:
    model.problem = AWAY
    others["spare"].problem = RateLimited("Slow down.", 1.0, "fair-share")
    others["last"].problem = ModelFailed("last")
    for body in (CHAT, {**CHAT, "stream": True}):
        answer = await web.post(URL, json=body)
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "7"
        assert answer.json()["error"]["code"] == "model_unavailable"


async def test_another_model_s_answer_is_not_kept_for_the_one_that_was_asked(
    web: httpx.AsyncClient, model: WordsModel, others: Others
) -> None:
    model.problem = AWAY
    for body in (KEPT, {**KEPT, "stream": True}, KEPT):
        answer = await web.post(URL, json=body)
        assert "stored" not in answer.headers["cache-status"]
    assert len(others["spare"].requests) == 3
    model.problem = None
    assert text(await web.post(URL, json=KEPT)) == "one two three"
    again = await web.post(URL, json=KEPT)
    assert (again.json()["model"], text(again)) == ("words", "one two three")
    assert "hit" in again.headers["cache-status"]


async def test_all_who_wait_for_one_answer_are_told_whose_it_is(
    web: httpx.AsyncClient, model: WordsModel, others: Others
) -> None:
    model.problem, spare = AWAY, others["spare"]
    spare.hold = asyncio.Event()
    whole = [asyncio.create_task(web.post(URL, json=KEPT)) for _ in range(2)]
    await turns(lambda: bool(spare.requests))
    streamed = asyncio.create_task(web.post(URL, json={**KEPT, "stream": True}))
    for _ in range(100):
        await asyncio.sleep(0)
    spare.hold.set()
    answers = await asyncio.gather(*whole, streamed)
    assert len(spare.requests) == 1
    assert [answer.headers["mobula-fallback"] for answer in answers] == ["spare"] * 3
    assert [answer.json()["model"] for answer in answers[:2]] == ["spare"] * 2
    assert {event["model"] for event in events(answers[2])} == {"spare"}


async def test_a_stale_response_that_is_too_old_comes_when_no_model_can(
    web: httpx.AsyncClient, model: WordsModel, others: Others, clock: ManualClock
) -> None:
    await web.post(URL, json=KEPT)
    clock.advance(300)
    model.problem = AWAY
    assert (await web.post(URL, json=KEPT)).json()["model"] == "spare"
    for other in others.values():
        other.problem = AWAY
    for body in (KEPT, {**KEPT, "stream": True}):
        answer = await web.post(URL, json=body)
        assert answer.status_code == 200
        assert "detail=l1-error" in answer.headers["cache-status"]
        assert "mobula-fallback" not in answer.headers
    clock.advance(600)
    assert (await web.post(URL, json=KEPT)).status_code == 503


async def test_a_stale_response_does_not_end_a_stream_that_has_begun(
    web: httpx.AsyncClient, model: WordsModel, clock: ManualClock
) -> None:
    await web.post(URL, json=KEPT)
    clock.advance(300)
    model.fail_after = 1
    answer = await web.post(URL, json={**KEPT, "stream": True})
    assert events(answer)[-1]["error"]["code"] == "model_failed"


async def test_captions_say_which_model_wrote_them(
    web: httpx.AsyncClient, model: WordsModel
) -> None:
    model.problem = AWAY
    brief = {"topic": "a quiet tea house", "variants": 2}
    answer = await web.post("/api/v1/captions", json=brief)
    assert answer.json()["model"] == "spare"
    assert answer.headers["mobula-fallback"] == "spare"
    streamed = await web.post("/api/v1/captions", json={**brief, "stream": True})
    completed = streamed.text.split("event: completed\ndata: ")[1].splitlines()[0]
    assert json.loads(completed)["model"] == "spare"


async def test_vectors_of_another_model_are_called_so(
    web: httpx.AsyncClient, embedder: LettersEmbedder, records: Records
) -> None:
    embedder.problem = AWAY
    answer = await web.post("/v1/embeddings", json={"model": "letters", "input": "a bad cab"})
    assert answer.json()["model"] == answer.headers["mobula-fallback"] == "other-letters"
    assert records.usage == [("acme", "other-letters", UsageAmounts(input_tokens=3))]
    embedder.problem = InvalidRequest("It is wrong.")
    answer = await web.post("/v1/embeddings", json={"model": "letters", "input": "a bad cab"})
    assert answer.status_code == 400
