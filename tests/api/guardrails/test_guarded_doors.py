"""Every door to a model passes the guardrails, in and out."""

from typing import Any

import httpx
import pytest

from deployments.ingress.handle_api import HandleApi
from tests.api.fakes import LettersEmbedder, WordsClassifier, WordsModel
from tests.api.guardrails.guarded_world import (
    ASKED,
    CLEAN,
    FLAGGING,
    MAIL,
    REDACTING,
    REFUSING,
    GuardedWorld,
    config_of,
    events,
    joined,
)
from tests.api.web import ADMIN_KEY

CHAT = "/v1/chat/completions"
MESSAGES = [{"role": "user", "content": "Whom do I write to?"}]
BRIEF = {"topic": "whom to write to"}
# Every route that answers with a model's text, and a body for it.
OUT: dict[str, dict[str, Any]] = {
    CHAT: ASKED,
    "/v1/completions": {"model": "words", "prompt": "Whom?", "max_tokens": 9},
    "/v1/responses": {"model": "words", "input": "Whom?"},
    "/v1/messages": {"model": "words", "max_tokens": 9, "messages": MESSAGES},
    "/api/v1/captions": BRIEF,
    "/api/v1/captions/batch": {"items": [BRIEF]},
    "/api/v1/posts": BRIEF,
    "/api/v1/posts/batch": {"items": [BRIEF]},
}
STREAMED = [path for path in OUT if "batch" not in path]
ASK = f"My address is {MAIL}"
# Every route that a text goes into, with one that has an address.
IN: dict[str, dict[str, Any]] = {
    CHAT: {"model": "words", "messages": [{"role": "user", "content": ASK}]},
    "/v1/completions": {"model": "words", "prompt": ASK},
    "/v1/responses": {"model": "words", "input": ASK},
    "/v1/messages": {
        "model": "words",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": ASK}],
    },
    "/api/v1/captions": {"topic": ASK},
    "/api/v1/posts": {"topic": "news", "draft": ASK},
    "/v1/embeddings": {"model": "letters", "input": ["fine", ASK]},
    "/v1/rerank": {"model": "cross", "query": "who", "documents": ["fine", ASK]},
    "/v1/moderations": {"model": "judge", "input": ASK},
}
SPELLED = list(map(ord, ASK))  # one token of the fake models is one character


@pytest.mark.parametrize("path", OUT)
async def test_an_answer_is_redacted(world: GuardedWorld, path: str) -> None:
    answer = await world.web(REDACTING).post(path, json=OUT[path])

    assert answer.status_code == 200, answer.text
    assert MAIL not in answer.text
    assert "[EMAIL]" in answer.text
    assert "house/pii;redact" in answer.headers["mobula-guardrails"]
    assert world.found()[-1] == ("guardrail.output", "guardrail:house/pii", "redact")


@pytest.mark.parametrize("path", STREAMED)
async def test_a_streamed_answer_is_redacted(world: GuardedWorld, path: str) -> None:
    answer = await world.web(REDACTING).post(path, json={**OUT[path], "stream": True})

    assert answer.status_code == 200, answer.text
    assert "john" not in answer.text
    assert "example" not in answer.text
    assert "[EMAIL]" in answer.text


@pytest.mark.parametrize("path", OUT)
async def test_a_refused_answer_does_not_leave(world: GuardedWorld, path: str) -> None:
    answer = await world.web(REFUSING).post(path, json=OUT[path])

    assert "john" not in answer.text
    assert "write to" not in answer.text
    filtered = '"content_filter"' in answer.text or '"stop_reason":"refusal"' in answer.text
    assert filtered or "house" in answer.text


@pytest.mark.parametrize("path", STREAMED)
async def test_a_refused_stream_ends_and_nothing_follows(world: GuardedWorld, path: str) -> None:
    answer = await world.web(REFUSING).post(path, json={**OUT[path], "stream": True})

    assert "john" not in answer.text
    assert "now" not in answer.text
    filtered = '"content_filter"' in answer.text or '"stop_reason":"refusal"' in answer.text
    assert filtered or '"guardrail' in answer.text or "problems/guardrail" in answer.text


