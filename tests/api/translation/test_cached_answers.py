"""One cached response, through whichever of the three APIs it is asked for."""

import itertools
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp

from cluster.invalidation.generations import Generations
from cluster.runtime.clock import SystemClock
from deployments.cache.config import CacheConfig
from deployments.ingress.cache_stack import CacheStack
from deployments.ingress.http.app import create_app
from deployments.ingress.pipeline.estimates import TokenEstimator
from deployments.ingress.pipeline.metering import UsageRecorder
from deployments.ingress.pipeline.model_pipeline import ModelPipeline
from deployments.ingress.services import AppServices
from tests.api.caching.answers import News
from tests.api.fakes import Records
from tests.api.translation import reading
from tests.api.translation.reading import Said
from tests.api.translation.scripted import Script, ScriptedModel

PARAMETERS = {"type": "object"}
FUNCTION = {"name": "weather", "parameters": PARAMETERS}
MESSAGES = [{"role": "user", "content": "Weather?"}]
SHARED: dict[str, Any] = {"model": "words", "temperature": 0}
CHAT: dict[str, Any] = {
    **SHARED,
    "messages": MESSAGES,
    "max_tokens": 9,
    "tools": [{"type": "function", "function": FUNCTION}],
}
RESPONSE: dict[str, Any] = {
    **SHARED,
    "input": MESSAGES,
    "max_output_tokens": 9,
    "tools": [{"type": "function", **FUNCTION}],
}
MESSAGE: dict[str, Any] = {
    **SHARED,
    "messages": MESSAGES,
    "max_tokens": 9,
    "tools": [{"name": "weather", "input_schema": PARAMETERS}],
}
APIS = ("chat", "response", "message")
CALL = Script(("I look.",), (("c1", "weather", ('{"a":1}',)),), "tool_calls")


@pytest.fixture
async def app(
    services: AppServices, records: Records, scripted: ScriptedModel, tmp_path: Path
) -> AsyncIterator[ASGIApp]:
    config = CacheConfig(memory_bytes=1 << 22)
    news, clock = News(Generations()), SystemClock()
    models, secret = services.models, lambda _: b"a" * 32
    caches = CacheStack(config, models, secret, news, None, tmp_path, clock)
    await caches.fingerprints.refresh()
    recorder = UsageRecorder(records, TokenEstimator({}))
    pipeline = ModelPipeline(models, recorder, caches.responses)
    yield create_app(replace(services, model_pipeline=pipeline, rendered_responses=caches.rendered))
    await caches.close()


async def ask(client: httpx.AsyncClient, api: str, *, stream: bool) -> tuple[Said, str]:
    """What was said, and what the cache had to do with it."""
    path, body, whole, streamed = {
        "chat": ("/v1/chat/completions", CHAT, reading.chat, reading.chat_stream),
        "response": ("/v1/responses", RESPONSE, reading.response, reading.response_stream),
        "message": ("/v1/messages", MESSAGE, reading.message, reading.message_stream),
    }[api]
    more: dict[str, Any] = {"stream": True} if stream else {}
    if stream and api == "chat":
        more["stream_options"] = {"include_usage": True}
    answer = await client.post(path, json=body | more)
    assert answer.status_code == 200, answer.text
    said = streamed(answer.text) if stream else whole(answer.json())
    return said, answer.headers["cache-status"]


@pytest.mark.parametrize("script", [Script(), CALL], ids=["text", "calls"])
@pytest.mark.parametrize("first", APIS)
async def test_what_one_api_has_cached_the_others_answer_with(
    client: httpx.AsyncClient, scripted: ScriptedModel, first: str, script: Script
) -> None:
    scripted.script = script
    said, status = await ask(client, first, stream=False)
    assert "hit" not in status

    for api, stream in itertools.product(APIS, (False, True)):
        again, status = await ask(client, api, stream=stream)
        assert "hit" in status, (api, stream)
        assert again == said, (api, stream)

    assert len(scripted.requests) == 1


async def test_a_cached_response_knows_the_stop_string_that_ended_it(
    client: httpx.AsyncClient, scripted: ScriptedModel
) -> None:
    scripted.script = Script(stop="END")
    await client.post("/v1/chat/completions", json=CHAT | {"stop": ["END"]})
    body = MESSAGE | {"stop_sequences": ["END"]}

    whole = (await client.post("/v1/messages", json=body)).json()
    streamed = await client.post("/v1/messages", json=body | {"stream": True})

    assert whole["stop_sequence"] == "END"
    assert reading.events(streamed.text)[-2][1]["delta"]["stop_sequence"] == "END"
    assert len(scripted.requests) == 1
