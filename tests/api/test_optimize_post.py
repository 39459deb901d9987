"""`/api/v1/posts/optimize`: by rules, by a model, streamed; bad input; what is charged."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from cluster.tenants.units import UsageAmounts
from deployments.contracts.generation import Completion, GenerateRequest
from deployments.ingress.schemas.optimization import OptimizePostResponse
from tests.api.fakes import Records, WordsModel

OPTIMIZE = "/api/v1/posts/optimize"
DRAFT = (
    "We are going to open our new coffee roastery in the old town on Saturday and we have asked a "
    "number of people to participate in the tasting because we want to utilize the big table. "
    "20% off all beans until noon!!!! More at https://example.org/roastery or ask @roastery."
)
GOALS = ["sentiment", "readability", "keywords", "structure", "engagement"]
SHORT = "We open on Saturday. 20% off until noon!!!!"  # the fake model reads 64 words
BODY: dict[str, Any] = {
    "text": DRAFT,
    "platform": "instagram",
    "keywords": ["specialty coffee"],
    "phrases": ["our new coffee roastery"],
}


def parsed(answer: httpx.Response) -> OptimizePostResponse:
    return OptimizePostResponse.model_validate_json(answer.raise_for_status().content)


async def test_a_draft_is_edited_with_reasons_and_no_goal_falls(
    client: httpx.AsyncClient, records: Records
) -> None:
    answer = parsed(await client.post(OPTIMIZE, json=BODY))

    assert list(answer.goals) == GOALS
    deltas = [goal.delta for goal in answer.goals.values()]
    assert all(delta is not None and delta >= 0 for delta in deltas)
    assert answer.goals["engagement"].basis == "prior"
    [variant] = answer.variants
    assert answer.text == variant.text
    assert "utilize" not in variant.text
    assert "our new coffee roastery" in variant.text
    assert "https://example.org/roastery" in variant.text
    assert all(edit.reason and edit.gains for edit in variant.why)
    assert records.usage == [("acme", "text", UsageAmounts(characters=len(DRAFT)))]
    assert records.lines[-1].action == "optimize_post"


async def test_edits_and_differences_lead_from_the_draft_to_the_text(
    client: httpx.AsyncClient,
) -> None:
    [variant] = parsed(await client.post(OPTIMIZE, json=BODY)).variants

    text = DRAFT
    for edit in variant.why:
        assert text[edit.start :].startswith(edit.before)
        text = text[: edit.start] + edit.after + text[edit.start + len(edit.before) :]
    assert text == variant.text
    for part in reversed(variant.diff):
        before, after = part.before, part.after
        assert DRAFT[before.start : before.end] == before.text
        assert variant.text[after.start : after.end] == after.text
        text = text[: after.start] + before.text + text[after.end :]
    assert text == DRAFT


async def test_a_text_that_nothing_helps_stays_as_it_is(client: httpx.AsyncClient) -> None:
    once = parsed(await client.post(OPTIMIZE, json=BODY)).text
    again = parsed(await client.post(OPTIMIZE, json=BODY | {"text": once}))

    assert (again.text, again.is_changed, again.variants) == (once, False, [])
    assert again.reason


async def test_a_stream_has_one_event_a_goal(client: httpx.AsyncClient) -> None:
    accept = {"Accept": "application/x-ndjson"}
    response = await client.post(OPTIMIZE, json=BODY, headers=accept)

    events = [json.loads(line) for line in response.raise_for_status().text.splitlines()]
    assert [event["event"] for event in events] == ["started", *["goal"] * 5, "completed"]
    assert [event["goal"] for event in events if event["event"] == "goal"] == GOALS
    del events[-1]["event"]
    OptimizePostResponse.model_validate(events[-1])


async def test_models_are_asked_for_all_goals_at_once(
    client: httpx.AsyncClient, model: WordsModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, all_running = 0, asyncio.Event()
    generate = model.generate

    async def gated(request: GenerateRequest) -> Completion:
        nonlocal running
        running += 1
        if running == len(GOALS):
            all_running.set()
        await asyncio.wait_for(all_running.wait(), 10)
        return await generate(request)

    monkeypatch.setattr(model, "generate", gated)
    body = {"text": SHORT, "rewrite": "model", "seed": 3}
    answer = parsed(await client.post(OPTIMIZE, json=body))

    assert answer.model == "words"
    assert answer.usage.total_tokens > 0
    assert {refused.goal for refused in answer.refused_rewrites} == set(GOALS)
    assert (answer.text, answer.is_changed) == (SHORT, False)


async def test_a_rewrite_that_keeps_everything_is_offered(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    good = "Do you want coffee? We open on Saturday! 20% off until noon. Come by! ☕"
    model.words = good.split()
    body = {"text": SHORT, "rewrite": "model", "goals": ["engagement"]}
    answer = parsed(await client.post(OPTIMIZE, json=body))

    [variant] = answer.variants
    assert (variant.by, variant.goal, variant.why) == ("model", "engagement", [])
    assert variant.text.startswith("Do you want coffee?")
    assert variant.diff


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        pytest.param({"text": ""}, 422, "text", id="empty"),
        pytest.param({"text": "x" * 10_001}, 422, "10000", id="too-long"),
        pytest.param({"text": "a\x00b"}, 422, "control", id="nul"),
        pytest.param({"platform": "myspace"}, 400, "instagram", id="unknown-platform"),
        pytest.param({"goals": []}, 422, "goals", id="no-goal"),
        pytest.param({"goals": ["fame"]}, 422, "goals", id="unknown-goal"),
        pytest.param({"keep": ["urls"]}, 422, "phrases", id="phrases-not-kept"),
        pytest.param({"model": "words"}, 422, "rules", id="a-model-for-rules"),
        pytest.param({"variants": 6}, 422, "5", id="too-many-variants"),
        pytest.param({"rewrite": "both", "model": "nobody"}, 404, "words", id="unknown-model"),
    ],
)
async def test_what_cannot_be_done_names_the_field(
    client: httpx.AsyncClient, change: dict[str, Any], status: int, word: str
) -> None:
    for stream in (False, True):
        response = await client.post(OPTIMIZE, json=BODY | change | {"stream": stream})

        assert response.status_code == status
        assert word in response.json()["detail"]


@pytest.mark.parametrize(
    "text", ["☕", "日本の喫茶店がオープンします。", "...", "Ünï \u202emixed אב گچ текст"]
)
async def test_texts_without_english_words_are_judged_by_what_can_be(
    client: httpx.AsyncClient, text: str
) -> None:
    answer = parsed(await client.post(OPTIMIZE, json={"text": text, "platform": "x"}))

    assert not answer.goals["sentiment"].supported
    assert answer.goals["sentiment"].reason
    assert answer.goals["structure"].supported