@pytest.mark.parametrize("path", IN)
async def test_a_refused_input_reaches_no_model(
    world: GuardedWorld,
    embedder: LettersEmbedder,
    cross_encoder: WordsClassifier,
    judge: WordsClassifier,
    path: str,
) -> None:
    answer = await world.web(REFUSING).post(path, json=IN[path])

    assert answer.status_code == 400, answer.text
    assert "rule 'pii' of guardrail 'house'" in answer.text
    assert "john" not in answer.text
    asked = [*world.model.requests, *embedder.requests, *cross_encoder.requests, *judge.requests]
    assert asked == []
    assert ("guardrail.input", "guardrail:house/pii", "refuse") in world.found()


@pytest.mark.parametrize("path", IN)
async def test_a_redacted_input_reaches_the_model_without_what_was_found(
    world: GuardedWorld,
    embedder: LettersEmbedder,
    cross_encoder: WordsClassifier,
    judge: WordsClassifier,
    path: str,
) -> None:
    answer = await world.web(REDACTING).post(path, json=IN[path])

    assert answer.status_code == 200, answer.text
    requests = [*world.model.requests, *embedder.requests, *cross_encoder.requests, *judge.requests]
    assert requests
    assert all(MAIL not in repr(request) for request in requests)
    assert any("[EMAIL]" in repr(request) for request in requests)


async def test_moderation_by_rules_is_an_input_too(world: GuardedWorld) -> None:
    answer = await world.web(REFUSING).post("/v1/moderations", json={"input": ASK})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/completions", {"model": "words", "prompt": SPELLED}),
        ("/v1/completions", {"model": "words", "prompt": [SPELLED[:3], SPELLED]}),
        ("/v1/completions", {"model": "words", "prompt": ["fine", ASK]}),
        ("/v1/embeddings", {"model": "letters", "input": SPELLED}),
        ("/v1/embeddings", {"model": "letters", "input": [SPELLED[:3], SPELLED]}),
    ],
)
@pytest.mark.parametrize("rule", [REDACTING, REFUSING])
async def test_tokens_are_read_as_their_text(
    world: GuardedWorld, path: str, body: dict[str, Any], rule: dict[str, Any]
) -> None:
    answer = await world.web(rule).post(path, json=body)

    if rule is REDACTING and ASK in repr(body):
        assert all(
            "[EMAIL]" in (request.prompt or "[EMAIL]") for request in world.model.requests[1:]
        )
    else:
        assert answer.status_code == 400, answer.text
        assert all(request.prompt_ids != tuple(SPELLED) for request in world.model.requests)


async def test_an_echoed_prompt_is_checked_with_the_text(world: GuardedWorld) -> None:
    rule = {**REDACTING, "applies_to": "output"}
    body = {"model": "words", "prompt": ASK, "echo": True, "max_tokens": 0}

    answer = await world.web(rule).post("/v1/completions", json=body)

    assert MAIL not in answer.text


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
async def test_log_probabilities_are_refused_where_they_would_tell(
    world: GuardedWorld, path: str
) -> None:
    asked = {"logprobs": True} if path == CHAT else {"logprobs": 1}

    refused = await world.web(REDACTING).post(path, json={**OUT[path], **asked})
    answered = await world.web(FLAGGING).post(path, json={**OUT[path], **asked})

    assert refused.status_code == 400
    assert "logprobs" in refused.text
    assert answered.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
