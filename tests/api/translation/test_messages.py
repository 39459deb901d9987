"""`POST /v1/messages` as Anthropic's clients see it."""

from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.runtime.problems import Overloaded, PromptTooLong, RateLimited
from deployments.contracts.generation import TokenUsage
from deployments.ingress.schemas.response_answers import AnthropicErrorBody, MessageObject
from tests.api.translation import reading
from tests.api.translation.scripted import Script, ScriptedModel, failing
from tests.api.web import ADMIN_KEY, client_of

PATH = "/v1/messages"
HELLO: dict[str, Any] = {
    "model": "words",
    "max_tokens": 64,
    "messages": [{"role": "user", "content": "hello there"}],
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a city.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
CALL = Script(
    texts=("Let me look.",),
    calls=(("call_1", "weather", ('{"city":', '"Oslo"}')),),
    finish_reason="tool_calls",
)


async def create(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    return await client.post(PATH, json=HELLO | changes)


def error_of(response: httpx.Response) -> tuple[str, str]:
    body = AnthropicErrorBody.model_validate_json(response.content)
    assert body.request_id == response.headers["x-request-id"]
    return body.error.type, body.error.message


async def test_an_answer_has_the_documented_shape(client: httpx.AsyncClient) -> None:
    response = await create(client)

    assert response.status_code == 200
    answer = MessageObject.model_validate_json(response.content)
    assert answer.id.startswith("msg_")
    [block] = answer.content
    assert block.type == "text"
    assert (block.text, answer.stop_reason) == ("one two three", "end_turn")


async def test_cached_tokens_are_no_input_tokens(client: httpx.AsyncClient) -> None:
    response = await create(client)

    assert response.json()["usage"] == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 2,
        "output_tokens": 3,
    }


async def test_what_is_asked_for_reaches_the_model(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    cache = {"cache_control": {"type": "ephemeral"}}
    asked = {
        "system": [{"type": "text", "text": "Be brief.", **cache}],
        "messages": [
            {"role": "user", "content": "Weather in Oslo?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "x"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "rain"},
                    {"type": "text", "text": "And tomorrow?"},
                ],
            },
        ],
        "stop_sequences": ["END"],
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 7,
        "tools": [WEATHER],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "metadata": {"user_id": "ada"},
    }

    assert (await create(client, **asked)).status_code == 200

    request = scripted.requests[0]
    assert [(each.role, each.content) for each in request.messages] == [
        ("system", "Be brief."),
        ("user", "Weather in Oslo?"),
        ("assistant", "I look."),
        ("tool", "rain"),
        ("user", "And tomorrow?"),
    ]
    assert request.messages[2].tool_calls[0].arguments == '{"city":"Oslo"}'
    assert request.messages[3].tool_call_id == "t1"
    sampling = request.sampling
    assert (sampling.max_tokens, sampling.stop, sampling.top_k) == (64, ("END",), 7)
    assert (sampling.temperature, sampling.top_p) == (0.5, 0.5)
    settings = request.tool_settings
    assert settings is not None
    assert (settings.mode, settings.parallel, settings.tools[0].name) == (
        "required",
        False,
        "weather",
    )


async def test_a_call_is_a_block_of_tool_use(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = CALL

    answer = (await create(client, tools=[WEATHER])).json()

    assert answer["stop_reason"] == "tool_use"
    assert answer["content"] == [
        {"type": "text", "text": "Let me look."},
        {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Oslo"}},
    ]


async def test_arguments_that_were_cut_off_are_kept_as_text(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script((), (("call_1", "weather", ('{"ci',)),), "length")

    answer = (await create(client, tools=[WEATHER])).json()

    assert answer["stop_reason"] == "max_tokens"
    assert answer["content"][0]["input"] == {"INVALID_JSON": '{"ci'}


async def test_a_stop_sequence_that_was_met_is_named(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script(stop="END")

    answer = (await create(client, stop_sequences=["END", "FIN"])).json()
    streamed = reading.events((await create(client, stop_sequences=["END"], stream=True)).text)

    expected = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    assert {name: answer[name] for name in expected} == expected
    assert streamed[-2][1]["delta"] == expected


async def test_a_stream_has_the_events_of_the_api_in_their_order(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = CALL

    response = await create(client, stream=True, tools=[WEATHER])

    assert response.headers["content-type"].startswith("text/event-stream")
    found = reading.events(response.text)
    assert [name for name, _ in found] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    start = found[0][1]["message"]
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert found[-2][1]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}


async def test_an_empty_answer_has_no_blocks(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script(texts=(), usage=TokenUsage(7, 0))

    assert (await create(client)).json()["content"] == []
    streamed = reading.events((await create(client, stream=True)).text)
    assert [name for name, _ in streamed] == [
        "message_start",
        "ping",
        "message_delta",
        "message_stop",
    ]


async def test_a_failure_after_the_first_event_is_an_error_event(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    late = failing(2)
    scripted.problem, scripted.problem_after = late.problem, late.problem_after

    response = await create(client, stream=True)

    name, data = reading.events(response.text)[-1]
    assert name == "error"
    assert data["error"] == {"type": "api_error", "message": "The model could not complete this."}
    assert data["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("problem", "status", "kind"),
    [
        pytest.param(Overloaded("busy"), 503, "overloaded_error", id="overloaded"),
        pytest.param(RateLimited("slow", 1.0, "rpm"), 429, "rate_limit_error", id="limited"),
        pytest.param(PromptTooLong("words", 9, 8), 400, "invalid_request_error", id="too-long"),
    ],
)
async def test_problems_are_typed_as_anthropic_types_them(
    client: httpx.AsyncClient, scripted: ScriptedModel, problem: Any, status: int, kind: str
) -> None:
    scripted.problem = problem

    for stream in (False, True):
        response = await create(client, stream=stream)
        assert response.status_code == status
        assert error_of(response)[0] == kind


@pytest.mark.parametrize(
    ("change", "param"),
    [
        pytest.param(
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image", "source": {"type": "url"}}]}
                ]
            },
            "messages[0].content[0]",
            id="image",
        ),
        pytest.param({"tools": [{"type": "web_search_1", "name": "x"}]}, "tools[0]", id="tool"),
        pytest.param({"tool_choice": {"type": "any"}}, "tool_choice", id="choice-without-tools"),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "tool"}}, "tool_choice.name", id="no-name"
        ),
        pytest.param(
            {"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "add"}},
            "tool_choice",
            id="unknown-choice",
        ),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name(
    client: httpx.AsyncClient, change: dict[str, Any], param: str
) -> None:
    for stream in (False, True):
        response = await create(client, **change, stream=stream)
        assert response.status_code == 400, response.text
        kind, message = error_of(response)
        assert kind == "invalid_request_error"
        assert param in message


async def test_max_tokens_is_required(client: httpx.AsyncClient) -> None:
    body = {name: value for name, value in HELLO.items() if name != "max_tokens"}

    response = await client.post(PATH, json=body)

    assert response.status_code in (400, 422)
    assert error_of(response) == ("invalid_request_error", "/max_tokens: Field required")


async def test_fields_that_change_nothing_are_ignored_and_named(client: httpx.AsyncClient) -> None:
    ignored = {"thinking": {"type": "enabled", "budget_tokens": 1_024}, "service_tier": "auto"}

    for stream in (False, True):
        response = await create(client, **ignored, stream=stream)
        assert response.status_code == 200
        assert response.headers["mobula-ignored"] == "service_tier, thinking"


@pytest.mark.parametrize("name", ["x-api-key", "api-key"])
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", PATH, HELLO, id="messages"),
        pytest.param(
            "POST",
            "/v1/chat/completions",
            {"model": "words", "messages": HELLO["messages"]},
            id="chat",
        ),
        pytest.param("GET", "/v1/models", None, id="models"),
    ],
)
async def test_a_key_in_a_header_of_its_own_is_as_good(
    app: ASGIApp, name: str, method: str, path: str, body: Any
) -> None:
    async with client_of(app, key=None) as client:
        good = await client.request(method, path, json=body, headers={name: ADMIN_KEY})
        wrong = await client.request(method, path, json=body, headers={name: "mob_x_y"})
        both = await client.request(
            method, path, json=body, headers={name: ADMIN_KEY, "Authorization": "Bearer mob_x_y"}
        )

    assert [good.status_code, wrong.status_code, both.status_code] == [200, 401, 401]


async def test_native_routes_take_no_such_header(app: ASGIApp) -> None:
    async with client_of(app, key=None) as client:
        response = await client.get("/api/v1/me", headers={"x-api-key": ADMIN_KEY})

    assert response.status_code in (401, 404)


async def test_a_refused_key_is_refused_in_anthropics_words(app: ASGIApp) -> None:
    async with client_of(app, key=None) as client:
        response = await client.post(PATH, json=HELLO, headers={"x-api-key": "mob_x_y"})

    assert response.status_code == 401
    assert error_of(response)[0] == "authentication_error"


async def test_models_are_listed_in_anthropics_form_for_its_clients(
    client: httpx.AsyncClient,
) -> None:
    version = {"anthropic-version": "2023-06-01"}

    page = await client.get("/v1/models", headers=version)
    one = await client.get("/v1/models/words", headers=version)
    none = await client.get("/v1/models", headers=version, params={"after_id": "words"})
    refused = await client.get("/v1/models", headers=version, params={"after_id": "other"})

    words = {
        "type": "model",
        "id": "words",
        "display_name": "words",
        "created_at": "2023-11-14T22:13:20Z",
    }
    assert page.json() == {
        "data": [words],
        "has_more": False,
        "first_id": "words",
        "last_id": "words",
    }
    assert one.json() == words
    assert none.json()["data"] == []
    assert refused.status_code == 400
    assert "anthropic-version" in page.headers["vary"].lower()
    assert (await client.get("/v1/models")).json()["object"] == "list"


async def count(client: httpx.AsyncClient, **changes: Any) -> httpx.Response:
    body = {"model": "words", "messages": HELLO["messages"], **changes}
    return await client.post(f"{PATH}/count_tokens", json=body)


async def test_tokens_of_messages_and_tools_are_counted_and_nothing_is_generated(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    bare = await count(client)
    whole = await count(client, system="Be brief.", tools=[WEATHER | {"input_schema": {}}])

    assert bare.json() == {"input_tokens": 2}
    assert whole.json() == {"input_tokens": 6}
    assert scripted.requests == []


async def test_what_is_counted_is_checked_as_what_is_generated(client: httpx.AsyncClient) -> None:
    unknown = await count(client, model="other")
    image = await count(client, messages=[{"role": "user", "content": [{"type": "image"}]}])
    large = await count(client, system="x" * 300_000)

    assert (unknown.status_code, error_of(unknown)[0]) == (404, "not_found_error")
    assert (image.status_code, error_of(image)[0]) == (400, "invalid_request_error")
    assert large.status_code == 400
    assert "at most 262144" in error_of(large)[1]
