"""Any request, through chat, responses and messages: one request to the model, one answer."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
from hypothesis import HealthCheck, given, settings
from starlette.types import ASGIApp

from deployments.contracts.generation import GenerateRequest
from tests.api.translation import reading
from tests.api.translation.conversations import (
    Conversation,
    chat_body,
    conversations,
    message_body,
    response_body,
    scripts,
)
from tests.api.translation.reading import Said
from tests.api.translation.scripted import Script, ScriptedModel
from tests.api.web import client_of

EXAMPLES = 50 if settings.get_current_profile_name() == "quick" else 5_000
STREAMED = {"stream": True}
USAGE = {"stream_options": {"include_usage": True}}

Read = Callable[[httpx.Response], Said]


def whole(read: Callable[[dict[str, Any]], Said]) -> Read:
    return lambda answer: read(answer.json())


def streamed(read: Callable[[str], Said]) -> Read:
    return lambda answer: read(answer.text)


async def answers(app: ASGIApp, said: Conversation) -> list[Said]:
    """Of the three APIs, whole and streamed."""
    chat, response, message = chat_body(said), response_body(said), message_body(said)
    calls: list[tuple[str, dict[str, Any], Read]] = [
        ("/v1/chat/completions", chat, whole(reading.chat)),
        ("/v1/chat/completions", chat | STREAMED | USAGE, streamed(reading.chat_stream)),
        ("/v1/responses", response, whole(reading.response)),
        ("/v1/responses", response | STREAMED, streamed(reading.response_stream)),
        ("/v1/messages", message, whole(reading.message)),
        ("/v1/messages", message | STREAMED, streamed(reading.message_stream)),
    ]
    found = []
    async with client_of(app) as client:
        for path, body, read in calls:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            found.append(read(answer))
    return found


def comparable(request: GenerateRequest) -> GenerateRequest:
    """Without what differs from call to call."""
    return replace(request, request_id="", call="", timeout_s=0.0, start_within_s=None)


@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=conversations(), script=scripts())
def test_the_three_apis_ask_for_the_same_and_answer_the_same(
    app: ASGIApp, scripted: ScriptedModel, said: Conversation, script: Script
) -> None:
    scripted.script = script
    scripted.requests.clear()

    first, *others = asyncio.run(answers(app, said))

    assert others == [first] * 5
    asked = [comparable(request) for request in scripted.requests]
    assert asked == [asked[0]] * 6
