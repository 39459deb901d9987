"""The native routes: captions and posts, whole, streamed and in batches."""

import json
from typing import Any

import httpx
import pytest

from deployments.ingress.schemas.content import BatchResponse, CaptionResponse, PostResponse
from tests.api.fakes import WordsModel

CAPTIONS, POSTS = "/api/v1/captions", "/api/v1/posts"
BRIEF: dict[str, Any] = {"topic": "a rooftop coffee bar", "platform": "instagram", "variants": 3}


@pytest.fixture(autouse=True)
def words(model: WordsModel) -> None:
    text = "Meet a rooftop coffee bar! Come and see it. #Coffee #Rooftop #City"
    model.words = text.split()


def sse(text: str) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


async def test_captions_come_ranked_with_scores_and_reasons(client: httpx.AsyncClient) -> None:
    response = await client.post(CAPTIONS, json=BRIEF)

    assert response.status_code == 200
    answer = CaptionResponse.model_validate_json(response.content)
    best = answer.variants[0]
    assert "a rooftop coffee bar" in best.text
    assert best.characters == len(best.text)
    assert all(part.reason for part in best.subscores.values())
    assert len(answer.variants) + len(answer.duplicates) == 3


async def test_a_seed_gives_every_variant_a_seed_of_its_own(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    await client.post(CAPTIONS, json=BRIEF | {"seed": 7})

    assert sorted(request.sampling.seed or 0 for request in model.requests) == [7, 8, 9]


async def test_a_stream_tells_started_delta_variant_completed(client: httpx.AsyncClient) -> None:
    events = sse((await client.post(CAPTIONS, json=BRIEF | {"stream": True})).text)

    names = [name for name, _ in events]
    assert (names[0], names[-1]) == ("started", "completed")
    assert names.count("variant") == 3
    assert {event["variant"] for name, event in events if name == "delta"} == {0, 1, 2}
    CaptionResponse.model_validate(events[-1][1])


async def test_an_accept_header_asks_for_ndjson(client: httpx.AsyncClient) -> None:
    response = await client.post(CAPTIONS, json=BRIEF, headers={"Accept": "application/x-ndjson"})

    assert response.headers["content-type"].startswith("application/x-ndjson")
    lines = [json.loads(line) for line in response.text.splitlines()]
    assert (lines[0]["event"], lines[-1]["event"]) == ("started", "completed")


async def test_posts_take_a_topic_or_a_draft(client: httpx.AsyncClient) -> None:
    from_topic = await client.post(POSTS, json={"topic": "remote work"})
    from_draft = await client.post(POSTS, json={"draft": "we opened a shop", "platform": "x"})
    from_nothing = await client.post(POSTS, json={"platform": "x"})

    assert PostResponse.model_validate_json(from_topic.content).platform == "linkedin"
    assert PostResponse.model_validate_json(from_draft.content).platform == "x"
    assert from_nothing.status_code == 422
    assert "draft" in from_nothing.json()["detail"]


async def test_a_batch_has_a_result_or_a_problem_for_each_item(client: httpx.AsyncClient) -> None:
    items = [BRIEF, BRIEF | {"platform": "myspace"}, BRIEF | {"model": "nobody"}, BRIEF]
    response = await client.post(f"{CAPTIONS}/batch", json={"items": items})

    assert response.status_code == 200
    answer = BatchResponse.model_validate_json(response.content)
    assert [result.status for result in answer.results] == ["ok", "failed", "failed", "ok"]
    assert (answer.succeeded, answer.failed) == (2, 2)
    [platform, model] = [r.error for r in answer.results if r.error is not None]
    assert platform["param"] == "platform"
    assert model["status"] == 404


async def test_a_provider_is_chosen_by_name(client: httpx.AsyncClient) -> None:
    answer = (await client.post(CAPTIONS, json=BRIEF | {"model": "house"})).json()

    assert answer["model"] == "words"


async def test_without_a_number_there_are_as_many_hashtags_as_the_platform_takes(
    client: httpx.AsyncClient,
) -> None:
    named = await client.post(CAPTIONS, json=BRIEF | {"platform": "threads", "hashtags": 3})
    answer = (await client.post(CAPTIONS, json=BRIEF | {"platform": "threads"})).json()

    assert named.status_code == 400
    assert {len(variant["hashtags"]) for variant in answer["variants"]} == {1}


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        pytest.param({"variants": 11}, 422, "10", id="too-many-variants"),
        pytest.param({"topic": "x" * 501}, 422, "500", id="topic-too-long"),
        pytest.param({"platform": "myspace"}, 400, "instagram", id="unknown-platform"),
        pytest.param({"style": "gothic"}, 400, "casual", id="unknown-style"),
        pytest.param({"tone": "rude"}, 400, "friendly", id="unknown-tone"),
        pytest.param({"topic": "  "}, 400, "topic", id="empty-topic"),
        pytest.param({"platform": "x", "hashtags": 30}, 400, "hashtags", id="platform-limit"),
        pytest.param({"model": "nobody"}, 404, "words", id="unknown-provider"),
    ],
)
async def test_a_brief_that_cannot_be_served_names_field_and_limit(
    client: httpx.AsyncClient, change: dict[str, Any], status: int, word: str
) -> None:
    for stream in (False, True):
        response = await client.post(CAPTIONS, json=BRIEF | change | {"stream": stream})

        assert response.status_code == status
        assert word in response.json()["detail"]


async def test_when_every_variant_fails_the_answer_is_the_problem(
    client: httpx.AsyncClient, model: WordsModel
) -> None:
    model.fail_after = 0
    whole = await client.post(CAPTIONS, json=BRIEF)
    streamed = sse((await client.post(CAPTIONS, json=BRIEF | {"stream": True})).text)

    assert whole.status_code == 502
    assert streamed[-1][0] == "error"
    assert streamed[-1][1]["status"] == 502