async def test_each_choice_is_checked(world: GuardedWorld, stream: bool) -> None:
    answer = await world.web(REDACTING).post(CHAT, json={**ASKED, "n": 3, "stream": stream})

    assert MAIL not in answer.text
    assert answer.text.count("[EMAIL]") == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_the_usage_of_a_refused_output_is_that_of_what_was_generated(
    world: GuardedWorld, stream: bool
) -> None:
    body = {**ASKED, "stream": stream} | (
        {"stream_options": {"include_usage": True}} if stream else {}
    )

    answer = await world.web(REFUSING).post(CHAT, json=body)

    usage = events(answer.text)[-1]["usage"] if stream else answer.json()["usage"]
    assert usage["prompt_tokens"] == 5
    assert usage["completion_tokens"] in (3, 4)
    assert world.records.usage[-1][2].output_tokens in (3, 4)


async def test_a_stopped_stream_leaves_no_call_open(world: GuardedWorld) -> None:
    await world.web(REFUSING).post(
        CHAT, json={**ASKED, "stream": True}, headers={"Cache-Control": "no-store"}
    )

    assert world.model.open == 0


async def test_a_refused_output_may_be_a_problem(world: GuardedWorld) -> None:
    answer = await world.web(REFUSING, on_output="problem").post(CHAT, json=ASKED)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "guardrail"
    assert "output" in answer.json()["error"]["message"]


async def test_what_is_flagged_leaves_as_it_is_and_is_told(world: GuardedWorld) -> None:
    web = world.web(FLAGGING)

    answer = await web.post(CHAT, json=ASKED)
    streamed = await web.post(CHAT, json={**IN[CHAT], "stream": True})

    assert MAIL in answer.text
    assert MAIL in joined(streamed.text)
    assert answer.headers["mobula-guardrails"] == "house/pii;flag"
    assert streamed.headers["mobula-guardrails"] == "house/pii;flag"
    assert set(world.found()) == {
        ("guardrail.output", "guardrail:house/pii", "flag"),
        ("guardrail.input", "guardrail:house/pii", "flag"),
    }
    [(_, samples)] = world.figures.read_metrics()
    assert dict(samples)["house", "pii", "flag", "output"] == 2


@pytest.mark.parametrize(
    ("operation", "path"),
    [
        ("chat", CHAT),
        ("completions", "/v1/completions"),
        ("responses", "/v1/responses"),
        ("messages", "/v1/messages"),
        ("captions", "/api/v1/captions"),
        ("posts.batch", "/api/v1/posts/batch"),
    ],
)
async def test_handles_are_no_way_around(world: GuardedWorld, operation: str, path: str) -> None:
    world.app(config_of(REDACTING))
    calls = HandleApi(world.made)
    body = httpx.Request("POST", "http://x", json=OUT[path]).content

    answer = await calls.call(ADMIN_KEY, operation, body, 30.0)
    streamed = [event async for event in calls.stream(ADMIN_KEY, operation, body, 30.0)]

    assert MAIL not in repr(answer)
    assert "[EMAIL]" in repr(answer)
    assert "john" not in repr(streamed)


async def test_the_turns_of_some_roles_may_be_left_out(world: GuardedWorld) -> None:
    web = world.web({**REFUSING, "applies_to": "input", "roles": ["user", "tool"]})
    system = {"model": "words", "messages": [{"role": "system", "content": ASK}, *MESSAGES]}

    assert (await web.post(CHAT, json=system)).status_code == 200
    assert (await web.post(CHAT, json=IN[CHAT])).status_code == 400


async def test_without_findings_nothing_is_said(world: GuardedWorld, model: WordsModel) -> None:
    model.words = ["all", "is", "well"]

    answer = await world.web(REDACTING).post(CHAT, json=ASKED)

    assert answer.json()["choices"][0]["message"]["content"] == "all is well"
    assert "mobula-guardrails" not in answer.headers
    assert world.found() == []


async def test_text_leaves_as_soon_as_no_rule_needs_it(world: GuardedWorld) -> None:
    answer = await world.web(REDACTING).post(CHAT, json={**ASKED, "stream": True})

    assert joined(answer.text) == CLEAN
    assert len(events(answer.text)) > 3
